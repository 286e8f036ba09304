package meter

import (
	"crypto/sha256"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating/pricebook"
)

const (
	opFree = 6 // with an allowance that is not used up
	opSlow = 7 // 1 call in any second
)

const forever = int64(1) << 62

// way is a way of a call through admission and settlement.
type way struct {
	name   string
	view   View
	call   Call
	binds  string        // the instance the key is bound to
	key    string        // of the client; "" = the account's
	settle account.Kind  // why it is released; 0 = it is posted
	why    account.Kind  // why it is refused; 0 = it is not
	funded account.Kind  // what pays
	pace   time.Duration // between two calls, for the rate window
	real   bool          // charges are judged in real time
}

var (
	tenThousand = [classes]uint32{10_000, 10_000, 10_000}
	shopTerms   = []Subscription{{Number: 1, Instance: "shop", End: forever, Limits: tenThousand}}
)

// ways are all of them, but for adds and deletes whose images are counted, which
// wait for the disk. Each can be gone any number of times.
var ways = []way{
	{name: "free", view: View{PayPerUse: true}, call: Call{Operation: opFree}, funded: account.Free},
	{name: "package", view: View{Packages: []Package{{Number: 1, Operation: opTagging, Left: 1 << 40, End: forever}}},
		call: Call{Operation: opTagging}, funded: account.Package},
	{name: "pay-per-use", view: View{PayPerUse: true}, call: Call{Operation: opTagging}, funded: account.PayPerUse},
	{name: "pay-per-use, judged in real time", view: View{PayPerUse: true, CreditLimit: 1 << 50}, call: Call{Operation: opTagging},
		funded: account.PayPerUse, real: true},
	{name: "pay-per-use, with a rate", view: View{PayPerUse: true}, call: Call{Operation: opSlow}, funded: account.PayPerUse, pace: time.Second},
	{name: "a search", view: View{Subscriptions: shopTerms}, call: Call{Operation: opSearch}, funded: account.Subscription, pace: time.Millisecond},
	{name: "a search of a named instance", view: View{Subscriptions: shopTerms}, binds: "shop", call: Call{Operation: opSearch, Instance: "shop"},
		funded: account.Subscription, pace: time.Millisecond},
	{name: "an add", view: View{Subscriptions: shopTerms}, call: Call{Operation: opAdd}, funded: account.Subscription, pace: time.Millisecond},
	{name: "free, failed", view: View{PayPerUse: true}, call: Call{Operation: opFree}, funded: account.Free, settle: account.FailedBody},
	{name: "package, failed", view: View{Packages: []Package{{Number: 1, Operation: opTagging, Left: 1, End: forever}}},
		call: Call{Operation: opTagging}, funded: account.Package, settle: account.FailedStatus},
	{name: "pay-per-use, failed", view: View{PayPerUse: true}, call: Call{Operation: opTagging}, funded: account.PayPerUse, settle: account.FailedUpstream},
	{name: "a search, failed", view: View{Subscriptions: shopTerms}, call: Call{Operation: opSearch}, funded: account.Subscription,
		settle: account.FailedNotJSON, pace: time.Millisecond},

	{name: "unknown key", call: Call{Operation: opTagging}, key: "nobody's", why: account.Unauthenticated},
	{name: "unknown operation", view: View{PayPerUse: true}, call: Call{Operation: 99}, why: account.UnknownOperation},
	{name: "rate limited", view: View{PayPerUse: true}, call: Call{Operation: opSlow}, why: account.RateLimited},
	{name: "arrears", view: View{PayPerUse: true, InArrears: true}, call: Call{Operation: opTagging}, why: account.InArrears},
	{name: "nothing pays", call: Call{Operation: opTagging}, why: account.PaymentRequired},
	{name: "no credit, judged in real time", view: View{PayPerUse: true}, call: Call{Operation: opTagging}, why: account.PaymentRequired, real: true},
	{name: "expired", view: View{Subscriptions: []Subscription{{Number: 1, Instance: "shop", End: 1, Limits: tenThousand}}},
		call: Call{Operation: opSearch}, why: account.SubscriptionExpired},
	{name: "another's instance", view: View{Subscriptions: shopTerms}, call: Call{Operation: opSearch, Instance: "other"}, why: account.WrongInstance},
	{name: "released", view: View{PayPerUse: true, ReleasedAt: 1}, call: Call{Operation: opTagging}, why: account.Released},
	{name: "arrears, observed", view: View{PayPerUse: true, InArrears: true}, call: Call{Operation: opTagging, Observe: true}, why: account.InArrears},
}

// pacedClock goes on with every reading, for rate windows only: no hour ends.
type pacedClock struct {
	mono atomic.Int64
	step int64
}

func (c *pacedClock) Now() Instant {
	return Instant{Event: at(testStart), Mono: c.mono.Add(c.step)}
}

// hotMeter has operations that do not run out of what pays for them.
func hotMeter(t testing.TB, clock Clock) *Meter {
	book, err := pricebook.Parse("prices", []byte(priced))
	if err != nil {
		t.Fatal(err)
	}
	price, _ := book.Operation("a/graduated")
	m := newMeter(t, t.TempDir(), clock)
	m.SetCatalogs([]*Catalog{NewCatalog(0, []Operation{
		{Number: opTagging, Name: "recognition/image-tagging", Price: price, Currency: book.Currency},
		{Number: opSearch, Name: "search/search", Subscribed: true, Class: ClassSearch},
		{Number: opAdd, Name: "search/add", Subscribed: true, Class: ClassAdd},
		{Number: opFree, Name: "recognition/free", Free: 1 << 40},
		{Number: opSlow, Name: "recognition/slow", QPS: 1},
	})})
	return m
}

// walk returns what goes a way once, from the hash of the key to the count.
func walk(t testing.TB, w way) func() {
	m := hotMeter(t, &pacedClock{step: int64(w.pace)})
	m.SetRealtime(w.real)
	w.view.Number = 1
	keyFor(t, m, w.view, w.binds)
	hash := sha256.Sum256(secretOf(nil, 1))
	if w.key != "" {
		hash = sha256.Sum256([]byte(w.key))
	}
	if w.why == account.RateLimited { // take the only place
		k, _ := m.Identify(Secret, hash)
		h, _ := m.Admit(Call{Key: k, Operation: w.call.Operation})
		m.Post(&h)
	}
	return func() {
		c := w.call
		c.Key, _ = m.Identify(Secret, hash)
		h, v := m.Admit(c)
		switch {
		case v.Reason != w.why || h.line.Kind != w.funded:
			t.Fatalf("%s: refused for %q and funded by %q, want %q and %q", w.name, v.Reason, h.line.Kind, w.why, w.funded)
		case w.why != 0:
		case w.settle != 0:
			m.Release(&h, w.settle)
		default:
			m.Post(&h)
		}
	}
}

// TestAdmitAndSettleDoNotAllocate guards the hot path's budget: no memory,
// whatever pays for a call or refuses it. The average that is measured is
// rounded down, so each run is many calls: what allocates only now and then is
// found, too.
func TestAdmitAndSettleDoNotAllocate(t *testing.T) {
	for _, w := range ways {
		call := walk(t, w)
		for range 100 { // make the counters, fill the window
			call()
		}
		n := testing.AllocsPerRun(100, func() {
			for range 100 {
				call()
			}
		})
		if n != 0 {
			t.Errorf("%s: %v allocations in 100 calls, want none", w.name, n)
		}
	}
}
