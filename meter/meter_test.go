package meter

import (
	"context"
	"crypto/sha256"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/meter/tally"
)

var testStart = time.Date(2026, 11, 22, 10, 0, 0, 0, time.UTC)

const (
	opTagging = 1
	opSearch  = 2
	opAdd     = 3
	opLimited = 4
	opDelete  = 5
)

// newMeter is a meter with a test clock, hourly periods and a small catalog.
func newMeter(t testing.TB, dir string, clock Clock) *Meter {
	m := Open(Config{Clock: clock, Dir: dir, Node: "n1", Period: func(unix int64) (int64, int64, uint32) {
		y, mo, _ := time.Unix(unix, 0).UTC().Date()
		return unix - unix%3600, 3600, uint32(y*100 + int(mo))
	}})
	m.SetCatalogs([]*Catalog{NewCatalog(0, []Operation{
		{Number: opTagging, Name: "recognition/image-tagging", Free: 3},
		{Number: opSearch, Name: "search/search", Subscribed: true, Class: ClassSearch},
		{Number: opAdd, Name: "search/add", Subscribed: true, Class: ClassAdd},
		{Number: opDelete, Name: "search/delete", Subscribed: true, Class: ClassDelete},
		{Number: opLimited, Name: "recognition/limited", QPS: 2},
	})})
	t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := m.Close(ctx); err != nil {
			t.Error(err)
		}
	})
	return m
}

func keyFor(t testing.TB, m *Meter, v View, instance string) Key {
	m.Load(v)
	hash := sha256.Sum256(secretOf(nil, uint64(v.Number)))
	m.AddKey(Secret, hash, v.Number, instance)
	k, ok := m.Identify(Secret, hash)
	if !ok {
		t.Fatal("the key is unknown")
	}
	return k
}

func line(h Hold) string { l := h.Line(); return l.Funding() }

func at(ts time.Time) int64 { return ts.UnixNano() }

func TestFundingOrder(t *testing.T) {
	m := newMeter(t, t.TempDir(), NewTestClock(testStart))
	k := keyFor(t, m, View{Number: 7, PayPerUse: true, Packages: []Package{
		{Number: 1, Operation: opTagging, Left: 1, Start: at(testStart), End: at(testStart.Add(time.Hour))},
		{Number: 2, Operation: opTagging, Left: 1, Start: at(testStart.Add(time.Minute)), End: at(testStart.Add(time.Hour))},
		{Number: 3, Operation: opTagging, Left: 1, Start: at(testStart), End: at(testStart.Add(time.Hour))},
	}}, "")
	want := []string{"free:202611", "free:202611", "free:202611", "package:1", "package:3", "payg", "payg"}
	for i, w := range want {
		h, v := m.Admit(Call{Key: k, Operation: opTagging})
		if v.Reason != 0 || line(h) != w {
			t.Fatalf("call %d: %s, %s; want %s (D11, D14)", i, line(h), v.Reason, w)
		}
		m.Post(&h)
	}
}

func TestReleaseGivesBackWhatWasHeld(t *testing.T) {
	m := newMeter(t, t.TempDir(), NewTestClock(testStart))
	k := keyFor(t, m, View{Number: 1, Packages: []Package{
		{Number: 9, Operation: opTagging, Left: 1, Start: at(testStart), End: at(testStart.Add(time.Hour))}}}, "")
	for range 10 {
		var holds []Hold
		for _, w := range []string{"free:202611", "free:202611", "free:202611", "package:9"} {
			h, v := m.Admit(Call{Key: k, Operation: opTagging})
			if v.Reason != 0 || line(h) != w {
				t.Fatalf("%s %s, want %s", line(h), v.Reason, w)
			}
			holds = append(holds, h)
		}
		if _, v := m.Admit(Call{Key: k, Operation: opTagging}); v.Reason != account.PaymentRequired {
			t.Fatalf("all is held, got %s", v.Reason)
		}
		for i := range holds {
			m.Release(&holds[i], account.FailedStatus)
		}
	}
	counts := m.Open(1, 0)
	if n := counts[account.Line{Account: 1, Operation: opTagging, Kind: account.FailedStatus}]; n != 40 {
		t.Errorf("failed calls: %d, want 40 (D5)", n)
	}
	if n := counts[account.Line{Account: 1, Operation: opTagging, Kind: account.PaymentRequired}]; n != 10 {
		t.Errorf("refused calls: %d, want 10 (D5)", n)
	}
}

