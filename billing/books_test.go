package billing

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating/money"
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

func tagging(t testing.TB, price string) *pricebook.Book {
	return withBook(t, "currency: USD\npay_per_use:\n  - operations: [recognition/image-tagging]\n    tiers: [{price: "+price+"}]\n")
}

// offering has the rates of the usual book, and another catalogue.
func offering(t testing.TB, price string) *pricebook.Book {
	return withBook(t, strings.Replace(bookText, "price: 0.50}", "price: "+price+"}", 1))
}

func (r *rig) named(t *testing.T, b *pricebook.Book) int64 {
	t.Helper()
	from, err := r.SetPriceBook(b)
	if err != nil {
		t.Fatal(err)
	}
	return from
}

// TestScheduleRefusesAndTeaches the first instant that is permitted (D35).
func TestScheduleRefusesAndTeaches(t *testing.T) {
	r := openRig(t, t.TempDir(), november.Add(90*time.Minute))
	defer func() { r.close(t) }()
	head := r.log.Head().Seq
	for _, c := range []struct {
		book  *pricebook.Book
		from  time.Time
		teach string
	}{
		{tagging(t, "0.01"), november.Add(2 * time.Hour), "2026-12-01T00:00:00Z"}, // other rates inside a month
		{tagging(t, "0.01"), december.Add(time.Hour), "2027-01-01T00:00:00Z"},
		{tagging(t, "0.01"), november, "2026-12-01T00:00:00Z"},                                                        // past
		{offering(t, "0.60"), november.Add(2*time.Hour + time.Second), "2026-11-01T03:00:00Z"},                        // not at an hour
		{offering(t, "0.60"), november.Add(time.Hour), "2026-11-01T02:00:00Z"},                                        // past
		{tagging(t, "0.01"), december.AddDate(45, 0, 0), "2027-11-02 at the latest"},                                  // a mistyped year
		{withBook(t, "currency: CNY\npay_per_use:\n  - {operations: [a/b], tiers: [{price: 1}]}\n"), december, "CNY"}, // D7
	} {
		err := r.SchedulePriceBook(c.book, c.from.Unix())
		if !errors.Is(err, ErrSchedule) || !strings.Contains(err.Error(), c.teach) {
			t.Errorf("%s: %v, want it to name %s", c.from, err, c.teach)
			continue
		}
		if first, err := time.Parse(time.RFC3339, c.teach); err == nil {
			if earliest := r.bookStart(c.book, c.from.Unix()); earliest != first.Unix() {
				t.Errorf("%s: the first instant is %d", c.from, earliest)
			}
		}
	}
	if got := r.log.Head().Seq; got != head {
		t.Errorf("%d records of refused books", got-head)
	}
	if err := r.SchedulePriceBook(offering(t, "0.60"), november.Add(2*time.Hour).Unix()); err != nil {
		t.Error(err)
	}
	if err := r.SchedulePriceBook(tagging(t, "0.01"), december.Unix()); err != nil {
		t.Error(err)
	}
	if err := r.SchedulePriceBook(offering(t, "0.70"), november.Add(3*time.Hour).Unix()); !errors.Is(err, ErrSchedule) {
		t.Errorf("a book before one that is scheduled: %v", err)
	}
}

// TestAScheduledBookIsNotUndone by a configuration that still names the old one,
// over restarts and after it took force; one that names the new one agrees; an
// edited one comes next (D35).
func TestAScheduledBookIsNotUndone(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{CreditLimit: "10.00"})
	next, last := tagging(t, "0.01"), tagging(t, "0.02")
	for b, from := range map[*pricebook.Book]time.Time{next: december} {
		if err := r.SchedulePriceBook(b, from.Unix()); err != nil {
			t.Fatal(err)
		}
	}
	if err := r.SchedulePriceBook(last, february.Unix()); err != nil {
		t.Fatal(err)
	}
	inForce := func(at time.Time, want *pricebook.Book) {
		t.Helper()
		if got := r.BookAt(at.Unix()); got.Hash != want.Hash {
			t.Errorf("at %s another book is in force", at)
		}
	}
	for _, now := range []time.Time{november.Add(time.Hour), december, december.Add(time.Hour), february.Add(time.Hour)} {
		r.now = now.UnixNano()
		r.crash(t)
		r.open(t) // with a configuration that names the first book
		inForce(november, book)
		inForce(december, next)
		inForce(february, last)
		if now.Equal(december) {
			if from := r.named(t, next); from != december.Unix() {
				t.Errorf("the book in force is named as if it came at %d", from)
			}
			inForce(february, last)
			r.config = next
		}
	}
	r.settle(t, february.Unix()+hour, payPerUse(1, 100))
	if a := r.account(t, "a"); a.Balance != -200 {
		t.Errorf("balance %d, want -200", a.Balance)
	}
	if from := r.named(t, last); from != february.Unix() {
		t.Errorf("the last book is named as if it came at %d", from)
	}
	edited := tagging(t, "0.03")
	if from := r.named(t, edited); from != february.AddDate(0, 1, 0).Unix() {
		t.Errorf("the edited book comes at %d", from)
	}
}

