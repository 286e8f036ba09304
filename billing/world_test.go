package billing

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
)

// listener is a watcher that remembers what it was told.
type listener struct {
	mu       sync.Mutex
	accounts map[uint32]*account.Account
	events   map[uint32]map[uint32]account.Event
	held     map[string]int64 // what Lower says
}

func newListener() *listener {
	return &listener{accounts: map[uint32]*account.Account{}, events: map[uint32]map[uint32]account.Event{}, held: map[string]int64{}}
}

func (l *listener) AccountChanged(a *account.Account) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.accounts[a.Number] = a
}

func (l *listener) Happened(_ *account.Account, v account.Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.events[v.Account] == nil {
		l.events[v.Account] = map[uint32]account.Event{}
	}
	if _, told := l.events[v.Account][v.Number]; told {
		panic(fmt.Sprintf("event %+v is told twice", v))
	}
	l.events[v.Account][v.Number] = v
}

func (l *listener) Lower(_ uint32, instance string, most int64) (int64, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.held[instance], l.held[instance] <= most
}

func (*listener) KeyAdded(*account.Account, account.Key) {}
func (*listener) KeyRemoved(account.Key)                 {}
func (*listener) BookScheduled()                         {}

// modelAccount is what an account has to be, kept the simple way: the charge of
// a month is recomputed from all its calls every time.
type modelAccount struct {
	paid  money.Amount // top-ups and adjustments
	calls map[rating.Month]int64
}

// world is an engine, a model of its accounts, and what must not change.
type world struct {
	*rig
	listener *listener
	hour     int64 // start of the open period
	ids      []string
	models   map[string]*modelAccount
	closed   map[string]rating.Statement // by account and month
	answers  map[string]Result           // by idempotency key
	asked    map[string]func() Request
	stubborn bool // what the disk refused is sent again
}

// modelAccounts lie in three blocks, on both sides of their bounds.
var modelAccounts = []uint32{1, 63, 64, 65, 127, 128, 130}

