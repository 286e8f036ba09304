package account

import (
	"encoding/json"
	"errors"
	"math/big"
	"os"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

func quoteEnv(book *pricebook.Book) Env {
	return Env{Currency: book.Currency, Zone: lifeZone, Policy: DefaultPolicy, Books: func(int64) *pricebook.Book { return book }}.at(lifeStart)
}

func exampleBook(t *testing.T) *pricebook.Book {
	t.Helper()
	data, err := os.ReadFile("../pricebook.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return mustParse(string(data))
}

// TestQuoteIsWhatItCosts: of every plan, the purchases and each month's usage are
// what math/big makes of them, packages pay first while they last, and the
// cheapest is the cheapest (D34).
func TestQuoteIsWhatItCosts(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		op, cur := genOperation.Draw(t, "operation"), genCurrency.Draw(t, "currency")
		op.FreePerMonth = rapid.Int64Range(0, 50).Draw(t, "free")
		book := &pricebook.Book{Currency: cur, Operations: []pricebook.Operation{*op}}
		for _, id := range []string{"a", "b"}[:rapid.IntRange(0, 2).Draw(t, "packages")] {
			book.Packages = append(book.Packages, pricebook.Package{ID: id, Operation: op.Name, Quota: rapid.Int64Range(20, 300).Draw(t, "quota"),
				Months: rapid.IntRange(1, 3).Draw(t, "term"), Price: money.Amount(rapid.Int64Range(1, 1e6).Draw(t, "price"))})
		}
		e := quoteEnv(book)
		e.Policy = genPolicy.Draw(t, "policy")
		months := rapid.SliceOfN(rapid.Uint64Range(0, 160), 1, 4).Draw(t, "months")
		q, err := Quote(e, Profile{op.Name, months})
		if err != nil {
			t.Fatal(err)
		}
		least, cheapest := "", money.Amount(-1)
		for _, p := range q.Plans {
			total := checkPlan(t, book, op, cur, months, p)
			if cheapest < 0 || total < cheapest {
				least, cheapest = p.Package+" "+string(p.Buy), total
			}
		}
		i := slices.IndexFunc(q.Plans, func(p Plan) bool { return p.Cheapest })
		if got := q.Plans[i].Package + " " + string(q.Plans[i].Buy); got != least || slices.ContainsFunc(q.Plans[i+1:], func(p Plan) bool { return p.Cheapest }) {
			t.Fatalf("%q is marked as cheapest, should be %q", got, least)
		}
	})
}

func checkPlan(t *rapid.T, book *pricebook.Book, op *pricebook.Operation, cur money.Currency, calls []uint64, p Plan) (total money.Amount) {
	amount := func(s string) money.Amount {
		a, err := cur.Parse(s)
		if err != nil {
			t.Fatal(err)
		}
		return a
	}
	pack, _ := book.Package(p.Package)
	left := make([]uint64, len(calls)+5) // by the month in which it lapses
	purchases := money.Amount(0)
	for i, m := range p.Months {
		if pack != nil {
			bought := amount(m.Purchases) / pack.Price
			left[i+pack.Months] += uint64(bought) * uint64(pack.Quota)
			purchases += bought
		}
		beyond := calls[i] - m.Free
		packaged := uint64(0)
		for j := i + 1; j < len(left); j++ {
			took := min(left[j], beyond-packaged)
			left[j], packaged = left[j]-took, packaged+took
		}
		want := rating.Hour{Free: min(calls[i], uint64(op.FreePerMonth)), Package: packaged, PayPerUse: beyond - packaged}
		if got := (rating.Hour{Free: m.Free, Package: m.Packaged, PayPerUse: m.PayPerUse}); got != want {
			t.Fatalf("%+v: month %d is paid by %+v, should be %+v", p, i, got, want)
		}
		if usage := monthCost(op, cur, []rating.Hour{want}); usage.Cmp(big.NewInt(int64(amount(m.Usage)))) != 0 {
			t.Fatalf("%+v: month %d costs %s, should be %s", p, i, m.Usage, usage)
		}
		if p.Buy == BuyCover && m.PayPerUse > 0 {
			t.Fatalf("%+v: month %d is not covered", p, i)
		}
		banded := uint64(0)
		for _, b := range m.Bands {
			banded += uint64(b.Calls)
		}
		if banded != m.PayPerUse || amount(m.Total) != amount(m.Purchases)+amount(m.Usage) {
			t.Fatalf("%+v: month %+v", p, m)
		}
		total += amount(m.Total)
	}
	if total != amount(p.Total) || int(purchases) != p.Purchases {
		t.Fatalf("%+v: the months cost %d with %d purchases", p, total, purchases)
	}
	return total
}

