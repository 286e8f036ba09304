package integration

import (
	"fmt"
	"maps"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/upstream"
)

// monthEndBook has prices that no cent divides, and tiers that are crossed
// within the test.
const monthEndBook = `
currency: USD
pay_per_use:
  - operations: [recognition/image-tagging]
    free_per_month: 100
    tiers: [{up_to: 150, price: 0.01373}, {up_to: 700, price: 0.00955}, {price: 0.0071}]
  - operations: [recognition/main-object-detection, recognition/celebrity-recognition]
    tiers: [{up_to: 333, price: 0.0033333}, {price: 0.00249}]
  - operations: [recognition/media-tagging]
    qps: 25
    tiers: [{price: 0.005}]
packages:
  - {id: tagging-1000, operation: recognition/image-tagging, calls: 1000, valid: 1mo, price: 9.00}
subscriptions:
  - service: search
    operations: {search/search: search, search/add: add, search/delete: delete}
    delete_qps: 20
    rows:
      - {id: small, images: 1000, qps: 10, price: 30.00}
`

var monthEndPrices = prices{
	"recognition/image-tagging":         {{150, "0.01373"}, {700, "0.00955"}, {0, "0.0071"}},
	"recognition/main-object-detection": {{333, "0.0033333"}, {0, "0.00249"}},
	"recognition/celebrity-recognition": {{333, "0.0033333"}, {0, "0.00249"}},
	"recognition/media-tagging":         {{0, "0.005"}},
}

// faults is what goes wrong, or arrives in an unusual way, and as what such a
// call must be recorded; "" counts.
var faults = []struct{ fault, reason string }{
	{"error-in-200", "failed-body"}, {"status=404", "failed-status"}, {"status=503", "failed-status"},
	{"truncate", "failed-truncated"}, {"truncate-chunked", "failed-truncated"}, {"not-json", "failed-not-json"},
	{"hangup", "failed-upstream"}, {"gzip", ""}, {"null-error", ""}, {"chunked", ""}, {"early-hints", ""},
	{"pad=3000", ""}, {"slow-body=2ms", ""}, {"", ""}, {"", ""}, {"", ""}, {"", ""}, {"", ""},
}

// planned is a call and what becomes of it if it is forwarded.
type planned struct {
	call
	account, operation, reason string
}

// monthEnd is the test's own account of what happened.
type monthEnd struct {
	*scene
	keys map[string]string

	mu      sync.Mutex
	month   string
	calls   int
	nobody  int64                       // calls with an unknown key
	metered int64                       // the same by the metrics of processes that ended
	seen    map[string]map[string]int64 // account + month → "operation reason" → calls
	debits  map[string][]int64          // account + month → cents by hour, but for those of 0
	uses    map[string]*use             // account + operation
}

// use is how the calls of an operation are paid in turn (D11).
type use struct {
	month            string
	free, pack, paid int64 // what is left; and what was paid for in the month
}

// TestMixedMonthEnd drives four accounts from 20:10 on 30 November to 02:00 on
// 1 December through all that can become of a call, with a restart and a kill,
// and holds the bills against what clients and upstream saw.
func TestMixedMonthEnd(t *testing.T) {
	t.Parallel()
	clock, at := testClock("2026-11-30T20:10:00+08:00")
	m := &monthEnd{scene: newScene(t, monthEndBook, clock, at), month: "2026-11", keys: map[string]string{},
		seen: map[string]map[string]int64{}, debits: map[string][]int64{}, uses: map[string]*use{}}
	m.open()
	hours := []struct{ from, to string }{
		{"2026-11-30T20:10:00", "2026-11-30T21:00:00"}, {"2026-11-30T21:00:00", "2026-11-30T22:00:00"},
		{"2026-11-30T22:00:00", "2026-11-30T23:00:00"}, {"2026-11-30T23:00:00", "2026-12-01T00:00:00"},
		{"2026-12-01T00:00:00", "2026-12-01T01:00:00"}, {"2026-12-01T01:00:00", "2026-12-01T02:00:00"},
	}
	for i, h := range hours {
		m.month = h.from[:7]
		m.before(i)
		m.hour(i, h.from)
		m.advance(h.to + "+08:00")
	}
	if m.calls < 10_000 {
		t.Errorf("only %d calls were made", m.calls)
	}
	for account := range m.keys {
		m.reconcile(account)
	}
	m.compareTruth()
	m.scrape()
	if m.metered != m.nobody {
		t.Errorf("the metrics count %d calls of nobody, %d were made", m.metered, m.nobody)
	}
}

func (m *monthEnd) open() {
	for id, money := range map[string]string{"pack": "100.00", "free": "", "shop": "100.00", "debt": "1.00"} {
		m.keys[id] = m.account(id, money)
	}
	m.do("PATCH", "/accounts/free", map[string]any{"pay_per_use": false}, nil)
	m.subscribe("shop", "products", "small")
}

