package meter

import (
	"crypto/sha256"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// mostPerAccount is what an account with a key, a package and a subscription may
// take of the heap, in bytes.
const mostPerAccount = 250

// load is what the accounts of a measurement have and do.
type load struct {
	name  string
	paid  int  // operations that pay-per-use calls were settled of, and are made
	burst int  // searches one upon another
	names bool // instances have names of their own, and keys are bound to them
}

var loads = []load{
	{name: "usual", burst: 1},
	{name: "names", burst: 1, names: true},
	{name: "bursts", burst: 2},
	{name: "paid", burst: 1, paid: 1},
	{name: "paid2", burst: 1, paid: 2},
}

func (l load) instance(number uint32) string {
	if l.names {
		return fmt.Sprintf("shop-%d", number)
	}
	return strings.Clone("shop")
}

// view is an account in the middle of its life, decoded from the ledger.
func (l load) view(number uint32) View {
	month := uint32(202611)
	v := View{Number: number, PayPerUse: true, Balance: 12_345,
		FreeUsed: []FreeUsed{{opTagging, month, 3}, {opLimited, month, 0}},
		Usage:    []Usage{{Operation: opTagging, Month: month, Successful: 240}, {Operation: opLimited, Month: month, Successful: 3}},
		Packages: []Package{{Number: 1, Operation: opTagging, Left: 9_763, Start: at(testStart.AddDate(0, -1, 0)), End: at(testStart.AddDate(0, 11, 0))}},
		Subscriptions: []Subscription{{Number: 1, Instance: l.instance(number), Service: strings.Clone("search"),
			Start: at(testStart.AddDate(0, 0, -10)), End: at(testStart.AddDate(0, 0, 20)), Limits: [classes]uint32{5, 5, 20}, MaxImages: 2_500_000}},
		Instances: []Instance{{Name: l.instance(number), ID: 1, Images: 1_234}},
	}
	for n := range l.paid {
		v.Usage = append(v.Usage, Usage{Operation: opPaid + uint16(n), Month: month, PayPerUse: 120, Successful: 123, Debited: 36})
	}
	return v
}

// opPaid and the one after it are paid by the call.
const opPaid = 6

func memoryMeter(t testing.TB) (*Meter, *TestClock) {
	clock := NewTestClock(testStart)
	m := newMeter(t, t.TempDir(), clock)
	m.SetCatalogs([]*Catalog{NewCatalog(0, []Operation{
		{Number: opTagging, Name: "recognition/image-tagging", Service: "recognition", Free: 3},
		{Number: opSearch, Name: "search/search", Service: "search", Subscribed: true, Class: ClassSearch},
		{Number: opLimited, Name: "recognition/limited", Service: "recognition", QPS: 2},
		{Number: opPaid, Name: "recognition/a", Service: "recognition"},
		{Number: opPaid + 1, Name: "recognition/b", Service: "recognition"},
	})})
	if _, err := m.Roll(at(testStart)); err != nil {
		t.Fatal(err)
	}
	return m, clock
}

// memory is heap bytes, by what they were taken for, and how many bytes of spans
// they lie in.
type memory struct{ accounts, keys, calls, spans uint64 }

func (m memory) all() uint64 { return m.accounts + m.keys + m.calls }

func (l load) measure(t testing.TB, accounts uint32) memory {
	m, clock := memoryMeter(t)
	empty, emptySpans := heap()
	for n := range accounts {
		m.Load(l.view(n + 1))
	}
	loaded, _ := heap()
	l.addKeys(m, accounts)
	known, _ := heap()
	l.call(t, m, clock, accounts)
	called, spans := heap()
	runtime.KeepAlive(m)
	return memory{loaded - empty, known - loaded, called - known, spans - emptySpans}
}

func (l load) addKeys(m *Meter, accounts uint32) {
	for n := range accounts {
		bound := ""
		if l.names {
			bound = l.instance(n + 1)
		}
		m.AddKey(Secret, sha256.Sum256(secretOf(nil, uint64(n+1))), n+1, bound)
	}
}

// call makes the calls of all accounts.
func (l load) call(t testing.TB, m *Meter, clock *TestClock, accounts uint32) {
	call := func(n uint32, op uint16) {
		k, _ := m.Identify(Secret, sha256.Sum256(secretOf(nil, uint64(n+1))))
		h, v := m.Admit(Call{Key: k, Operation: op})
		if v.Reason != 0 {
			t.Fatal(v.Reason)
		}
		m.Post(&h)
	}
	for n := range accounts {
		call(n, opTagging)
		for range l.burst {
			call(n, opSearch)
		}
		for p := range l.paid {
			call(n, opPaid+uint16(p))
		}
		if n%1000 == 0 {
			if err := clock.Set(clock.Now().Time().Add(time.Millisecond)); err != nil {
				t.Fatal(err)
			}
		}
	}
}

func heap() (bytes, spans uint64) {
	var s runtime.MemStats
	runtime.GC()
	runtime.GC()
	runtime.ReadMemStats(&s)
	return s.HeapAlloc, s.HeapInuse
}

// TestAccountsAreSmall: a million of them are to fit.
func TestAccountsAreSmall(t *testing.T) {
	const accounts = 100_000
	m := loads[0].measure(t, accounts)
	if each := m.all() / accounts; each > mostPerAccount {
		t.Errorf("%d bytes an account, %+v in all; want at most %d", each, m, mostPerAccount)
	}
}

// BenchmarkMemory says what accounts take of the heap: run it once
// (-benchtime 1x).
func BenchmarkMemory(b *testing.B) {
	const accounts = 1_000_000
	for _, l := range loads {
		b.Run(l.name, func(b *testing.B) {
			for range b.N {
				m := l.measure(b, accounts)
				b.ReportMetric(float64(m.accounts)/accounts, "B/account")
				b.ReportMetric(float64(m.keys)/accounts, "B/key")
				b.ReportMetric(float64(m.calls)/accounts, "B/calls")
				b.ReportMetric(float64(m.all())/accounts, "B/all")
				b.ReportMetric(float64(m.spans)/accounts, "B/spans")
			}
		})
	}
}

// BenchmarkLoad takes over accounts from the ledger.
func BenchmarkLoad(b *testing.B) {
	views := make([]View, 100_000)
	for n := range views {
		views[n] = loads[0].view(uint32(n + 1))
	}
	for b.Loop() {
		b.StopTimer()
		m, _ := memoryMeter(b)
		b.StartTimer()
		for n := range views {
			m.Load(views[n])
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(views)), "ns/account")
}
