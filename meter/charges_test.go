package meter

import (
	"context"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// priced are operations of every kind of tiers, with prices that the minor unit
// cannot show.
const priced = `
currency: USD
pay_per_use:
  - operations: [a/graduated]
    free_per_month: 2
    tiers: [{up_to: 5, price: 0.015}, {up_to: 9, price: 0.002}, {price: 0.0251}]
  - operations: [a/volume]
    free_per_month: 1
    model: volume
    tiers: [{up_to: 4, price: 0.031}, {up_to: 10, price: 0.0149}, {price: 0.002}]
  - operations: [a/all]
    free_per_month: 3
    tier_basis: all_successful
    tiers: [{up_to: 4, price: 0.01}, {up_to: 8, price: 0.0333}, {price: 0.004}]
  - operations: [a/allvolume]
    free_per_month: 2
    model: volume
    tier_basis: all_successful
    tiers: [{up_to: 6, price: 0.012}, {up_to: 9, price: 0.02}, {price: 0.003}]
  - operations: [a/plain]
    tiers: [{price: 0.01}]
`

const opPlain = 5 // of priced

// pricedMeter charges in real time.
func pricedMeter(t *testing.T, dir string, clock Clock) (*Meter, *pricebook.Book) {
	t.Helper()
	book, err := pricebook.Parse("prices", []byte(priced))
	if err != nil {
		t.Fatal(err)
	}
	m := Open(Config{Clock: clock, Dir: dir, Node: "n1", Period: func(unix int64) (int64, int64, uint32) {
		y, mo, _ := time.Unix(unix, 0).UTC().Date()
		return unix - unix%3600, 3600, uint32(y*100 + int(mo))
	}})
	var ops []Operation
	for i, name := range []string{"a/graduated", "a/volume", "a/all", "a/allvolume", "a/plain"} {
		op, _ := book.Operation(name)
		ops = append(ops, Operation{Number: uint16(i + 1), Name: name, Free: uint64(op.FreePerMonth), Price: op, Currency: book.Currency})
	}
	m.SetCatalogs([]*Catalog{NewCatalog(0, ops)})
	m.SetRealtime(true)
	return m, book
}

func closeMeter(t *testing.T, m *Meter) {
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), time.Second)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Error(err)
		}
	})
}

func payg(t *testing.T, m *Meter, k Key, want account.Kind) Hold {
	t.Helper()
	h, v := m.Admit(Call{Key: k, Operation: opPlain})
	if v.Reason != want {
		t.Fatalf("%s, want %s", v.Reason, want)
	}
	return h
}