func TestRefusals(t *testing.T) {
	hour := testStart.Add(time.Hour)
	running := []Subscription{{Number: 1, Instance: "shop", Start: at(testStart.Add(-time.Hour)), End: at(hour), Limits: [3]uint32{1, 1, 20}}}
	expired := []Subscription{{Number: 1, Instance: "shop", Start: 1, End: at(testStart), Limits: [3]uint32{1, 1, 20}}}
	changed := []Subscription{{Number: 1, Instance: "shop", Start: at(testStart), End: at(hour), Limits: [3]uint32{1, 1, 20}, Void: true},
		{Number: 2, Instance: "shop", Start: at(testStart), End: at(hour), Limits: [3]uint32{1, 1, 20}}}
	lapsed := []Subscription{{Number: 1, Instance: "shop", Start: 1, End: 2, Limits: [3]uint32{1, 1, 20}}}
	for name, tc := range map[string]struct {
		view     View
		key      string // the instance the key is bound to
		call     Call
		want     account.Kind
		funded   string
		observed bool
	}{
		"arrears block pay-per-use and the free allowance (D21)": {view: View{PayPerUse: true, InArrears: true}, call: Call{Operation: opTagging}, want: account.InArrears},
		"packages work in arrears (D21)": {view: View{PayPerUse: true, InArrears: true, Packages: []Package{
			{Number: 4, Operation: opTagging, Left: 1, Start: at(testStart), End: at(hour)}}}, call: Call{Operation: opTagging}, funded: "package:4"},
		"subscriptions work in arrears (D21)":  {view: View{InArrears: true, Subscriptions: running}, call: Call{Operation: opSearch}, funded: "subscription:1"},
		"released (D23)":                       {view: View{PayPerUse: true, ReleasedAt: at(testStart)}, call: Call{Operation: opTagging}, want: account.Released},
		"released ends subscriptions (D23)":    {view: View{ReleasedAt: at(testStart), Subscriptions: running}, call: Call{Operation: opSearch}, want: account.Released},
		"no subscription":                      {call: Call{Operation: opSearch}, want: account.PaymentRequired},
		"expired (D32)":                        {view: View{Subscriptions: expired}, call: Call{Operation: opSearch}, want: account.SubscriptionExpired},
		"instance released (D32)":              {view: View{Subscriptions: lapsed, Instances: []Instance{{Name: "shop", ID: 1, ReleasedAt: at(testStart)}}}, call: Call{Operation: opSearch}, want: account.Released},
		"its release is not recorded yet":      {view: View{Subscriptions: lapsed, Instances: []Instance{{Name: "shop", ID: 1}}}, call: Call{Operation: opSearch}, want: account.SubscriptionExpired},
		"voided by a change (D30)":             {view: View{Subscriptions: changed}, call: Call{Operation: opSearch}, funded: "subscription:2"},
		"void, and nothing else":               {view: View{Subscriptions: changed[:1]}, call: Call{Operation: opSearch}, want: account.PaymentRequired},
		"arrears with allow_in_grace (D21)":    {view: View{PayPerUse: true, InArrears: true, GraceUntil: at(hour)}, call: Call{Operation: opTagging}, funded: "free:202611"},
		"allow_in_grace ends with grace":       {view: View{PayPerUse: true, InArrears: true, GraceUntil: at(testStart)}, call: Call{Operation: opTagging}, want: account.InArrears},
		"another's instance (D38)":             {view: View{Subscriptions: running}, key: "shop", call: Call{Operation: opSearch, Instance: "other"}, want: account.WrongInstance},
		"not an instance of the account (D38)": {view: View{Subscriptions: running}, call: Call{Operation: opSearch, Instance: "other"}, want: account.WrongInstance},
		"its own instance":                     {view: View{Subscriptions: running}, key: "shop", call: Call{Operation: opSearch, Instance: "shop"}, funded: "subscription:1"},
		"not in the price book":                {view: View{PayPerUse: true}, call: Call{Operation: 99}, want: account.UnknownOperation},
		"observed":                             {view: View{InArrears: true}, call: Call{Operation: opTagging, Observe: true}, want: account.InArrears, observed: true},
	} {
		t.Run(name, func(t *testing.T) {
			m := newMeter(t, t.TempDir(), NewTestClock(testStart))
			tc.view.Number = 5
			tc.call.Key = keyFor(t, m, tc.view, tc.key)
			h, v := m.Admit(tc.call)
			if v.Reason != tc.want || v.Observed != tc.observed {
				t.Fatalf("got %s (observed %t), want %s", v.Reason, v.Observed, tc.want)
			}
			if tc.want == 0 {
				if line(h) != tc.funded {
					t.Errorf("funded by %s, want %s", line(h), tc.funded)
				}
				m.Post(&h)
				return
			}
			l := account.Line{Account: 5, Operation: tc.call.Operation, Kind: tc.want, Observed: tc.observed}
			if n := m.Open(5, 0)[l]; n != 1 {
				t.Errorf("tallied %d times, want once (D5): %v", n, m.Open(5, 0))
			}
		})
	}
}