// before is what commands do at the start of an hour.
func (m *monthEnd) before(hour int) {
	switch hour {
	case 1:
		m.do("POST", "/accounts/pack/packages", map[string]any{"package": "tagging-1000"}, nil)
		m.use("pack", "recognition/image-tagging").pack = 1000
	case 2:
		m.topUp("debt", "50.00")
	}
}

// hour makes an hour's calls, and interrupts the gateway in two of them.
func (m *monthEnd) hour(i int, from string) {
	successes := map[string]int64{}
	m.run(m.mixture(i, 0), successes)
	switch i {
	case 2:
		m.scrape()
		if err := m.Stop(); err != nil {
			m.t.Fatal(err)
		}
		m.restart()
	case 4:
		m.scrape()
		m.Kill()
		m.restart()
	}
	m.run(m.mixture(i, 1), successes)
	m.throttle(i, from, successes)
	m.fill(i, successes)
	for account := range m.keys {
		if u := m.usage(account); !maps.Equal(u.counted(), m.successes(account)) || !maps.Equal(u.notCounted(), m.failures(account)) {
			m.t.Errorf("hour %d, %s: usage is %v %v, seen were %v %v", i, account, u.counted(), u.notCounted(), m.successes(account), m.failures(account))
		}
		m.expect(account, successes)
	}
}

// mixture is half of the calls of an hour, at most one request at a time per
// connection and eight at once.
func (m *monthEnd) mixture(hour, half int) (list []planned) {
	for i := range 200 {
		for _, account := range []string{"pack", "free", "shop", "debt"} {
			id := fmt.Sprintf("%s/%s/%d-%d-%d", account, m.month, hour, half, i)
			p := m.plan(account, id, i)
			f := faults[(7*i+i/9)%len(faults)]
			p.Fault, p.reason = strings.TrimSuffix("canned,"+f.fault, ","), f.reason
			switch i {
			case 41:
				p.Key = "tg_unknown"
			case 42:
				p.Path, p.operation = strings.Replace(p.Path, "/image/", "/images/", 1), ""
			}
			list = append(list, p)
		}
	}
	return list
}

// paths of the operations, but for the project.
var paths = map[string]string{
	"recognition/image-tagging":         "/v2/%s/image/tagging",
	"recognition/main-object-detection": "/v3/%s/image/main-object-detection",
	"recognition/celebrity-recognition": "/v2/%s/image/celebrity-recognition",
	"recognition/media-tagging":         "/v2/%s/image/media-tagging",
}

// plan chooses the operation of an account's i-th call.
func (m *monthEnd) plan(account, id string, i int) planned {
	operation := "recognition/image-tagging"
	switch {
	case account == "shop" && i%4 == 0:
		operation = "recognition/media-tagging"
	case account == "shop", account == "pack" && i%5 == 0:
		operation = "recognition/main-object-detection"
	case account == "debt" && i%3 == 0:
		operation = "recognition/celebrity-recognition"
	}
	c := call{Key: m.keys[account], Path: fmt.Sprintf(paths[operation], account), ID: id, Fault: "canned"}
	return planned{call: c, account: account, operation: operation}
}

// throttle sends 15 searches in each of a few instants; 10 a second pass.
func (m *monthEnd) throttle(hour int, from string, successes map[string]int64) {
	at, err := time.Parse(time.RFC3339, from+"+08:00")
	if err != nil {
		m.t.Fatal(err)
	}
	for instant := range 4 {
		m.advance(at.Add(time.Minute + time.Duration(instant)*time.Second).Format(time.RFC3339))
		var list []planned
		for i := range 15 {
			c := call{Key: m.keys["shop"], Path: "/v2/image/search", Fault: "canned", ID: fmt.Sprintf("shop/%s/s%d-%d-%d", m.month, hour, instant, i)}
			list = append(list, planned{call: c, account: "shop", operation: "search/search"})
		}
		list[3].Fault, list[3].reason = "canned,error-in-200", "failed-body"
		before := m.seen["shop "+m.month]["search/search rate-limited"]
		m.run(list, successes)
		if n := m.seen["shop "+m.month]["search/search rate-limited"] - before; n != 5 {
			m.t.Errorf("hour %d: %d of 15 searches in one instant were refused, want 5", hour, n)
		}
	}
}

// fill makes successes one after the other. Those that failed gave back what
// they held of allowances and packages while others went on to pay; after these
// calls nothing of it is left.
func (m *monthEnd) fill(hour int, successes map[string]int64) {
	for account := range m.keys {
		for i := range 16 {
			for _, choice := range []int{0, 1} {
				m.run([]planned{m.plan(account, fmt.Sprintf("%s/%s/f%d-%d-%d", account, m.month, hour, i, choice), choice)}, successes)
			}
		}
	}
}

// run makes calls, eight at once, and notes what became of them.
func (m *monthEnd) run(list []planned, successes map[string]int64) {
	next := make(chan planned)
	var workers sync.WaitGroup
	for range 8 {
		workers.Go(func() {
			for p := range next {
				m.note(p, m.call(p.call), successes)
			}
		})
	}
	for _, p := range list {
		next <- p
	}
	close(next)
	workers.Wait()
}