// TestQuoteIsLived: an account that does what a plan says, and is settled day by
// day, pays what the plan says.
func TestQuoteIsLived(t *testing.T) {
	t.Parallel()
	book := mustParse(lifeBook)
	rapid.Check(t, func(t *rapid.T) {
		months := rapid.SliceOfN(rapid.Uint64Range(0, 50), 1, 3).Draw(t, "months")
		q, err := Quote(quoteEnv(book), Profile{"r/graduated", months})
		if err != nil {
			t.Fatal(err)
		}
		plan := rapid.SampledFrom(q.Plans).Draw(t, "plan")
		l := newLife(DefaultPolicy)
		l.env.Books = quoteEnv(book).Books
		l.CreditLimit = 1e12
		month := rating.MonthOf(lifeStart, lifeZone)
		for i, m := range plan.Months {
			start, end := rating.MonthBounds(month, lifeZone)
			pack, _ := book.Package(plan.Package)
			for m.Purchases != "0.00" && pack != nil {
				bought, _ := book.Currency.Parse(m.Purchases)
				l.step(step{at: start, command: &BuyPackage{Package: plan.Package}})
				m.Purchases = book.Currency.Format(bought - pack.Price)
			}
			rest := months[i]
			for at := start + 3600; rest > 0; at = min(at+9*day, end) {
				some := rapid.Uint64Range(0, rest).Draw(t, "calls")
				if at == end {
					some = rest
				}
				l.step(step{at: at, calls: []uint64{some, 0, 0, 0}})
				rest -= some
			}
			month = month.Next()
		}
		if paid := book.Currency.Format(-l.Balance); paid != plan.Total {
			t.Fatalf("%+v: an account paid %s", plan, paid)
		}
	})
}

// TestQuoteOfExample: the figures of the book of the examples.
func TestQuoteOfExample(t *testing.T) {
	year := make([]uint64, 12)
	for i := range year {
		year[i] = 50_000
	}
	q, err := Quote(quoteEnv(exampleBook(t)), Profile{"recognition/image-tagging", year})
	if err != nil {
		t.Fatal(err)
	}
	type row struct {
		pack      string
		buy       Buying
		purchases int
		total     string
		perCall   string
		unused    uint64
		cheapest  bool
	}
	// 49,000 calls a month beyond the free ones: 10,000 × 0.0030 + 39,000 × 0.0025
	// = 127.50, twelve times. Then 588,000 calls by packages, or nearly.
	want := []row{
		{"", "", 0, "1530.00", "0.00255", 0, false},
		{"image-tagging-10k-1y", BuyOnce, 1, "1529.00", "0.002548333333", 0, false},
		{"image-tagging-10k-1y", BuyUsed, 58, "1416.00", "0.00236", 0, false},
		{"image-tagging-10k-1y", BuyCover, 59, "1416.00", "0.00236", 2000, false},
		{"image-tagging-100k-1y", BuyOnce, 1, "1460.00", "0.002433333333", 0, false},
		{"image-tagging-100k-1y", BuyUsed, 5, "1180.00", "0.001966666667", 0, false},
		{"image-tagging-100k-1y", BuyCover, 6, "1140.00", "0.0019", 12000, true},
		{"image-tagging-1m-1y", BuyOnce, 1, "1300.00", "0.002166666667", 412_000, false},
	}
	var got []row
	for _, p := range q.Plans {
		got = append(got, row{p.Package, p.Buy, p.Purchases, p.Total, p.PerCall, p.Unused, p.Cheapest})
	}
	if !slices.Equal(got, want) {
		t.Errorf("%+v\nshould be\n%+v", got, want)
	}
	data, err := json.Marshal(q.Plans[0].Months[0])
	if want := `{"month":"2027-01","calls":50000,"free":1000,"packaged":0,"pay_per_use":49000,"bands":[` +
		`{"from":1,"to":10000,"calls":10000,"price":"0.003","exact":"30"},{"from":10001,"to":49000,"calls":39000,"price":"0.0025","exact":"97.5"}],` +
		`"purchases":"0.00","usage":"127.50","total":"127.50"}`; err != nil || string(data) != want {
		t.Errorf("%s, %v", data, err)
	}
}

