package meter

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/tallygate/tallygate/account"
)

// TestFillAgain: a view has nothing of the account that it was of before.
func TestFillAgain(t *testing.T) {
	t.Parallel()
	rich := &account.Account{Number: 7, Arrears: 1, ArrearsLaw: account.Law{Grace: 60, AllowInGrace: true}, Released: 2, Balance: 3, CreditLimit: 4, NoPayPerUse: true,
		Usage: []account.OperationUsage{{Operation: 1, Month: 202611, Free: 5, PayPerUse: 6}}, Packages: []account.BoughtPackage{{Number: 1, Quota: 10, Used: 3}, {Number: 2}},
		Subscriptions: []account.BoughtSubscription{{Number: 1, Instance: "a", Service: "search"}}, Instances: []account.Instance{{Name: "a", ID: 1, Images: 9}}}
	poor := &account.Account{Number: 8, Usage: []account.OperationUsage{{Operation: 2, Month: 202612}}}
	for _, order := range [][]*account.Account{{rich, poor}, {poor, rich}, {rich, {Number: 9}, rich}} {
		var again View
		for _, a := range order {
			again.Fill(a)
			want, got := reflect.ValueOf(ViewOf(a)), reflect.ValueOf(again)
			for i := range want.NumField() {
				w, g := want.Field(i), got.Field(i)
				if w.Kind() == reflect.Slice && w.Len()+g.Len() == 0 {
					continue // nil or not
				}
				if !reflect.DeepEqual(w.Interface(), g.Interface()) {
					t.Errorf("account %d: %s is %v, want %v", a.Number, want.Type().Field(i).Name, g, w)
				}
			}
		}
	}
}

// TestLoadKeepsNothingOfAView: what comes to stand in its memory next is another's.
func TestLoadKeepsNothingOfAView(t *testing.T) {
	t.Parallel()
	m := newMeter(t, t.TempDir(), NewTestClock(testStart))
	a := &account.Account{Number: 1, Usage: []account.OperationUsage{{Operation: opTagging, Month: 202611, Free: 1, PayPerUse: 2}, {Operation: 2, Month: 202611, Free: 3}, {Operation: 3, Month: 202611, Free: 4}}}
	for n := range uint32(4) {
		name := fmt.Sprint("i", n)
		a.Packages = append(a.Packages, account.BoughtPackage{Number: n + 1, Operation: opTagging, Quota: 10, Start: int64(n), End: 9})
		a.Subscriptions = append(a.Subscriptions, account.BoughtSubscription{Number: n + 1, Instance: name, Service: "search", End: 9, Search: n},
			account.BoughtSubscription{Number: n + 11, Instance: name, Service: "search", Start: 9, End: 19, Search: n})
		a.Instances = append(a.Instances, account.Instance{Name: name, ID: n + 1, Images: int64(n)})
	}
	var view View
	dump := func() (s string) {
		a := m.account(1)
		for turn := range a.packages(m.store) {
			s += fmt.Sprintln(*a.packageAt(m.store, turn))
		}
		for n := range a.instances(m.store) {
			i := a.instanceAt(m.store, n)
			s += fmt.Sprintln(i.name, i.id, i.images)
			for n := range i.terms(m.store) {
				s += fmt.Sprintln(i.termAt(m.store, n))
			}
		}
		return s + fmt.Sprintln(a.free, m.store.accountMore.at(a.more).free)
	}
	for name, put := range map[string]func(View){"Load": m.Load, "Update": m.Update} {
		view.Fill(a)
		put(view)
		want := dump()
		clear(view.FreeUsed[:cap(view.FreeUsed)])
		clear(view.Usage[:cap(view.Usage)])
		clear(view.Packages[:cap(view.Packages)])
		clear(view.Subscriptions[:cap(view.Subscriptions)])
		clear(view.Instances[:cap(view.Instances)])
		if got := dump(); got != want {
			t.Errorf("%s keeps something:\n%s\ninstead of\n%s", name, got, want)
		}
	}
}
