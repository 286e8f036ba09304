package account

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/rating/pricebook"
)

const bookText = `currency: USD
pay_per_use:
  - operations: [recognition/image-tagging]
    tiers:
      - {up_to: 100, price: 0.015}
      - {price: 0.010}
  - operations: [recognition/media-tagging]
    model: volume
    tiers:
      - {up_to: 100, price: 0.02}
      - {price: 0.01}
packages:
  - {id: month, operation: recognition/image-tagging, calls: 50, valid: 1mo, price: 5.00}
  - {id: year, operation: recognition/image-tagging, calls: 500, valid: 1y, price: 40.00}
subscriptions:
  - service: search
    operations: {search/search: search, search/add: add, search/delete: delete}
    delete_qps: 20
    rows:
      - {id: small, images: 100_000, qps: 1, price: 300.00}
`

var zone = time.FixedZone("+08:00", 8*3600)

func env(t *testing.T, at time.Time) Env {
	t.Helper()
	book, err := pricebook.Parse("book.yaml", []byte(bookText))
	if err != nil {
		t.Fatal(err)
	}
	return Env{Now: at.UnixNano(), Currency: book.Currency, Book: book, Zone: zone,
		OperationNumber: func(string) (uint16, bool) { return 1, true }}
}

func on(month time.Month, day, hour int) time.Time {
	return time.Date(2027, month, day, hour, 0, 0, 0, zone)
}

func apply(t *testing.T, a *Account, at time.Time, c Command) (Effects, error) {
	t.Helper()
	return c.Apply(a, env(t, at))
}

func rich(t *testing.T, amount string) *Account {
	t.Helper()
	a := &Account{ID: "acme", Number: 1}
	if _, err := apply(t, a, on(1, 1, 0), &TopUp{Amount: amount, Reference: "wire"}); err != nil {
		t.Fatal(err)
	}
	return a
}

// TestRefusals: each names the field and says what mends it, and changes nothing.
func TestRefusals(t *testing.T) {
	for _, tc := range []struct {
		name    string
		command Command
		why     Why
		field   string
		says    string
	}{
		{"negative top-up", &TopUp{Amount: "-1", Reference: "r"}, Invalid, "amount", "more than zero"},
		{"nothing", &TopUp{Amount: "0.00", Reference: "r"}, Invalid, "amount", "more than zero"},
		{"finer than a cent (D33)", &TopUp{Amount: "0.005", Reference: "r"}, Invalid, "amount", ""},
		{"an exponent", &TopUp{Amount: "1e400", Reference: "r"}, Invalid, "amount", ""},
		{"beyond the range", &TopUp{Amount: "92233720368547758.07", Reference: "r"}, Invalid, "amount", "out of range"},
		{"no reference (D33)", &TopUp{Amount: "1.00"}, Invalid, "reference", "name the payment"},
		{"no such package", &BuyPackage{Package: "none"}, NotFound, "package", `"none"`},
		{"too dear (D14)", &BuyPackage{Package: "year"}, Unpaid, "account", "top up first"},
		{"no such row", &Subscribe{Instance: "shop", Row: "huge", Months: 1}, NotFound, "row", `"huge"`},
		{"no month", &Subscribe{Instance: "shop", Row: "small"}, Invalid, "months", "1 to 36"},
		{"a bad name", &Subscribe{Instance: "a/b", Row: "small", Months: 1}, Invalid, "instance", "letters"},
		{"no such key", &RevokeKey{Key: "k"}, NotFound, "key", `"k"`},
		{"a short hash", &AddKey{Key: "k", Kind: SecretKey, Hash: "ab"}, Invalid, "hash", "64 hex"},
		{"nothing to change", &ChangeAccount{}, Invalid, "", "credit_limit"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			a := rich(t, "10.00")
			_, err := apply(t, a, on(1, 2, 0), tc.command)
			var no *Error
			if !errors.As(err, &no) || no.Why != tc.why || no.Field != tc.field || !strings.Contains(no.Text, tc.says) {
				t.Fatalf("%#v", err)
			}
			if a.Balance != 1000 || a.Movements != 1 {
				t.Errorf("it changed the account: %+v", a)
			}
		})
	}
}

// TestValidity: calendar months in the billing zone, clamped to the month's last
// day (D15), half-open (D7).
func TestValidity(t *testing.T) {
	for _, tc := range []struct{ bought, pack, end string }{
		{"2027-01-31T10:00:00+08:00", "month", "2027-02-28T10:00:00+08:00"},
		{"2028-01-31T23:30:00+08:00", "month", "2028-02-29T23:30:00+08:00"},
		{"2028-02-29T00:00:00+08:00", "year", "2029-02-28T00:00:00+08:00"},
		{"2027-01-31T20:00:00Z", "month", "2027-03-01T04:00:00+08:00"}, // 1 February in the zone
	} {
		at, err := time.Parse(time.RFC3339, tc.bought)
		if err != nil {
			t.Fatal(err)
		}
		a := rich(t, "100.00")
		if _, err := apply(t, a, at, &BuyPackage{Package: tc.pack}); err != nil {
			t.Fatal(err)
		}
		p := a.Packages[0]
		if end := time.Unix(p.End, 0).In(zone).Format(time.RFC3339); end != tc.end || p.Start != at.Unix() {
			t.Errorf("%s bought at %s ends at %s, want %s", tc.pack, tc.bought, end, tc.end)
		}
	}
}

