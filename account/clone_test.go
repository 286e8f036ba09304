package account

import (
	"reflect"
	"testing"
)

// TestClonesShareNothing: whatever is done to a clone, the others and the
// original stay.
func TestClonesShareNothing(t *testing.T) {
	accounts := []*Account{full(1), full(2), {Number: 3, ID: "empty"}}
	clones := NewCloner(accounts)
	var got []*Account
	for _, a := range accounts {
		c := clones.Clone(a)
		if !reflect.DeepEqual(c, a) || !reflect.DeepEqual(a.Clone(), a) {
			t.Fatalf("account %d: the clone is %+v", a.Number, c)
		}
		got = append(got, c)
	}
	for _, c := range got[:2] {
		scribble(c)
	}
	extra := clones.Clone(accounts[0]) // more than there is room for
	for i, a := range []*Account{full(1), full(2), {Number: 3, ID: "empty"}} {
		if !reflect.DeepEqual(accounts[i], a) {
			t.Errorf("account %d changed: %+v", a.Number, accounts[i])
		}
	}
	if !reflect.DeepEqual(got[2], accounts[2]) || !reflect.DeepEqual(extra, accounts[0]) {
		t.Error("a clone changed with another one")
	}
}

func full(n uint32) *Account {
	return &Account{Number: n, ID: "full", Months: []OpenMonth{{Month: n}}, Usage: []OperationUsage{{Month: n}, {Month: 2}},
		Packages: []BoughtPackage{{Number: n}}, Subscriptions: []BoughtSubscription{{Number: n}}, Instances: []Instance{{ID: n}},
		Rows: []OwnRow{{ID: "row"}}, Keys: []Key{{ID: "key"}}}
}

// scribble changes every list of an account, and appends to it.
func scribble(a *Account) {
	v := reflect.ValueOf(a).Elem()
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Slice {
			f.Index(0).SetZero()
			f.Set(reflect.Append(f, reflect.Zero(f.Type().Elem())))
		}
	}
}
