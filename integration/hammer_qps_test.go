package integration

import (
	"bufio"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// rate is one limit of D27 under test: an operation, the subscription that
// grants it (none: the price book's qps), and the calls in any second.
type rate struct {
	operation, row string
	limit          int
}

var hammered = []rate{
	{"search/search", "s100k-1", 1},
	{"search/add", "s2500k-5", 5},
	{"search/search", "s2500k-10", 10},
	{"search/delete", "s100k-1", 20},
	{"recognition/celebrity-recognition", "", 20},
}

// hammerTime is long enough for every limit to fill several windows.
const hammerTime = 4500 * time.Millisecond

// TestHammer drives all limits at once in one gateway, each with two accounts:
// one whose clients call as fast as they can, and one whose client keeps pace.
// It is judged by the gateway's own clock (D27): its log of admissions.
func TestHammer(t *testing.T) {
	log := filepath.Join(t.TempDir(), "admissions")
	r := newRig(t, harness.Config{Binary: harness.AdmissionLogBinary(t), Env: []string{"TALLYGATE_ADMISSION_LOG=" + log}}, nil)
	r.start()
	hammers, paced := make([]sightings, len(hammered)), make([]sightings, len(hammered))
	for i, l := range hammered {
		for _, name := range []string{l.name("hammer"), l.name("paced")} {
			r.open(name, "10000.00")
			if l.row != "" {
				r.subscribe(name, l.row)
			}
		}
		defer func() {
			if t.Failed() {
				t.Logf("%v: %d hammered and %d paced calls", l, len(hammers[i].answers), len(paced[i].answers))
			}
		}()
	}

	end := time.Now().Add(hammerTime)
	var clients sync.WaitGroup
	for i, l := range hammered {
		for range 3 {
			clients.Go(func() { hammer(r, l, &hammers[i], end) })
		}
		clients.Go(func() { pace(r, l, &paced[i], end) })
	}
	clients.Wait()

	admitted, arrived := readAdmissions(t, log), r.arrived()
	for i, l := range hammered {
		number := uint32(2*i + 1) // accounts are numbered in the order of their creation
		stamps := admitted[number]
		l.checkWindow(t, stamps)
		l.checkFull(t, stamps)
		l.checkAnswers(t, r, l.name("hammer"), hammers[i].answers, stamps, arrived)
		l.checkWindow(t, admitted[number+1])
		l.checkAnswers(t, r, l.name("paced"), paced[i].answers, admitted[number+1], arrived)
		for _, a := range paced[i].answers {
			if !a.ok() {
				t.Fatalf("%v: a paced client was refused: %d %s (%v)", l, a.status, a.body, a.err)
			}
		}
		if least := l.limit * int(hammerTime/time.Second-1); len(paced[i].answers) < least {
			t.Errorf("%v: the paced client made %d calls, not even %d", l, len(paced[i].answers), least)
		}
	}
}

func (l rate) name(kind string) string {
	return fmt.Sprintf("%s-%s-%d", kind, filepath.Base(l.operation), l.limit)
}

func (l rate) client(r *rig, kind string) *customer {
	return &customer{site: r.URL(), account: l.name(kind), operation: l.operation, http: connections()}
}

// hammer calls without a pause.
func hammer(r *rig, l rate, into *sightings, end time.Time) {
	c := l.client(r, "hammer")
	defer c.http.CloseIdleConnections()
	for time.Now().Before(end) {
		into.note(c.call())
	}
}

// pace sends call k+N no earlier than a second after the answer to call k,
// which is later than its admission, and no later than it must.
func pace(r *rig, l rate, into *sightings, end time.Time) {
	c := l.client(r, "paced")
	defer c.http.CloseIdleConnections()
	var answered []time.Time
	for k := 0; time.Now().Before(end); k++ {
		if k >= l.limit {
			time.Sleep(time.Until(answered[k-l.limit].Add(time.Second)))
		}
		into.note(c.call())
		answered = append(answered, time.Now())
	}
}

// readAdmissions reads the log: by account, the instants of its admissions in
// nanoseconds of the gateway's clock. Each account here calls one operation.
func readAdmissions(t *testing.T, path string) map[uint32][]int64 {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	admitted := make(map[uint32][]int64)
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var at int64
		var account, operation, class, limit uint32
		if _, err := fmt.Sscan(lines.Text(), &at, &account, &operation, &class, &limit); err != nil {
			t.Fatalf("admission log: %q: %v", lines.Text(), err)
		}
		admitted[account] = append(admitted[account], at)
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
	return admitted
}

// checkWindow: no [t, t+1s) has more than the limit.
func (l rate) checkWindow(t *testing.T, stamps []int64) {
	t.Helper()
	if !slices.IsSorted(stamps) {
		t.Fatalf("%v: the gateway's clock ran backwards", l)
	}
	for k := l.limit; k < len(stamps); k++ {
		if apart := time.Duration(stamps[k] - stamps[k-l.limit]); apart < time.Second {
			t.Fatalf("%v: calls %d and %d were admitted %v apart: %d in less than a second", l, k-l.limit, k, apart, l.limit+1)
		}
	}
}

// checkFull: a hammered limit is used up, N in every full second.
func (l rate) checkFull(t *testing.T, stamps []int64) {
	t.Helper()
	if least := l.limit * int(hammerTime/time.Second); len(stamps) < least {
		t.Errorf("%v: %d calls in %v, want at least %d", l, len(stamps), hammerTime, least)
	}
}

// checkAnswers: what was admitted was forwarded and counted, what was refused
// neither, and says when to come back.
func (l rate) checkAnswers(t *testing.T, r *rig, account string, answers []sight, stamps []int64, arrived map[string]int) {
	t.Helper()
	ok, refused := 0, 0
	for _, a := range answers {
		forwarded := 0
		switch {
		case a.ok():
			ok, forwarded = ok+1, 1
		case a.status == http.StatusTooManyRequests:
			refused++
			l.checkRefusal(t, a)
		default:
			t.Fatalf("%v: call %s: status %d: %s (%v)", l, a.id, a.status, a.body, a.err)
		}
		if arrived[a.id] != forwarded {
			t.Fatalf("%v: call %s, answered with %d, reached the upstream %d times", l, a.id, a.status, arrived[a.id])
		}
	}
	u := r.usage(account)
	if counted, served := int(u.counted()[l.operation]), r.served(account, l.operation); ok != len(stamps) || counted != ok || served != ok {
		t.Errorf("%v %s: %d successes, %d admitted, %d counted, %d served", l, account, ok, len(stamps), counted, served)
	}
	if n := u.notCounted()[l.operation+" rate-limited"]; int(n) != refused {
		t.Errorf("%v %s: %d calls were refused, the report says %d", l, account, refused, n)
	}
}

func (l rate) checkRefusal(t *testing.T, a sight) {
	t.Helper()
	want := map[string]string{
		"Retry-After":      "1",
		"RateLimit":        `"calls";r=0;t=1`,
		"RateLimit-Policy": fmt.Sprintf(`"calls";q=%d;w=1`, l.limit),
		"Content-Type":     "application/problem+json",
	}
	for name, value := range want {
		if got := a.header.Get(name); got != value {
			t.Fatalf("%v: a refusal says %s: %q, want %q", l, name, got, value)
		}
	}
}