func TestQuoteRefuses(t *testing.T) {
	e := quoteEnv(exampleBook(t))
	for name, tc := range map[string]struct {
		profile Profile
		why     Why
		field   string
	}{
		"no such operation":      {Profile{"recognition/none", []uint64{1}}, NotFound, "operation"},
		"a subscribed operation": {Profile{"search/search", []uint64{1}}, NotFound, "operation"},
		"no month":               {Profile{"recognition/image-tagging", nil}, Invalid, "months"},
		"too many months":        {Profile{"recognition/image-tagging", make([]uint64, 61)}, Invalid, "months"},
		"too many calls":         {Profile{"recognition/image-tagging", []uint64{1e12 + 1}}, Invalid, "months"},
	} {
		_, err := Quote(e, tc.profile)
		var no *Error
		if !errors.As(err, &no) || no.Why != tc.why || no.Field != tc.field {
			t.Errorf("%s: %v", name, err)
		}
	}
	if q, err := Quote(e, Profile{"recognition/image-tagging", []uint64{1e12, 0}}); err != nil || q.Plans[0].Total != "1000000874.00" {
		t.Errorf("%v, %v", q, err)
	}
}

// TestQuoteSubscription: the rows that hold a need at what they are sold for, the
// cheapest first; beyond the table, contact sales (D25).
func TestQuoteSubscription(t *testing.T) {
	e := quoteEnv(exampleBook(t))
	own := &Account{Rows: []OwnRow{
		{ID: "huge", Service: "search", MaxImages: 100_000_000, Search: 50, Add: 50, Delete: 20, Price: 40000_00},
		{ID: "s50m-10", Service: "search", MaxImages: 50_000_000, Search: 10, Add: 10, Delete: 20, Price: 20000_00},
	}}
	for _, tc := range []struct {
		name        string
		account     *Account
		images      int64
		qps, months int
		first       string
		total       string
		rows        int
	}{
		{"the smallest", nil, 0, 0, 1, "s100k-1", "300.00", 15},
		{"more images", nil, 100_001, 1, 12, "s2500k-5", "9600.00", 14},
		{"more calls", nil, 2_500_000, 6, 1, "s2500k-10", "1500.00", 7},
		{"equal prices: the one that holds more", nil, 5_000_000, 5, 1, "s5m-5", "1600.00", 12},
		{"the largest", nil, 50_000_000, 10, 36, "s50m-10", "795600.00", 1},
		{"beyond", nil, 50_000_001, 1, 1, "", "", 0},
		{"faster", nil, 1, 11, 1, "", "", 0},
		{"an own row instead of the table's", own, 50_000_000, 10, 1, "s50m-10", "20000.00", 2},
		{"an own row", own, 50_000_001, 11, 2, "huge", "80000.00", 1},
	} {
		q, err := QuoteSubscription(e, tc.account, "search", tc.images, tc.qps, tc.months)
		if err != nil || len(q.Rows) != tc.rows || q.ContactSales != (tc.rows == 0) || tc.rows > 0 && (q.Rows[0].Row != tc.first || q.Rows[0].Total != tc.total) {
			t.Errorf("%s: %+v, %v", tc.name, q, err)
		}
	}
	if q, err := QuoteSubscription(e, nil, "search", 5_000_001, 5, 1); err != nil || q.Rows[0].Row != "s10m-5" || q.Rows[1].Row != "s20m-5" || q.Rows[2].Row != "s10m-10" {
		t.Errorf("%+v, %v", q, err)
	}
	for field, ask := range map[string]func() (SubscriptionQuotation, error){
		"service": func() (SubscriptionQuotation, error) { return QuoteSubscription(e, nil, "recognition", 1, 1, 1) },
		"images":  func() (SubscriptionQuotation, error) { return QuoteSubscription(e, nil, "search", -1, 1, 1) },
		"qps":     func() (SubscriptionQuotation, error) { return QuoteSubscription(e, nil, "search", 1, -1, 1) },
		"months":  func() (SubscriptionQuotation, error) { return QuoteSubscription(e, nil, "search", 1, 1, 37) },
	} {
		_, err := ask()
		var no *Error
		if !errors.As(err, &no) || no.Field != field {
			t.Errorf("%s: %v", field, err)
		}
	}
}