func TestRateWindowTakesNothingForARefusedCall(t *testing.T) {
	clock := NewTestClock(testStart)
	m := newMeter(t, t.TempDir(), clock)
	k := keyFor(t, m, View{Number: 1, PayPerUse: true}, "")
	for second := range 3 {
		for i, want := range []account.Kind{0, 0, account.RateLimited, account.RateLimited} {
			h, v := m.Admit(Call{Key: k, Operation: opLimited})
			if v.Reason != want || v.Limit != 2 {
				t.Fatalf("second %d, call %d: %s, limit %d", second, i, v.Reason, v.Limit)
			}
			if want == 0 {
				m.Post(&h)
			}
		}
		if err := clock.Set(testStart.Add(time.Duration(second+1) * time.Second)); err != nil {
			t.Fatal(err)
		}
	}
}

// TestLastPackageCall: many at once against one remaining call (D18).
func TestLastPackageCall(t *testing.T) {
	m := newMeter(t, t.TempDir(), NewTestClock(testStart))
	for round := range uint32(50) {
		k := keyFor(t, m, View{Number: round + 1, FreeUsed: []FreeUsed{{opTagging, 202611, 3}}, Packages: []Package{
			{Number: 1, Operation: opTagging, Left: 1, Start: at(testStart), End: at(testStart.Add(time.Hour))}}}, "")
		var admitted atomic.Int32
		var all sync.WaitGroup
		for range 64 {
			all.Go(func() {
				if h, v := m.Admit(Call{Key: k, Operation: opTagging}); v.Reason == 0 {
					admitted.Add(1)
					m.Post(&h)
				}
			})
		}
		all.Wait()
		if n := admitted.Load(); n != 1 {
			t.Fatalf("round %d: %d calls funded by one", round, n)
		}
	}
}

