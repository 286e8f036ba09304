package billing

import (
	"fmt"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating/pricebook"
)

func withBook(t testing.TB, text string) *pricebook.Book {
	b, err := pricebook.Parse("book.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// TestOperationThatComesAndGoesInAMonth: one that is new is on the statement,
// and one that went and came back keeps the month's rates (D35).
func TestOperationThatComesAndGoesInAMonth(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{CreditLimit: "100.00"})
	const other = "  - operations: [recognition/other]\n    tiers: [{price: %s}]\n"
	set := func(price string) int64 {
		text := "currency: USD\npay_per_use:\n  - operations: [recognition/image-tagging]\n    free_per_month: 10\n    tiers:\n" +
			"      - {up_to: 100, price: 0.0151}\n      - {up_to: 1_000, price: 0.0107}\n      - {price: 0.0033}\n"
		if price != "" {
			text += fmt.Sprintf(other, price)
		}
		from, err := r.SetPriceBook(withBook(t, text))
		if err != nil {
			t.Fatal(err)
		}
		return from
	}
	hour := int64(3600)
	if from := set("1.00"); from != november.Unix()+hour {
		t.Fatalf("a new operation is priced from %d", from)
	}
	r.now += 2 * hour * 1e9
	number, _ := r.OperationNumber("recognition/other")
	count := account.Count{Line: account.Line{Account: 1, Operation: number, Kind: account.PayPerUse}, Calls: 2}
	if err := r.Settle(november.Unix()+hour, hour, []account.Count{count}); err != nil {
		t.Fatal(err)
	}
	set("")
	r.now += 2 * hour * 1e9
	if from := set("3.00"); from != november.AddDate(0, 1, 0).Unix() {
		t.Errorf("the operation has another price from %d: inside the month", from)
	}
	if s, err := r.Statement("a", 202611); err != nil || s.Usage != "2.00" {
		t.Errorf("usage %s, %v", s.Usage, err)
	}
}

// TestLateCallOfAnOperationThatIsSubscribedNow is priced by the book that it
// was admitted under, rather than stopping settlement for ever.
func TestLateCallOfAnOperationThatIsSubscribedNow(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{CreditLimit: "100.00"})
	from, err := r.SetPriceBook(withBook(t, "currency: USD\nsubscriptions:\n  - service: recognition\n"+
		"    operations: {recognition/image-tagging: search}\n    delete_qps: 20\n    rows:\n      - {id: r1, images: 100, qps: 1, price: 1.00}\n"))
	if err != nil {
		t.Fatal(err)
	}
	if err := r.Settle(from, 3600, []account.Count{payPerUse(1, 2)}); err != nil {
		t.Fatal(err)
	}
}
