package pricebook

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/token"

	"github.com/tallygate/tallygate/rating/money"
)

// Load reads and parses a file.
func Load(path string) (*Book, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("price book: %w", err)
	}
	return Parse(path, data)
}

// Parse reads and lints a price book. Name stands for the file in the error,
// which is of type Findings. The book keeps data.
func Parse(name string, data []byte) (*Book, error) {
	hash := sha256.Sum256(data)
	p := parse{
		reader:   reader{file: name},
		book:     &Book{Hash: "sha256:" + hex.EncodeToString(hash[:]), Source: data},
		declared: map[string]*token.Position{},
		payg:     map[string]bool{},
	}
	p.file(data)
	if len(p.findings) > 0 {
		p.findings.sort()
		return nil, p.findings
	}
	slices.SortFunc(p.book.Operations, func(a, b Operation) int { return cmp.Compare(a.Name, b.Name) })
	return p.book, nil
}

// parse fills a book, section by section.
type parse struct {
	reader
	book     *Book
	declared map[string]*token.Position // of what must be unique: "operation x", "row x", …
	payg     map[string]bool            // operations that packages may be sold for
}

func (p *parse) file(data []byte) {
	body := p.document(data)
	if body == nil {
		return
	}
	f, ok := p.fields(body, "the price book", "currency", "pay_per_use", "packages", "subscriptions")
	if !ok {
		return
	}
	p.currency(f.required("currency", "USD"))
	if f.values["pay_per_use"] == nil && f.values["subscriptions"] == nil {
		p.find(f.at, "the price book prices nothing; add \"pay_per_use\" or \"subscriptions\"")
	}
	for _, n := range p.list(f.values["pay_per_use"], "pay_per_use") {
		p.payPerUse(n)
	}
	for _, n := range p.list(f.values["packages"], "packages") {
		p.pack(n)
	}
	for _, n := range p.list(f.values["subscriptions"], "subscriptions") {
		p.subscriptions(n)
	}
}

func (p *parse) currency(n ast.Node) {
	if n == nil {
		return
	}
	if code, ok := p.text(n, "currency"); ok {
		var err error
		if p.book.Currency, err = money.CurrencyOf(code); err != nil {
			p.find(position(n), "%v", err)
		}
	}
}

// payPerUse reads operations that share free allowance, tiers and quota.
func (p *parse) payPerUse(n ast.Node) {
	f, ok := p.fields(n, "the pay_per_use entry", "operations", "free_per_month", "model", "tier_basis", "tiers", "qps")
	if !ok {
		return
	}
	rates := Operation{
		Funding:      PayPerUse,
		FreePerMonth: f.count("free_per_month", 0, ""),
		Model:        Model(f.choice("model", Graduated.String(), Volume.String())),
		Basis:        Basis(f.choice("tier_basis", PayPerUseCalls.String(), AllSuccessful.String())),
		QPS:          f.quota("qps", ""),
	}
	rates.Tiers = p.tiers(f.required("tiers", "[{price: 0.0030}]"))
	for _, name := range p.list(f.required("operations", "[service/operation]"), "operations") {
		rates.Name = p.operationName(name)
		if p.unique("operation", rates.Name, name) {
			p.payg[rates.Name] = true
			p.book.Operations = append(p.book.Operations, rates)
		}
	}
}

func (p *parse) tiers(n ast.Node) []Tier {
	nodes, before := p.list(n, "tiers"), len(p.findings)
	tiers := make([]Tier, len(nodes))
	for i, n := range nodes {
		if f, ok := p.fields(n, "the tier", "up_to", "price"); ok {
			tiers[i] = Tier{UpTo: f.count("up_to", 1, ""), Price: f.unitPrice("price", "0.0030")}
		}
	}
	if len(p.findings) == before { // else the bounds are not what was meant
		p.ascending(nodes, tiers)
	}
	return tiers
}

// ascending lints the bounds of tiers.
func (p *parse) ascending(nodes []ast.Node, tiers []Tier) {
	previous := int64(0)
	for i, tier := range tiers {
		last, at := i == len(tiers)-1, position(nodes[i])
		switch {
		case last && tier.UpTo != 0:
			p.find(at, "the last tier ends at %d, so later calls have no price; remove its up_to", tier.UpTo)
		case !last && tier.UpTo == 0:
			p.find(at, "this tier has no bound, so the ones after it never apply; add \"up_to: N\"")
		case !last && tier.UpTo <= previous:
			p.find(at, "up_to %d does not exceed the %d of the tier before; write the tiers in ascending order", tier.UpTo, previous)
		}
		previous = max(previous, tier.UpTo)
	}
}

func (p *parse) pack(n ast.Node) {
	f, ok := p.fields(n, "the package", "id", "operation", "calls", "valid", "price")
	if !ok {
		return
	}
	pack := Package{
		ID:     f.id("package"),
		Quota:  f.count("calls", 1, "10_000"),
		Months: f.months("valid", "1y"),
		Price:  f.amount("price", "24.00", p.book.Currency),
	}
	if n := f.required("operation", "service/operation"); n != nil {
		if pack.Operation = p.operationName(n); pack.Operation != "" && !p.payg[pack.Operation] {
			p.find(position(n), "package operation %q is no pay-per-use operation of this book; use a name from pay_per_use", pack.Operation)
		}
	}
	if p.unique("package", pack.ID, f.values["id"]) {
		p.book.Packages = append(p.book.Packages, pack)
	}
}

// unique reports whether an id was read and is the first of its kind.
func (p *parse) unique(kind, id string, n ast.Node) bool {
	if id == "" {
		return false
	}
	key := kind + " " + id
	if first, taken := p.declared[key]; taken {
		p.find(position(n), "%s %q is already on line %d; remove or rename one of the two", kind, id, first.Line)
		return false
	}
	p.declared[key] = position(n)
	return true
}

func serviceOf(operation string) string {
	service, _, _ := strings.Cut(operation, "/")
	return service
}