// TestPeriodsAndLateCalls: a call belongs to the period of its arrival, and one
// that outlives its sealing to the period open then, with its funding (D6).
func TestPeriodsAndLateCalls(t *testing.T) {
	clock := NewTestClock(testStart.Add(time.Hour - 1))
	m := newMeter(t, t.TempDir(), clock)
	k := keyFor(t, m, View{Number: 1, PayPerUse: true}, "")
	inTime, _ := m.Admit(Call{Key: k, Operation: opTagging})
	late, _ := m.Admit(Call{Key: k, Operation: opTagging})
	failed, _ := m.Admit(Call{Key: k, Operation: opTagging})
	if err := clock.Set(testStart.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	next, _ := m.Admit(Call{Key: k, Operation: opTagging})
	m.Post(&next)
	m.Post(&inTime)
	m.Release(&failed, account.FailedBody)
	ended := m.Ended()
	if len(ended) != 1 || ended[0].Start != testStart.Unix() || ended[0].Length != 3600 {
		t.Fatalf("ended: %+v", ended)
	}
	counts, err := m.Seal(t.Context(), ended[0], time.Millisecond)
	if err != nil {
		t.Fatal(err)
	}
	sealed := sum(counts)
	m.Post(&late)
	free := account.Line{Account: 1, Operation: opTagging, Kind: account.Free, Ref: 202611}
	bad := account.Line{Account: 1, Operation: opTagging, Kind: account.FailedBody}
	if sealed[free] != 1 || sealed[bad] != 1 {
		t.Errorf("sealed %v, want the call that ended in time and the failed one", sealed)
	}
	if err := m.Drop(ended[0]); err != nil {
		t.Fatal(err)
	}
	payg := account.Line{Account: 1, Operation: opTagging, Kind: account.PayPerUse}
	if open := m.Open(1, 0); open[free] != 1 || open[payg] != 1 {
		t.Errorf("open period: %v, want the late free call and its own one", open)
	}
}

func sum(counts []account.Count) map[account.Line]uint64 {
	s := make(map[account.Line]uint64)
	for _, c := range counts {
		s[c.Line] += c.Calls
	}
	return s
}

// TestEveryCallIsInExactlyOnePeriod seals under load and adds up.
func TestEveryCallIsInExactlyOnePeriod(t *testing.T) {
	clock := NewTestClock(testStart)
	m := newMeter(t, t.TempDir(), clock)
	const workers, each = 4, 2000
	keys := make([]Key, workers)
	for i := range keys {
		keys[i] = keyFor(t, m, View{Number: uint32(i%2 + 1), PayPerUse: true}, "")
	}
	var all sync.WaitGroup
	for _, k := range keys {
		all.Go(func() {
			for range each {
				h, v := m.Admit(Call{Key: k, Operation: opTagging})
				if v.Reason != 0 {
					t.Error(v.Reason)
					return
				}
				m.Post(&h)
			}
		})
	}
	done := make(chan struct{})
	go func() { all.Wait(); close(done) }()
	var sealed uint64
	seal := func() {
		for _, e := range m.Ended() {
			counts, err := m.Seal(t.Context(), e, time.Second)
			if err != nil {
				t.Error(err)
			}
			for _, c := range counts {
				sealed += c.Calls
			}
			if err := m.Drop(e); err != nil {
				t.Error(err)
			}
		}
	}
	for hour := 1; ; hour++ {
		if err := clock.Set(testStart.Add(time.Duration(hour) * time.Hour)); err != nil {
			t.Fatal(err)
		}
		seal()
		select {
		case <-done:
			seal()
			for n := range uint32(3) {
				for _, c := range m.Open(n, 0) {
					sealed += c
				}
			}
			if sealed != workers*each {
				t.Fatalf("%d calls counted, %d made", sealed, workers*each)
			}
			return
		default:
		}
	}
}

// TestResume: counters survive, and count against allowance and packages again.
func TestResume(t *testing.T) {
	dir := t.TempDir()
	clock := NewTestClock(testStart)
	first := newMeter(t, dir, clock)
	view := View{Number: 1, Packages: []Package{{Number: 1, Operation: opTagging, Left: 2, Start: at(testStart), End: at(testStart.Add(time.Hour))}}}
	k := keyFor(t, first, view, "")
	for range 4 {
		h, _ := first.Admit(Call{Key: k, Operation: opTagging})
		first.Post(&h)
	}
	if err := first.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	second := newMeter(t, dir, clock)
	k = keyFor(t, second, view, "")
	resumeAll(t, second, dir)
	h, v := second.Admit(Call{Key: k, Operation: opTagging})
	if v.Reason != 0 || line(h) != "package:1" {
		t.Fatalf("fifth call: %s %s, want the package's last", line(h), v.Reason)
	}
	second.Post(&h)
	if _, v := second.Admit(Call{Key: k, Operation: opTagging}); v.Reason != account.PaymentRequired {
		t.Fatalf("sixth call: %s, want nothing to pay for it", v.Reason)
	}
	if n := second.Open(1, 0)[account.Line{Account: 1, Operation: opTagging, Kind: account.Package, Ref: 1}]; n != 2 {
		t.Errorf("the package's line counts %d, want 2", n)
	}
	file := second.current.Load().file
	lines := map[account.Line]bool{}
	for _, c := range file.Each() {
		lines[c.Line] = true
	}
	if file.Slots() != len(lines) {
		t.Errorf("%d counters for %d lines: those of before the restart were not found", file.Slots(), len(lines))
	}
}

func resumeAll(t *testing.T, m *Meter, dir string) {
	paths, err := filepath.Glob(filepath.Join(dir, "*.tally"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	for _, p := range paths {
		f, _, err := tally.Open(tally.Config{}, p)
		if err != nil {
			t.Fatal(err)
		}
		h := f.Header()
		m.Resume(f, h.Start+h.Length)
	}
}

// secretOf is the key of an account, as long as real ones are.
func secretOf(b []byte, number uint64) []byte {
	return strconv.AppendUint(append(b, "tg_the-demonstration-key-of-account-number-"...), number, 10)
}
