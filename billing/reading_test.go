package billing

import (
	"context"
	"fmt"
	"reflect"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
)

// books is all that a ledger says.
type books struct {
	Accounts   map[string]account.Account
	Movements  map[string][]account.Movement
	Events     map[string][]account.Event
	Statements map[string][]account.StatementRecord
	Bills      map[string]rating.Statement // by account and month
	Hours      map[uint32][]ledger.BlockHour
	Images     map[string][]account.Image
}

// read reads everything, and finds fault with what contradicts itself.
func (r *rig) read(t tester) books {
	t.Helper()
	b := books{map[string]account.Account{}, map[string][]account.Movement{}, map[string][]account.Event{}, map[string][]account.StatementRecord{},
		map[string]rating.Statement{}, map[uint32][]ledger.BlockHour{}, map[string][]account.Image{}}
	err := r.EachAccount(func(a *account.Account) bool { b.Accounts[a.ID] = *a.Clone(); return true })
	for id, a := range b.Accounts {
		if err == nil {
			b.Movements[id], err = collect(r.store.Movements(a.Number, 0))
		}
		if err == nil {
			b.Events[id], err = collect(r.store.Events(a.Number, 0))
		}
		if err == nil {
			b.Statements[id], err = collect(r.store.Statements(a.Number, 0))
		}
		block := ledger.BlockOf(a.Number)
		if _, ok := b.Hours[block]; !ok && err == nil {
			b.Hours[block], err = collect(r.store.Hours(block, 0, 1<<40))
		}
		for _, i := range a.Instances {
			if i.Released == 0 && err == nil {
				b.Images[id+"/"+i.Name], err = collect(r.store.Pictures(a.Number, i.ID))
			}
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	for id := range b.Accounts {
		b.check(t, id)
		r.addBills(t, b, id)
	}
	return b
}

// addBills makes the statements of the months in which an account has any.
func (r *rig) addBills(t tester, b books, id string) {
	t.Helper()
	months := map[rating.Month]bool{}
	for _, s := range b.Statements[id] {
		months[rating.Month(s.Month)] = true
	}
	for _, m := range b.Accounts[id].Months {
		months[rating.Month(m.Month)] = true
	}
	for m := range months {
		s, err := r.Statement(id, m)
		if err != nil {
			t.Fatalf("statement of %s for %s: %v", id, m, err)
		}
		b.Bills[fmt.Sprint(id, " ", m)] = s
	}
}

// check: the balance is what moved, numbers have no gaps, statements follow one
// another, instances hold what they count.
func (b books) check(t tester, id string) {
	t.Helper()
	a := b.Accounts[id]
	sum, months := money.Amount(0), a.Closed
	for i, m := range b.Movements[id] {
		if sum += m.Amount; m.Number != uint32(i)+1 {
			t.Fatalf("%s: movement %d is the %dth", id, m.Number, i+1)
		}
	}
	for _, h := range b.Hours[ledger.BlockOf(a.Number)] {
		total, err := h.Total(a.Number)
		if err != nil {
			t.Fatal(err)
		}
		sum -= total
	}
	for _, m := range a.Months {
		months += m.Sum
	}
	if a.Balance != sum || a.Balance != months {
		t.Fatalf("%s: balance %d, movements and debits %d, months %d", id, a.Balance, sum, months)
	}
	for i, v := range b.Events[id] {
		if v.Number != uint32(i)+1 {
			t.Fatalf("%s: event %d is the %dth", id, v.Number, i+1)
		}
	}
	opening, month := money.Amount(0), uint32(0)
	for i, s := range b.Statements[id] {
		if s.Number != uint32(i)+1 || s.Opening != opening || s.Month <= month {
			t.Fatalf("%s: statements %+v", id, b.Statements[id])
		}
		opening, month = s.Closing, s.Month
	}
	if opening != a.Closed || int(a.Movements) != len(b.Movements[id]) || int(a.Events) != len(b.Events[id]) || int(a.Statements) != len(b.Statements[id]) {
		t.Fatalf("%s: %+v does not fit %d movements, %d events, statements up to %d", id, a, len(b.Movements[id]), len(b.Events[id]), opening)
	}
	for _, i := range a.Instances {
		if i.Released == 0 && int(i.Images) != len(b.Images[id+"/"+i.Name]) {
			t.Fatalf("%s/%s counts %d images and holds %d", id, i.Name, i.Images, len(b.Images[id+"/"+i.Name]))
		}
	}
}

// equal fails where two readings differ, and says in what.
func (b books) equal(t tester, what string, other books) {
	t.Helper()
	x, y := reflect.ValueOf(b), reflect.ValueOf(other)
	for i := range x.NumField() {
		for _, k := range x.Field(i).MapKeys() {
			was, is := x.Field(i).MapIndex(k), y.Field(i).MapIndex(k)
			if !is.IsValid() || !reflect.DeepEqual(was.Interface(), is.Interface()) {
				t.Fatalf("%s: %s of %v differ: were\n%+v\nare\n%+v", what, x.Type().Field(i).Name, k, was, is)
			}
		}
		if x.Field(i).Len() != y.Field(i).Len() {
			t.Fatalf("%s: %d %s instead of %d", what, y.Field(i).Len(), x.Type().Field(i).Name, x.Field(i).Len())
		}
	}
}

// verified lets the engine hold the ledger against journal and sealed files.
func (r *rig) verified(t tester) {
	t.Helper()
	found, err := r.Verify(context.Background(), "", func(uint64, uint64) {})
	if err != nil || len(found.Differences) > 0 {
		t.Fatalf("verify: %+v, %v", found.Differences, err)
	}
}

// survives demands that nothing changes over a restart, a crash and a loss of
// the ledger.
func (r *rig) survives(t tester) books {
	t.Helper()
	before := r.read(t)
	r.crash(t)
	r.open(t)
	before.equal(t, "after a crash", r.read(t))
	r.close(t)
	r.loseLedger(t)
	r.open(t)
	before.equal(t, "after a refold", r.read(t))
	return before
}
