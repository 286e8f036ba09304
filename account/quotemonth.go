package account

import (
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// pays reports whether a package is in force in the whole of a month.
func (p BoughtPackage) pays(start, end int64) bool { return p.Start <= start && end <= p.End }

// fund says what pays for a month's calls (D11).
func (r *planRun) fund(m *MonthlyCost, p Period) (counts []Count) {
	left := m.Calls
	take := func(kind Kind, ref uint32, most uint64) (took uint64) {
		if took = min(left, most); took > 0 {
			counts = append(counts, Count{Line{Account: 1, Operation: 1, Kind: kind, Ref: ref}, took})
			left -= took
		}
		return took
	}
	m.Free = take(Free, p.Month, uint64(r.op.FreePerMonth))
	for _, b := range r.account.Packages {
		if b.pays(p.Start, p.End) {
			m.Packaged += take(Package, b.Number, b.Quota-b.Used)
		}
	}
	m.PayPerUse = take(PayPerUse, 0, left)
	r.unused -= m.Packaged
	return counts
}

// explain shows the tiers of the month's pay-per-use calls.
func (m *MonthlyCost) explain(op *pricebook.Operation) error {
	first := int64(0)
	if op.Basis == pricebook.AllSuccessful {
		first = int64(m.Free + m.Packaged)
	}
	bands, err := rating.Bands(op, first, first+int64(m.PayPerUse))
	for _, b := range bands {
		m.Bands = append(m.Bands, QuotedBand{b.From, b.To, b.Calls, b.Price.String(), b.Exact.String()})
	}
	return err
}

// perCall is a total by calls, "" where that is no price.
func perCall(total money.Amount, calls uint64, cur money.Currency) string {
	if calls == 0 {
		return ""
	}
	scale := int64(1)
	for range money.PriceDigits - cur.Digits {
		scale *= 10
	}
	price, err := total.MulDiv(scale, int64(calls))
	if err != nil {
		return ""
	}
	return cur.FormatPrice(money.Price(price))
}