// note records what the client saw of a call.
func (m *monthEnd) note(p planned, a answer, successes map[string]int64) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.calls++
	reason := a.reason()
	switch {
	case reason == "unauthenticated":
		m.nobody++
		return
	case reason == "" && a.Whole && a.Status == 200 && p.reason == "":
		successes[p.account+" "+p.operation]++
	case reason == "":
		reason = p.reason
		if reason == "" {
			m.t.Errorf("call %s (%s): status %d, whole %t: %s", p.ID, p.Fault, a.Status, a.Whole, a.Body)
		}
	}
	line := p.account + " " + m.month
	if m.seen[line] == nil {
		m.seen[line] = map[string]int64{}
	}
	m.seen[line][p.operation+" "+reason]++
}

// expect works out what an hour's successes cost an account.
func (m *monthEnd) expect(account string, successes map[string]int64) {
	debit := int64(0)
	for operation := range monthEndPrices {
		u := m.use(account, operation)
		n := successes[account+" "+operation]
		free := min(n, u.free)
		pack := min(n-free, u.pack)
		before := monthEndPrices.charge(operation, u.paid)
		u.free, u.pack, u.paid = u.free-free, u.pack-pack, u.paid+n-free-pack
		debit += monthEndPrices.charge(operation, u.paid) - before
	}
	if debit != 0 {
		m.debits[account+" "+m.month] = append(m.debits[account+" "+m.month], debit)
	}
}

func (m *monthEnd) use(account, operation string) *use {
	u := m.uses[account+" "+operation]
	if u == nil {
		u = &use{}
		m.uses[account+" "+operation] = u
	}
	if u.month != m.month {
		u.month, u.paid = m.month, 0
		if operation == "recognition/image-tagging" {
			u.free = 100
		}
	}
	return u
}

// successes and failures are what the clients of an account saw this month.
func (m *monthEnd) successes(account string) map[string]int64 {
	return split(m.seen[account+" "+m.month], true)
}
func (m *monthEnd) failures(account string) map[string]int64 {
	return split(m.seen[account+" "+m.month], false)
}

func split(seen map[string]int64, successes bool) map[string]int64 {
	part := map[string]int64{}
	for line, n := range seen {
		if operation, ok := strings.CutSuffix(line, " "); ok && successes {
			part[operation] = n
		} else if !ok && !successes {
			part[line] = n
		}
	}
	return part
}

// reconcile holds both statements of an account against what was seen.
func (m *monthEnd) reconcile(account string) {
	opening := "0.00"
	for _, month := range []string{"2026-11", "2026-12"} {
		m.month = month
		st := m.statement(account, month)
		st.check(m.t, monthEndPrices)
		if st.Opening != opening {
			m.t.Errorf("%s %s opens with %s, the month before closed with %s", account, month, st.Opening, opening)
		}
		opening = st.Closing
		if !maps.Equal(st.counted(), m.successes(account)) || !maps.Equal(st.notCounted(), m.failures(account)) {
			m.t.Errorf("%s %s: the statement has %v %v, seen were %v %v", account, month,
				st.counted(), st.notCounted(), m.successes(account), m.failures(account))
		}
		var debits []int64
		for _, mv := range st.Movements {
			if mv.Kind == "usage" {
				debits = append(debits, -cents(m.t, mv.Amount))
			}
		}
		if want := m.debits[account+" "+month]; fmt.Sprint(debits) != fmt.Sprint(want) {
			m.t.Errorf("%s %s: hourly debits of %v cents, want %v", account, month, debits, want)
		}
	}
}

// compareTruth holds what the clients saw against what the upstream did.
func (m *monthEnd) compareTruth() {
	for account := range m.keys {
		for _, month := range []string{"2026-11", "2026-12"} {
			m.month = month
			truth, err := upstream.ReadTally(m.truth, func(e upstream.Entry) bool {
				return strings.HasPrefix(e.RequestID, account+"/"+month+"/")
			})
			if err != nil {
				m.t.Fatal(err)
			}
			done := map[string]int64{}
			for operation, n := range truth.Success {
				done[operation] = int64(n)
			}
			if !maps.Equal(done, m.successes(account)) {
				m.t.Errorf("%s %s: the upstream did %v, clients saw %v", account, month, done, m.successes(account))
			}
		}
	}
}

// unauthenticated is a metric, with an operation.
var unauthenticated = regexp.MustCompile(`(?m)^tallygate_calls_total\{operation="[^"]*",outcome="unauthenticated"\} (\d+)$`)

// scrape adds the calls of nobody that the running process counted.
func (m *monthEnd) scrape() {
	for _, match := range unauthenticated.FindAllStringSubmatch(m.get("http://"+m.Admin+"/metrics"), -1) {
		n, err := strconv.ParseInt(match[1], 10, 64)
		if err != nil {
			m.t.Fatal(err)
		}
		m.metered += n
	}
}
