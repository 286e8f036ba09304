package pricebook

import (
	"github.com/goccy/go-yaml/ast"
)

// subscriptions reads what is sold for one service: which operations a
// subscription covers, and its rows.
func (p *parse) subscriptions(n ast.Node) {
	f, ok := p.fields(n, "the subscriptions entry", "service", "operations", "delete_qps", "rows")
	if !ok {
		return
	}
	service := ""
	if n := f.required("service", "search"); n != nil {
		service = p.word(n, "service")
		p.unique("service", service, n)
	}
	if n := f.required("operations", "{search/search: search}"); n != nil {
		p.subscribed(n, service)
	}
	deleteQPS := f.quota("delete_qps", "20")
	trial := false
	for _, n := range p.list(f.required("rows", "[{id: s1, images: 100_000, qps: 1, price: 300.00}]"), "rows") {
		row, ok := p.row(n)
		if !ok {
			continue
		}
		row.Service, row.QPS.Delete = service, deleteQPS
		if row.Trial && trial {
			p.find(position(n), "row %q is a second trial of service %q; leave \"trial: true\" on one row only", row.ID, service)
		}
		trial = trial || row.Trial
		p.book.Rows = append(p.book.Rows, row)
	}
}

// subscribed reads operations and the class that limits each.
func (p *parse) subscribed(n ast.Node, service string) {
	entries, ok := entriesOf(n)
	if !ok || len(entries) == 0 {
		p.find(position(n), "operations should name the class of each operation; write {search/search: search}")
		return
	}
	for _, entry := range entries {
		name := p.operationName(entry.Key)
		class, ok := p.text(entry.Value, "the class")
		if ok && (QPS{1, 1, 1}).Of(class) == 0 {
			p.find(position(entry.Value), "class %q is unknown; write search, add or delete", class)
		}
		if name != "" && service != "" && serviceOf(name) != service {
			p.find(position(entry.Key), "operation %q is not one of service %q; name it %s/…", name, service, service)
		}
		if p.unique("operation", name, entry.Key) {
			p.book.Operations = append(p.book.Operations, Operation{Name: name, Funding: Subscribed, Class: class})
		}
	}
}

// row reads one offer; its plan QPS is that of searches and adds (D27).
func (p *parse) row(n ast.Node) (Row, bool) {
	f, ok := p.fields(n, "the row", "id", "images", "qps", "price", "trial")
	if !ok {
		return Row{}, false
	}
	qps := f.quota("qps", "5")
	row := Row{
		ID:        f.id("row"),
		MaxImages: f.count("images", 1, "100_000"),
		QPS:       QPS{Search: qps, Add: qps},
		Price:     f.amount("price", "300.00", p.book.Currency),
		Trial:     f.flag("trial"),
	}
	return row, p.unique("row", row.ID, f.values["id"])
}
