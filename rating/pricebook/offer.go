package pricebook

import (
	"cmp"
	"slices"
)

// Fit returns the rows of a service that hold so many images at so many
// searches and adds a second, the cheapest first, and among equal prices the
// one that holds more. None means that the need goes beyond the table: contact
// sales (D25).
func (b *Book) Fit(service string, images int64, qps int) (rows []*Row) {
	for i := range b.Rows {
		r := &b.Rows[i]
		if r.Service == service && r.MaxImages >= images && min(r.QPS.Search, r.QPS.Add) >= qps {
			rows = append(rows, r)
		}
	}
	slices.SortStableFunc(rows, func(x, y *Row) int {
		return cmp.Or(cmp.Compare(x.Price, y.Price), cmp.Compare(y.MaxImages, x.MaxImages), cmp.Compare(y.QPS.Search, x.QPS.Search))
	})
	return rows
}
