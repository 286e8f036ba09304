package service

import (
	"errors"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/rating/pricebook"
)

const twoServices = bookText + `  - service: video
    operations: {video/search: search}
    delete_qps: 20
    rows:
      - {id: v100k-1, images: 100_000, qps: 1, price: 90000.00}
`

// TestSubscriptionPaysForItsService: the subscription of one service neither pays
// for another's calls nor becomes one of it (D25, D38).
func TestSubscriptionPaysForItsService(t *testing.T) {
	c := testConfig(t, t.TempDir())
	var err error
	if c.Book, err = pricebook.Parse("book.yaml", []byte(twoServices)); err != nil {
		t.Fatal(err)
	}
	s := open(t, c)
	k := customer(t, s, "acme", "1000.00")
	do(t, s, "acme", &account.Subscribe{Instance: "shop", Row: "s100k-1", Months: 1})
	if n, reason := call(t, s, k, "search/search", 1); n != 1 {
		t.Fatalf("its own service: %s", reason)
	}
	if _, reason := call(t, s, k, "video/search", 1); reason != account.PaymentRequired {
		t.Errorf("another service: %s, want payment-required", reason)
	}
	for _, c := range []account.Command{
		&account.ChangeSubscription{Instance: "shop", Row: "v100k-1"},
		&account.RenewSubscription{Instance: "shop", Row: "v100k-1", Months: 1},
	} {
		_, err := s.engine.Do(billing.Request{Account: "acme", Command: c})
		if no := new(account.Error); !errors.As(err, &no) || no.Why != account.Conflict {
			t.Errorf("%s to a row of another service: %v, want a conflict", c.Type(), err)
		}
	}
}