// TestRealtime: a call is refused that would pass the limit when it is settled,
// held calls included (D19).
func TestRealtime(t *testing.T) {
	dir, clock := t.TempDir(), NewTestClock(testStart)
	m, _ := pricedMeter(t, dir, clock)
	closeMeter(t, m)
	view := View{Number: 1, PayPerUse: true, Balance: 2, CreditLimit: 1, Packages: []Package{
		{Number: 1, Operation: opPlain, Left: 1, Start: at(testStart.Add(time.Hour)), End: at(testStart.Add(2 * time.Hour))}}}
	k := keyFor(t, m, view, "")
	one, two, three := payg(t, m, k, 0), payg(t, m, k, 0), payg(t, m, k, 0)
	payg(t, m, k, account.PaymentRequired)
	m.Release(&two, account.FailedStatus)
	m.Post(&one)
	again := payg(t, m, k, 0)
	payg(t, m, k, account.PaymentRequired)
	if owed, err := m.Unsettled(1); owed != 3 || err != nil {
		t.Errorf("unsettled %d, %v; want 3", owed, err)
	}
	m.SetRealtime(false)
	more := payg(t, m, k, 0)
	m.Release(&more, account.FailedStatus)
	m.SetRealtime(true)
	view.Balance = 3 // a top-up
	m.Update(view)
	more = payg(t, m, k, 0)
	payg(t, m, k, account.PaymentRequired)
	if err := clock.Set(testStart.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	if h := payg(t, m, k, 0); line(h) != "package:1" { // it costs nothing more
		t.Error(line(h))
	} else {
		m.Post(&h)
	}
	payg(t, m, k, account.PaymentRequired)
	for _, h := range []*Hold{&three, &again, &more} {
		m.Post(h)
	}
	view.Balance, view.Usage = -1, []Usage{{Operation: opPlain, Month: 202611, PayPerUse: 4, Successful: 4, Debited: 4}} // settled
	m.Update(view)
	if owed, err := m.Unsettled(1); owed != 0 || err != nil {
		t.Errorf("unsettled %d, %v; want none", owed, err)
	}
	payg(t, m, k, account.PaymentRequired)
}

// TestRealtimeLateCalls: a call that outlives its month is owed all the time, and
// in the month that it is counted in (D6).
func TestRealtimeLateCalls(t *testing.T) {
	for _, early := range []bool{true, false} { // it ends before the new month is settled
		clock := NewTestClock(time.Date(2026, 11, 30, 23, 30, 0, 0, time.UTC))
		m, _ := pricedMeter(t, t.TempDir(), clock)
		closeMeter(t, m)
		view := View{Number: 1, PayPerUse: true, Balance: 2}
		k := keyFor(t, m, view, "")
		late := payg(t, m, k, 0)
		owes := func(want money.Amount) {
			t.Helper()
			if owed, err := m.Unsettled(1); owed != want || err != nil {
				t.Fatalf("early %t: %d owed, want %d, %v", early, owed, want, err)
			}
		}
		if err := clock.Set(time.Date(2026, 12, 1, 0, 10, 0, 0, time.UTC)); err != nil {
			t.Fatal(err)
		}
		h := payg(t, m, k, 0)
		sealAll(t, m) // November
		m.Update(view)
		owes(2)
		if early {
			m.Post(&late)
			owes(2)
		}
		m.Post(&h)
		view.Usage = []Usage{{Operation: opPlain, Month: 202612, PayPerUse: 1, Successful: 1, Debited: 1}}
		view.Balance = 1
		m.Update(view)
		owes(1)
		payg(t, m, k, account.PaymentRequired)
		if !early {
			m.Post(&late)
			owes(1)
		}
		noneHeld(t, m, 1)
	}
}

// TestRealtimeInGrace: allow_in_grace lets an account that is in debt call on
// (D21).
func TestRealtimeInGrace(t *testing.T) {
	m, _ := pricedMeter(t, t.TempDir(), NewTestClock(testStart))
	closeMeter(t, m)
	k := keyFor(t, m, View{Number: 1, PayPerUse: true, Balance: -5, InArrears: true, GraceUntil: at(testStart.Add(time.Hour))}, "")
	h := payg(t, m, k, 0)
	m.Post(&h)
}

// TestRealtimeOverflow: what cannot be priced is not served.
func TestRealtimeOverflow(t *testing.T) {
	m, _ := pricedMeter(t, t.TempDir(), NewTestClock(testStart))
	closeMeter(t, m)
	k := keyFor(t, m, View{Number: 1, PayPerUse: true, Balance: 1 << 62, CreditLimit: 1 << 62,
		Usage: []Usage{{Operation: opPlain, Month: 202611, PayPerUse: 1<<63 - 1}}}, "")
	payg(t, m, k, account.PaymentRequired)
	k = keyFor(t, m, View{Number: 2, PayPerUse: true, Balance: 1 << 62, CreditLimit: 1 << 62}, "")
	h := payg(t, m, k, 0)
	m.Post(&h)
}

// TestRealtimeAfterARestart: the open counters are owed, too.
func TestRealtimeAfterARestart(t *testing.T) {
	dir, clock := t.TempDir(), NewTestClock(testStart)
	first, _ := pricedMeter(t, dir, clock)
	view := View{Number: 1, PayPerUse: true, Balance: 5, Usage: []Usage{{Operation: opPlain, Month: 202611, PayPerUse: 7, Debited: 7}}}
	k := keyFor(t, first, view, "")
	for range 4 {
		h := payg(t, first, k, 0)
		first.Post(&h)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	second, _ := pricedMeter(t, dir, clock)
	closeMeter(t, second)
	k = keyFor(t, second, view, "")
	resumeAll(t, second, dir)
	h := payg(t, second, k, 0)
	second.Post(&h)
	payg(t, second, k, account.PaymentRequired)
}

func noneHeld(t *testing.T, m *Meter, number uint32) {
	for c := m.store.charges.at(m.account(number).charges); c != nil; c = m.store.charges.at(c.next) {
		if c.held != 0 {
			t.Errorf("calls are held after all have ended: %+v", *c)
		}
	}
}

// customer is a ledger of one account that settles what the meter seals.
type customer struct {
	m    *Meter
	book *pricebook.Book
	view View
}

// settle does to the account what the ledger does, and fails where the balance
// passes the limit.
func (c *customer) settle(t *testing.T) {
	for _, e := range c.m.Ended() {
		counts, err := c.m.Seal(context.Background(), e, 0)
		if err != nil {
			t.Fatal(err)
		}
		_, _, month := c.m.config.Period(e.Start)
		hours := make(map[uint16]rating.Hour)
		for _, n := range counts {
			h := hours[n.Operation]
			switch n.Kind {
			case account.Free:
				h.Free += n.Calls
			case account.PayPerUse:
				h.PayPerUse += n.Calls
			}
			hours[n.Operation] = h
		}
		for number, h := range hours {
			if h != (rating.Hour{}) {
				c.debit(t, number, month, h)
			}
		}
		c.m.Update(c.view)
		if c.view.Balance < -c.view.CreditLimit {
			t.Fatalf("the balance is %d after a settlement, the limit %d", c.view.Balance, c.view.CreditLimit)
		}
		if err := c.m.Drop(e); err != nil {
			t.Fatal(err)
		}
	}
}

func (c *customer) debit(t *testing.T, number uint16, month uint32, h rating.Hour) {
	var u *Usage
	for i := range c.view.Usage {
		if c.view.Usage[i].Operation == number {
			u = &c.view.Usage[i]
		}
	}
	if u == nil {
		c.view.Usage = append(c.view.Usage, Usage{Operation: number, Month: month})
		u = &c.view.Usage[len(c.view.Usage)-1]
	}
	if u.Month < month {
		*u = Usage{Operation: number, Month: month}
	}
	op := c.m.catalogs[0].operation(number).Price
	after, err := rating.Accrual{PayPerUse: u.PayPerUse, Successful: u.Successful, Exact: u.Exact}.Add(op, h)
	if err != nil {
		t.Fatal(err)
	}
	charge, err := after.Charge(c.book.Currency)
	if err != nil {
		t.Fatal(err)
	}
	c.view.Balance -= charge - u.Debited
	u.PayPerUse, u.Successful, u.Exact, u.Debited = after.PayPerUse, after.Successful, after.Exact, charge
}

// TestRealtimeNeverPassesTheLimit, whatever the tiers, the order in which calls
// end, and where periods and months end (D19).
func TestRealtimeNeverPassesTheLimit(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) { t.Parallel(); spend(t, rand.New(rand.NewPCG(seed, 1))) })
	}
}