// TestConsumptionOrder: earliest expiry, earliest purchase, number (D14).
func TestConsumptionOrder(t *testing.T) {
	a := rich(t, "100.00")
	for _, id := range []string{"year", "month", "month"} {
		if _, err := apply(t, a, on(1, 5, 0), &BuyPackage{Package: id}); err != nil {
			t.Fatal(err)
		}
	}
	var order []uint32
	for _, p := range a.Packages {
		order = append(order, p.Number)
	}
	if len(order) != 3 || order[0] != 2 || order[1] != 3 || order[2] != 1 {
		t.Errorf("packages are used up in the order %v, want 2, 3, 1", order)
	}
}

// TestOneSubscription of an instance at a time, bought at most once a calendar
// month (D25).
func TestOneSubscription(t *testing.T) {
	a := rich(t, "2000.00")
	buy := func(at time.Time, instance string) error {
		_, err := apply(t, a, at, &Subscribe{Instance: instance, Row: "small", Months: 1})
		return err
	}
	for _, tc := range []struct {
		at       time.Time
		instance string
		allowed  bool
	}{
		{on(1, 1, 0), "shop", true},
		{on(1, 20, 0), "shop", false},
		{on(1, 20, 0), "other", true},
		{on(2, 1, 0), "shop", true}, // the term of 1 January has just ended
	} {
		err := buy(tc.at, tc.instance)
		var no *Error
		if (err == nil) != tc.allowed || err != nil && (!errors.As(err, &no) || no.Why != Conflict) {
			t.Errorf("%s at %s: %v", tc.instance, tc.at, err)
		}
	}
}

func settle(t *testing.T, a *Account, end time.Time, counts ...Count) []Charge {
	t.Helper()
	e := env(t, end)
	names := []string{"", "recognition/image-tagging", "recognition/media-tagging"}
	charges, err := a.Settle(Period{Start: end.Unix() - 3600, End: end.Unix(), Month: 202701, Policy: Policy{Grace: 3600, Retention: 7200}}, counts,
		func(n uint16) (*pricebook.Operation, bool) { return e.Book.Operation(names[n]) }, e.Currency)
	if err != nil {
		t.Fatal(err)
	}
	return charges
}

func payg(operation uint16, calls uint64) Count {
	return Count{Line{Account: 1, Operation: operation, Kind: PayPerUse}, calls}
}

// TestArrears: judged at settlements (D19), the states by time alone (D20),
// purchases refused (D21), ended by a top-up (D22) until the release (D23).
func TestArrears(t *testing.T) {
	a := rich(t, "1.00")
	settle(t, a, on(1, 1, 1), payg(1, 67)) // 1.005 rounds to 1.01
	if a.Balance != -1 || a.Arrears != on(1, 1, 1).Unix() {
		t.Fatalf("balance %d, in arrears since %d", a.Balance, a.Arrears)
	}
	for at, want := range map[time.Time]State{on(1, 1, 1): Grace, on(1, 1, 2): Retention, on(1, 1, 3): Retention, on(1, 1, 4): ReleasedState} {
		if s := a.StateAt(at.Unix()); s != want {
			t.Errorf("at %s: %s, want %s", at, s, want)
		}
	}
	_, err := apply(t, a.Clone(), on(1, 1, 2), &BuyPackage{Package: "month"})
	var no *Error
	if !errors.As(err, &no) || no.Why != NotAllowed {
		t.Errorf("a purchase in arrears: %v", err)
	}
	paid, late := a.Clone(), a.Clone()
	for _, c := range []struct {
		*Account
		at   time.Time
		want State
	}{{paid, on(1, 1, 3), Active}, {late, on(1, 1, 4), ReleasedState}} {
		if _, err := apply(t, c.Account, c.at, &TopUp{Amount: "0.01", Reference: "r"}); err != nil {
			t.Fatal(err)
		}
		if s := c.StateAt(c.at.Unix()); s != c.want {
			t.Errorf("topped up at %s: %s, want %s", c.at, s, c.want)
		}
	}
}

// TestVolumeCredit: under volume tiers a settlement may credit (D8), and that
// may end arrears.
func TestVolumeCredit(t *testing.T) {
	a := rich(t, "1.50")
	if c := settle(t, a, on(1, 1, 1), payg(2, 100)); c[0].Amount != 200 || a.Arrears == 0 {
		t.Fatalf("100 calls cost %d, in arrears since %d", c[0].Amount, a.Arrears)
	}
	if c := settle(t, a, on(1, 1, 2), payg(2, 1)); c[0].Amount != -99 || a.Balance != 49 || a.Arrears != 0 {
		t.Errorf("the call that reaches the next tier: %d, balance %d, in arrears since %d", c[0].Amount, a.Balance, a.Arrears)
	}
}