// TestAConfigurationIsTakenBack: naming the book in force again, after another
// one was named that is still to come, is a change.
func TestAConfigurationIsTakenBack(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	for _, lost := range []bool{false, true} {
		if from := r.named(t, tagging(t, "0.01")); from != december.Unix() {
			t.Fatalf("from %d", from)
		}
		if from := r.named(t, book); from != december.Unix() {
			t.Fatalf("taken back from %d", from)
		}
		if got := r.BookAt(december.Unix()); got.Hash != book.Hash {
			t.Error("what was taken back takes force all the same")
		}
		r.close(t)
		if lost {
			r.loseLedger(t)
		}
		r.open(t)
		if got := r.BookAt(december.Unix()); got.Hash != book.Hash {
			t.Error("what was taken back takes force after a start")
		}
	}
}

// TestABookEditedWhileDown takes force at the first boundary after the start,
// and prices nothing before (D35).
func TestABookEditedWhileDown(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{CreditLimit: "100.00"})
	r.crash(t)
	r.now = december.Add(26 * time.Hour).Add(10 * time.Minute).UnixNano()
	r.open(t)
	if from := r.named(t, offering(t, "0.60")); from != december.Add(27*time.Hour).Unix() {
		t.Errorf("another catalogue from %d", from)
	}
	if from := r.named(t, tagging(t, "1.00")); from != december.AddDate(0, 1, 0).Unix() {
		t.Errorf("other tiers from %d", from)
	}
	r.must(t, "a", &account.BuyPackage{Package: "tagging-50"})
	r.settle(t, november.Unix()+hour, payPerUse(1, 100)) // of before it was down
	r.live(t, december.Add(26*time.Hour).Unix())
	if a := r.account(t, "a"); a.Balance != -50-151 {
		t.Errorf("balance %d, want -201", a.Balance)
	}
	r.survives(t)
}

// TestOperationThatComesBack: a late call of an operation that the month's books
// do not have is priced by an older one, which the statement names; where it comes
// back with other rates, it waits for the next month (D6, D35).
func TestOperationThatComesBack(t *testing.T) {
	for _, basis := range []string{"payg", "all_successful"} {
		r := openRig(t, t.TempDir(), november)
		defer func() { r.close(t) }()
		r.must(t, "a", &account.CreateAccount{CreditLimit: "100.00"})
		with := func(price string) *pricebook.Book {
			return withBook(t, "currency: USD\npay_per_use:\n  - {operations: [recognition/image-tagging], tiers: [{price: 0.01}]}\n"+
				"  - {operations: [r/other], tier_basis: "+basis+", tiers: [{price: "+price+"}]}\n")
		}
		if err := errors.Join(r.SchedulePriceBook(with("1.00"), december.Unix()),
			r.SchedulePriceBook(tagging(t, "0.01"), december.AddDate(0, 1, 0).Unix())); err != nil {
			t.Fatal(err)
		}
		january := december.AddDate(0, 1, 0)
		number, _ := r.OperationNumber("r/other")
		late := account.Count{Line: account.Line{Account: 1, Operation: number, Kind: account.PayPerUse}, Calls: 1}
		r.now = january.Add(time.Hour).UnixNano()
		r.settle(t, january.Unix(), late)
		if from := r.named(t, with("3.00")); from != february.Unix() {
			t.Errorf("%s: back at another price from %s", basis, time.Unix(from, 0).UTC())
		}
		if from := r.bookStart(with("1.00"), 0); from != february.Unix() {
			t.Errorf("%s: books keep their order: %d", basis, from)
		}
		r.now = january.Add(4 * time.Hour).UnixNano()
		r.settle(t, january.Unix()+3*hour, late)
		r.live(t, february.Unix()+hour)
		s, err := r.Statement("a", 202701)
		if err != nil || s.Usage != "2.00" || !slices.Equal(s.BookHashes, []string{with("1.00").Hash, tagging(t, "0.01").Hash}) {
			t.Errorf("%s: %s by %v, %v", basis, s.Usage, s.BookHashes, err)
		}
		r.survives(t)
	}
}

// TestEachOperationHasItsPrice: those of a block's accounts in one period, and of
// periods under different books.
func TestEachOperationHasItsPrice(t *testing.T) {
	t.Parallel()
	const two = `currency: USD
pay_per_use:
  - operations: [recognition/image-tagging]
    tiers:
      - {price: %s}
  - operations: [recognition/other]
    tiers:
      - {price: %s}
`
	r := &rig{dir: t.TempDir(), now: november.UnixNano(), config: withBook(t, fmt.Sprintf(two, "0.01", "1.00"))}
	r.open(t)
	defer func() { r.close(t) }()
	december := november.AddDate(0, 1, 0).Unix()
	if err := r.SchedulePriceBook(withBook(t, fmt.Sprintf(two, "0.03", "2.00")), december); err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"a", "b", "c"} {
		r.must(t, id, &account.CreateAccount{CreditLimit: "1000.00"})
	}
	first, _ := r.OperationNumber("recognition/image-tagging")
	second, _ := r.OperationNumber("recognition/other")
	uses := func(number uint32, op uint16, calls uint64) account.Count {
		return account.Count{Line: account.Line{Account: number, Operation: op, Kind: account.PayPerUse}, Calls: calls}
	}
	at := december - hour
	for range 2 { // the last hour under the one book, the first under the other
		r.now = (at + hour) * 1e9
		r.settle(t, at, uses(1, min(first, second), 2), uses(1, max(first, second), 2), uses(2, second, 3), uses(3, first, 5))
		at += hour
	}
	for id, want := range map[string]money.Amount{"a": -202 - 406, "b": -300 - 600, "c": -5 - 15} {
		if got := r.account(t, id).Balance; got != want {
			t.Errorf("%s: %d, want %d", id, got, want)
		}
	}
}
