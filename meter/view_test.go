package meter

import (
	"reflect"
	"testing"

	"github.com/tallygate/tallygate/account"
)

// TestLookAgain: a view has nothing of the account that it was of before.
func TestLookAgain(t *testing.T) {
	t.Parallel()
	rich := &account.Account{Number: 7, Arrears: 1, ArrearsLaw: account.Law{Grace: 60, AllowInGrace: true}, Released: 2, Balance: 3, CreditLimit: 4, NoPayPerUse: true,
		Usage: []account.OperationUsage{{Operation: 1, Month: 202611, Free: 5, PayPerUse: 6}}, Packages: []account.BoughtPackage{{Number: 1, Quota: 10, Used: 3}, {Number: 2}},
		Subscriptions: []account.BoughtSubscription{{Number: 1, Instance: "a", Service: "search"}}, Instances: []account.Instance{{Name: "a", ID: 1, Images: 9}}}
	poor := &account.Account{Number: 8, Usage: []account.OperationUsage{{Operation: 2, Month: 202612}}}
	for _, order := range [][]*account.Account{{rich, poor}, {poor, rich}, {rich, {Number: 9}, rich}} {
		var again View
		for _, a := range order {
			again.Look(a)
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