// spend makes an account's calls at random through some hours about a month's
// end, and settles them.
func spend(t *testing.T, r *rand.Rand) {
	now := time.Date(2026, 11, 30, 22, 0, 0, 0, time.UTC)
	clock := NewTestClock(now)
	m, book := pricedMeter(t, t.TempDir(), clock)
	closeMeter(t, m)
	c := &customer{m, book, View{Number: 1, PayPerUse: true, Balance: money.Amount(r.IntN(40)), CreditLimit: money.Amount(r.IntN(10))}}
	m.Load(c.view)
	k, held := Key{account: m.account(1)}, []Hold{}
	for range 600 {
		switch step := r.IntN(1000); {
		case step < 550:
			if h, v := m.Admit(Call{Key: k, Operation: uint16(r.IntN(5) + 1)}); v.Reason == 0 {
				held = append(held, h)
			}
		case step < 950 && len(held) > 0:
			n := r.IntN(len(held))
			if r.IntN(4) == 0 {
				m.Release(&held[n], account.FailedStatus)
			} else {
				m.Post(&held[n])
			}
			held = append(held[:n], held[n+1:]...)
		case step < 970:
			now = now.Add(time.Duration(r.IntN(80)) * time.Minute)
			if err := clock.Set(now); err != nil {
				t.Fatal(err)
			}
		case step < 980:
			c.settle(t)
		case step < 985:
			c.view.Balance += money.Amount(r.IntN(9))
			m.Update(c.view)
		}
	}
	for i := range held {
		m.Post(&held[i])
	}
	if _, err := m.Roll(at(now.Add(2 * time.Hour))); err != nil {
		t.Fatal(err)
	}
	c.settle(t)
	noneHeld(t, m, 1)
	if owed, err := m.Unsettled(1); err != nil || owed > 0 && !anyVolume(c) {
		t.Errorf("%d owed after everything is settled, %v", owed, err)
	}
}

// anyVolume: where free calls reprice the others, something may always be owed.
func anyVolume(c *customer) bool {
	for _, u := range c.view.Usage {
		if u.Operation == 4 && u.PayPerUse > 0 {
			return true
		}
	}
	return false
}