func newWorld(t tester, dir string) *world {
	start := time.Date(2026, 12, 31, 20, 0, 0, 0, time.UTC)
	w := &world{listener: newListener(), hour: start.Unix(), models: map[string]*modelAccount{},
		closed: map[string]rating.Statement{}, answers: map[string]Result{}, asked: map[string]func() Request{}}
	w.rig = &rig{dir: dir, config: book, now: start.UnixNano(), watcher: w.listener}
	w.open(t)
	if err := w.SetPolicy(account.DefaultPolicy); err != nil {
		t.Fatal(err)
	}
	w.createMany(t, 130)
	for _, n := range modelAccounts {
		id := w.numbered(t, n)
		w.ids, w.models[id] = append(w.ids, id), &modelAccount{calls: map[rating.Month]int64{}}
		limit := "0.50"
		w.must(t, id, &account.ChangeAccount{CreditLimit: &limit})
	}
	for i, id := range w.ids[:4] { // some have what time does something to
		w.must(t, id, &account.TopUp{Amount: "5.00", Reference: "r"})
		w.models[id].paid += 500
		w.must(t, id, &account.Subscribe{Instance: "i", Row: "small", Months: 1, Trial: i == 0})
		w.must(t, id, &account.BuyPackage{Package: "tagging-50", AutoRenew: i%2 == 0})
		a := w.account(t, id)
		if _, _, err := w.ChangeImages(account.ImageChange{Image: account.Image{Account: a.Number, Instance: 1}, Kind: account.ImageAdded}); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// command is a random command; the model takes what it pays in.
func (w *world) command(rt *rapid.T) {
	id := rapid.SampledFrom(w.ids).Draw(rt, "account")
	number := rapid.Uint32Range(1, 3).Draw(rt, "number")
	yes := rapid.Bool().Draw(rt, "yes")
	months := rapid.IntRange(1, 2).Draw(rt, "months")
	row := rapid.SampledFrom([]string{"small", "large"}).Draw(rt, "row")
	cents := money.Amount(rapid.Int64Range(1, 12_00).Draw(rt, "cents"))
	if yes && cents > 6_00 {
		cents = -cents
	}
	amount := book.Currency.Format(cents)
	commands := map[string]func() account.Command{
		"top-up": func() account.Command { return &account.TopUp{Amount: amount, Reference: "r"} },
		"adjust": func() account.Command { return &account.Adjust{Amount: amount, Reason: "why", Reference: "r"} },
		"buy":    func() account.Command { return &account.BuyPackage{Package: "tagging-50", AutoRenew: yes} },
		"renew":  func() account.Command { return &account.RenewPackage{Package: number} },
		"auto":   func() account.Command { return &account.SetAutoRenewal{Package: number, On: yes} },
		"subscribe": func() account.Command {
			return &account.Subscribe{Instance: "i", Row: row, Months: months, Trial: yes && months == 1 && row == "small"}
		},
		"renew instance": func() account.Command { return &account.RenewSubscription{Instance: "i", Row: row, Months: months} },
		"change":         func() account.Command { return &account.ChangeSubscription{Instance: "i", Row: row} },
		"acknowledge":    func() account.Command { return &account.AcknowledgeRelease{Instance: "i"} },
		"reconcile":      func() account.Command { return &account.ReconcileImages{Instance: "i", Reason: "why"} },
	}
	names := []string{"top-up", "adjust", "buy", "renew", "auto", "subscribe", "renew instance", "change", "acknowledge", "reconcile"}
	name := rapid.SampledFrom(names).Draw(rt, "command")
	key := fmt.Sprint("key ", len(w.asked))
	w.asked[key] = func() Request { return Request{Key: key, Account: id, Command: commands[name]()} }
	res, err := w.do(rt, w.asked[key])
	if no := new(account.Error); errors.As(err, &no) {
		return
	}
	if err != nil {
		rt.Fatal(name, err)
	}
	w.answers[key] = res
	if name == "top-up" || name == "adjust" {
		w.models[id].paid += cents
	}
}

// repeat asks for something again: what was accepted gets its answer, and
// happens no more.
func (w *world) repeat(rt *rapid.T) {
	if len(w.asked) == 0 {
		return
	}
	key := fmt.Sprint("key ", rapid.IntRange(0, len(w.asked)-1).Draw(rt, "key"))
	want, accepted := w.answers[key]
	if !accepted {
		return
	}
	res, err := w.do(rt, w.asked[key])
	if err != nil || !res.Repeated || string(res.JSON) != string(want.JSON) || res.Input != want.Input {
		rt.Fatalf("asked again: %+v, %v; want %s", res, err, want.JSON)
	}
}

func (w *world) image(rt *rapid.T) {
	a := w.account(rt, rapid.SampledFrom(w.ids).Draw(rt, "account"))
	if len(a.Instances) == 0 {
		return
	}
	image := account.Image{Account: a.Number, Instance: a.Instances[0].ID}
	image.Product[0], image.Picture[0] = byte(rapid.IntRange(0, 2).Draw(rt, "product")), byte(rapid.IntRange(0, 3).Draw(rt, "picture"))
	kind := rapid.SampledFrom([]account.ImageChangeKind{account.ImageAdded, account.ImageAdded, account.ImageDeleted,
		account.ProductDeleted, account.ImageUncertain}).Draw(rt, "kind")
	var images, uncertain int64
	err := w.until(rt, func() (err error) {
		images, uncertain, err = w.ChangeImages(account.ImageChange{Image: image, Kind: kind})
		return err
	})
	if err != nil {
		rt.Fatal(err)
	}
	if i := w.account(rt, a.ID).Instances[0]; i.Images != images || i.Uncertain != uncertain {
		rt.Fatalf("%d images, %d uncertain, and the instance says %+v", images, uncertain, i)
	}
}

// settlePeriod ends the open period; late commands may come before it is
// settled, and a kill in the middle of that.
func (w *world) settlePeriod(rt *rapid.T) {
	var counts []account.Count
	month := rating.MonthOf(w.hour, time.UTC)
	for _, n := range modelAccounts {
		calls := rapid.Int64Range(0, 60).Draw(rt, "calls")
		w.models[w.numberedID(n)].calls[month] += calls
		if bought := w.account(rt, w.numberedID(n)).PackagesBought; bought > 0 {
			counts = append(counts, account.Count{Line: account.Line{Account: n, Operation: 1, Kind: account.Package, Ref: bought}, Calls: uint64(calls) / 4})
		}
		counts = append(counts, payPerUse(n, uint64(calls)),
			account.Count{Line: account.Line{Account: n, Operation: 1, Kind: account.RateLimited}, Calls: 3})
	}
	start := w.hour
	w.now = max(w.now, (start+hour)*1e9+rapid.Int64Range(0, 59).Draw(rt, "late")*1e9)
	w.hour = w.openHour()
	if rapid.Bool().Draw(rt, "late command") {
		w.command(rt)
	}
	switch {
	case rapid.IntRange(0, 4).Draw(rt, "kill") > 0:
		if err := w.until(rt, func() error { return w.Settle(start, hour, counts) }); err != nil {
			rt.Fatal(err)
		}
	default:
		w.calm(rt)
		if err := w.Reach(start); err != nil {
			rt.Fatal(err)
		}
		w.settleLock.Lock()
		err := w.due(start + hour - 1)
		w.settleLock.Unlock()
		if err != nil {
			rt.Fatal(err)
		}
		w.appendPeriod(rt, start, counts...)
		w.dieHalfway(rt)
	}
}

// until does something until the disk takes it, where the world is stubborn.
func (w *world) until(t tester, do func() error) error {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(time.Millisecond) {
		err := do()
		if !w.stubborn || !errors.Is(err, ErrUnavailable) {
			return err
		}
		if time.Now().After(end) {
			t.Fatalf("refused for ever: %v", err)
		}
	}
}

func (w *world) do(t tester, ask func() Request) (res Result, err error) {
	t.Helper()
	err = w.until(t, func() (err error) {
		res, err = w.Do(ask())
		return err
	})
	return res, err
}

func (w *world) numberedID(n uint32) string {
	for i, number := range modelAccounts {
		if number == n {
			return w.ids[i]
		}
	}
	return ""
}

// dieHalfway is killed when a pending input is in some of the blocks.
func (w *world) dieHalfway(rt *rapid.T) {
	if rapid.Bool().Draw(rt, "touch") {
		w.account(rt, rapid.SampledFrom(w.ids).Draw(rt, "touched"))
	}
	if rapid.Bool().Draw(rt, "command meanwhile") {
		w.command(rt)
	}
	if rapid.Bool().Draw(rt, "flush") {
		w.flushSome(rt)
	}
	w.crash(rt)
	w.open(rt)
}

// smallSteps makes a flush many commits.
func smallSteps(t *testing.T) {
	was := stepBytes
	stepBytes = 4000
	t.Cleanup(func() { stepBytes = was })
}

// sleep lets time pass, in which the gateway may be down.
func (w *world) sleep(rt *rapid.T) {
	hours := rapid.SampledFrom([]int64{1, 5, 23, 24, 25, 3 * 24, 7 * 24, 15 * 24, 16 * 24, 40 * 24}).Draw(rt, "hours")
	down := rapid.Bool().Draw(rt, "down")
	if down {
		w.calm(rt)
		w.crash(rt)
	}
	w.now += hours * hour * 1e9
	if down {
		w.open(rt)
	}
	if rapid.Bool().Draw(rt, "command before") {
		w.command(rt)
	}
	w.hour = w.openHour()
	w.liveOrDie(rt, w.now/1e9)
}

// openHour is the hour in which calls are counted: that of the clock, or the one
// after what is settled where the clock was put back.
func (w *world) openHour() int64 {
	return max(rating.HourStart(w.now/1e9, time.UTC), w.SettledUntil())
}

// jump lets the operator accept a jump of the clock, in either direction, and maybe
// take it back.
func (w *world) jump(rt *rapid.T) {
	for range rapid.IntRange(1, 2).Draw(rt, "jumps") {
		to := w.now + rapid.SampledFrom([]int64{-400 * 24, -16 * 24, -25, -2, 2, 25, 16 * 24, 40 * 24}).Draw(rt, "hours")*hour*1e9
		if err := w.AcceptClock(w.now, to); err != nil {
			rt.Fatal(err)
		}
		if rapid.Bool().Draw(rt, "command between") {
			w.command(rt)
		}
		if w.now = to; rapid.Bool().Draw(rt, "crash") {
			w.crash(rt)
			w.open(rt)
		}
		w.hour = w.openHour()
		w.liveOrDie(rt, w.now/1e9)
		if from := w.ReleasesFrom(); from < w.now/1e9+day {
			rt.Fatalf("releases from %d, and a jump to %d was accepted", from, w.now/1e9)
		}
	}
}

func (w *world) liveOrDie(rt *rapid.T, until int64) {
	if err := w.until(rt, func() error { return w.Reach(w.hour) }); err != nil {
		rt.Fatal(err)
	}
	if rapid.IntRange(0, 3).Draw(rt, "kill") == 0 {
		w.calm(rt)
		if err := w.append(inputDue, dueInput{Until: until}); err != nil {
			rt.Fatal(err)
		}
		w.dieHalfway(rt)
	}
	if err := w.until(rt, func() error { return w.Due(until) }); err != nil {
		rt.Fatal(err)
	}
}
