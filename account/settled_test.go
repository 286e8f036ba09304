package account

import (
	"testing"
	"time"

	"github.com/tallygate/tallygate/rating/pricebook"
)

// TestSettledWithoutEvents: what time does may tell of nothing, as a renewal that fails,
// and still take an old term away. Then more was moved than what a settlement does.
func TestSettledWithoutEvents(t *testing.T) {
	const h, d = 3600, 24 * 3600
	now := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC).Unix()
	a := &Account{Number: 1, ID: "a", Customer: "a", PackagesBought: 2, Seen: now - h, Packages: []BoughtPackage{
		{Number: 1, Chain: 1, Offer: "gone", Bought: now - 80*d, Start: now - 80*d, End: now - 40*d, Quota: 1, Price: 1},
		{Number: 2, Chain: 2, Offer: "gone", Bought: now - 30*d, Start: now - 30*d, End: now + 12*h, Quota: 1, Price: 1, AutoRenew: true},
	}}
	book, err := pricebook.Parse("b", []byte("currency: USD\npay_per_use:\n  - operations: [recognition/image-tagging]\n    tiers: [{price: 0.01}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	e := Env{Zone: time.UTC, Currency: book.Currency, Books: func(int64) *pricebook.Book { return book }}
	_, effects, err := a.SettleTo(nil, Period{Start: now, End: now + h, Month: 202611}, nil, nil, e)
	if err != nil || len(effects.Events) > 0 || len(a.Packages) != 1 || effects.Settled {
		t.Errorf("%+v, %v, %d packages", effects, err, len(a.Packages))
	}
}
