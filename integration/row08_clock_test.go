package integration

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// TestRow08Clock: the wall clock is put back and forward by hours and by more than
// a year, under load and over kills and restarts, and an operator accepts some of
// it. No period is settled twice, counts are exact, bills are usage × price, and
// nothing is settled, expires or is released before a jump is accepted; releases
// wait for a day after that (D6, D23).
func TestRow08Clock(t *testing.T) {
	t.Parallel()
	row := newRow(t, 8, "clock", 3, 60)
	calls, jumps := 0, 0
	for range row.rounds {
		c := newClockRound(row)
		steps := 2
		if row.long {
			steps += row.chance.IntN(5)
		}
		for range steps {
			c.step()
		}
		c.finish()
		calls, jumps = calls+c.traffic.successes(), jumps+c.accepted
		if t.Failed() {
			break
		}
	}
	row.note("%d calls, %d jumps accepted", calls, jumps)
	row.end()
}

// clockState is what the API says of the clock.
type clockState struct {
	Now, Wall    time.Time
	Suspended    bool
	Disagreement time.Duration `json:"disagreement_ns"`
	ReleasesFrom time.Time     `json:"releases_from"`
}

// clockRound is one ledger, and how far its clocks are off in the test's own
// reckoning.
type clockRound struct {
	*rig
	row     *row
	chance  *rand.Rand
	traffic *killTraffic
	wall    string        // file of the wall clock's shift
	orders  string        // file of the failpoints
	off     time.Duration // of event time from the machine's time, but for seconds
	far     time.Duration // the most it ever was
	topUps  int

	accepted int
	happened map[string]int // events that time brings, when the clock was doubted first; nil = it is not
}

const aDayLong = 24 * time.Hour

func newClockRound(row *row) *clockRound {
	dir := row.t.TempDir()
	c := &clockRound{row: row, chance: row.chance, wall: filepath.Join(dir, "wall"), orders: filepath.Join(dir, "orders")}
	c.rig = newRig(row.t, harness.Config{Binary: harness.FailpointBinary(row.t),
		Env: []string{"TALLYGATE_WALL=" + c.wall, "TALLYGATE_FAILPOINTS=" + c.orders}}, map[string]any{"flush": "1s", "arrears": "1s"})
	c.shift(0)
	c.start()
	c.traffic = newClockTraffic(c.rig)
	c.open("term", "2000.00")
	c.subscribe("term", "s2500k-10")
	c.api(harness.Request{Path: "/tallygate/accounts/term/packages", Header: once("package"), Body: map[string]any{"package": "tagging-300"}}, nil)
	c.open("debt", "0.01")
	debtor := &customer{site: c.URL(), account: "debt", operation: "recognition/media-tagging", http: connections()}
	for range 40 {
		c.traffic.noteDebt(debtor)
	}
	if c.chance.IntN(3) > 0 {
		return c // the debt comes when it comes
	}
	eventually(c.t, "the debtor is in retention", time.Minute, func() bool { return c.events("debt")["retention"] == 1 })
	return c
}

// newClockTraffic is customers who are never refused, one of them at not quite the
// rate that the price book allows.
func newClockTraffic(r *rig) *killTraffic {
	w := &killTraffic{rig: r, gate: newGate(), stop: make(chan struct{}), abort: make(chan struct{}), seen: map[what]int{}, unknown: map[what]int{}}
	for _, account := range []string{"mixed", "plain"} {
		r.open(account, "2000.00")
	}
	r.api(harness.Request{Path: "/tallygate/accounts/mixed/packages", Header: once("first package"), Body: map[string]any{"package": "tagging-300"}}, nil)
	for _, c := range []*customer{
		{account: "mixed", operation: "recognition/image-tagging", fault: "delay=8ms"},
		{account: "mixed", operation: "recognition/media-tagging", fault: "slow-body=20ms"},
		{account: "plain", operation: "recognition/image-tagging", fault: "delay=8ms"},
		{account: "plain", operation: "recognition/celebrity-recognition", fault: "delay=60ms"},
		{account: "plain", operation: "recognition/media-tagging", fault: "error-in-200,delay=15ms", fails: true},
	} {
		c.site, c.http = r.URL(), connections()
		w.customers = append(w.customers, c)
		w.clients.Go(func() { w.run(c) })
	}
	return w
}

// noteDebt is a call that may be refused.
func (w *killTraffic) noteDebt(c *customer) {
	if a := c.call(); a.status != http.StatusPaymentRequired {
		w.note(c, a)
	}
}

// shift puts the wall clock off.
func (c *clockRound) shift(by time.Duration) {
	c.t.Helper()
	replace(c.t, c.wall, by.String())
}

// replace writes a file that another process reads.
func replace(t testing.TB, path, text string) {
	t.Helper()
	err := os.WriteFile(path+".new", []byte(text), 0o600)
	if err == nil {
		err = os.Rename(path+".new", path)
	}
	if err != nil {
		t.Fatal(err)
	}
}

func (c *clockRound) clock() (s clockState) {
	c.t.Helper()
	c.api(harness.Request{Path: "/tallygate/clock"}, &s)
	return s
}

// events are the numbers of an account's events by kind.
func (c *clockRound) events(account string) map[string]int {
	c.t.Helper()
	var list struct{ Events []struct{ Kind string } }
	c.api(harness.Request{Path: "/tallygate/accounts/" + account + "/events?limit=1000"}, &list)
	kinds := map[string]int{}
	for _, e := range list.Events {
		kinds[e.Kind]++
	}
	return kinds
}

// passed counts what time alone has brought and settled so far.
func (c *clockRound) passed() map[string]int {
	c.t.Helper()
	var status struct {
		SettledUntil time.Time `json:"settled_until"`
	}
	c.api(harness.Request{Path: "/tallygate/status"}, &status)
	all := map[string]int{"settled until": int(status.SettledUntil.Unix())}
	for _, account := range []string{"term", "debt"} {
		for kind, n := range c.events(account) {
			if kind != "active" && kind != "notice-low-balance" { // top-ups bring these
				all[account+" "+kind] = n
			}
		}
	}
	return all
}

// step lets the wall clock be off by something else, and maybe an operator accept
// it.
func (c *clockRound) step() {
	c.t.Helper()
	by := []time.Duration{0, -2 * time.Hour, 2 * time.Hour, 400 * aDayLong, -400 * aDayLong,
		c.off + time.Minute, c.off - time.Minute}[c.chance.IntN(7)]
	c.traffic.gate.open()
	doubted := false
	if d := by - c.off; c.chance.IntN(3) == 0 {
		c.restart(by)
		doubted = d < -5*time.Minute || d > 31*aDayLong
	} else {
		c.shift(by)
		doubted = d.Abs() > 5*time.Minute
	}
	if !doubted {
		c.moved(by)
		c.happened = nil
	}
	eventually(c.t, fmt.Sprintf("off by %s, event time by %s: doubted %t", by, c.off, doubted), time.Minute, func() bool {
		s := c.clock()
		return s.Suspended == doubted && (doubted || s.Disagreement.Abs() < time.Minute)
	})
	if doubted {
		c.doubt(by)
	}
	time.Sleep(time.Duration(c.chance.IntN(1200)) * time.Millisecond) // traffic
	c.releasesNobody()
}

func (c *clockRound) moved(to time.Duration) { c.off, c.far = to, max(c.far, to) }

// restart is a stop or a kill, maybe one more within the recovery.
func (c *clockRound) restart(by time.Duration) {
	c.t.Helper()
	if c.chance.IntN(3) == 0 {
		if err := c.Stop(); err != nil {
			c.t.Fatal(err)
		}
	} else {
		c.Kill()
	}
	c.traffic.gate.shut()
	c.shift(by)
	if c.chance.IntN(2) == 0 {
		if err := c.Interrupt(time.Duration(c.chance.IntN(300)) * time.Millisecond); err != nil {
			c.t.Fatal(err)
		}
	}
	c.start()
	c.traffic.gate.open()
}

// doubt checks that nothing happens while the wall clock is doubted, but for calls
// and commands. Then it is accepted, or right again, or stays as it is.
func (c *clockRound) doubt(by time.Duration) {
	c.t.Helper()
	if c.happened == nil {
		c.happened = c.passed()
	}
	before := c.traffic.successes()
	c.topUps++
	c.api(harness.Request{Path: "/tallygate/accounts/term/topups", Header: once(fmt.Sprint("doubted ", c.topUps)),
		Body: map[string]any{"amount": "1.00", "reference": "doubted"}}, nil)
	var refused *harness.Refused
	if err := c.API(harness.Request{Method: http.MethodPost, Path: "/tallygate/settle"}, nil); !errors.As(err, &refused) || !strings.Contains(refused.Body, "clock-suspended") {
		c.t.Errorf("settled while the clock is doubted: %v", err)
	}
	time.Sleep(1100 * time.Millisecond) // a period ends
	eventually(c.t, "calls go on", time.Minute, func() bool { return c.traffic.successes() > before })
	now := c.passed()
	if settled, was := now["settled until"], c.happened["settled until"]; settled < was { // a start knows no empty periods
		now["settled until"] = was
	}
	if fmt.Sprint(now) != fmt.Sprint(c.happened) {
		c.row.wrong++
		c.t.Errorf("off by %s: what time brings goes on although the clock is doubted:\n%v\n%v", by, c.happened, now)
	}
	switch c.chance.IntN(5) {
	case 0, 1:
		c.accept(by)
	case 2:
		c.acceptAndDie(by)
	case 3:
		c.shift(c.off)
		eventually(c.t, "the clock is right again", time.Minute, func() bool { return !c.clock().Suspended })
		c.happened = nil
	}
}

// accept is an operator who accepts what the wall clock says.
func (c *clockRound) accept(by time.Duration) {
	c.t.Helper()
	saw := c.clock()
	wrong := map[string]any{"wall": saw.Wall.Add(2 * time.Minute)}
	if err := c.API(harness.Request{Path: "/tallygate/clock/accept", Body: wrong}, nil); err == nil {
		c.t.Error("what nobody saw was accepted")
	}
	var now clockState
	c.api(harness.Request{Path: "/tallygate/clock/accept", Body: map[string]any{"wall": saw.Wall}}, &now)
	if now.Suspended || now.Now.Before(saw.Wall) || now.ReleasesFrom.Before(saw.Wall.Add(aDayLong)) {
		c.row.wrong++
		c.t.Errorf("accepted %s: %+v", saw.Wall, now)
	}
	c.moved(by)
	c.happened, c.accepted = nil, c.accepted+1
}

// acceptAndDie is killed once the acceptance is durable, before or after it takes
// effect.
func (c *clockRound) acceptAndDie(by time.Duration) {
	c.t.Helper()
	place := []string{"clock/journalled", "clock/accepted"}[c.chance.IntN(2)]
	replace(c.t, c.orders, place+" kill\n")
	gone := c.Exited()
	if err := c.API(harness.Request{Path: "/tallygate/clock/accept", Body: map[string]any{"wall": c.clock().Wall}}, nil); err == nil {
		c.t.Errorf("answered, and killed at %s", place)
	}
	<-gone
	c.Kill()
	c.traffic.gate.shut()
	replace(c.t, c.orders, "")
	c.start()
	if now := c.clock(); now.Suspended {
		c.row.lost++
		c.t.Errorf("killed at %s: the acceptance is lost: %+v", place, now)
	}
	c.moved(by)
	c.happened, c.accepted = nil, c.accepted+1
	c.traffic.gate.open()
}

func (c *clockRound) releasesNobody() {
	c.t.Helper()
	var list struct{ Releases []any }
	c.api(harness.Request{Path: "/tallygate/releases"}, &list)
	if len(list.Releases) > 0 {
		c.row.wrong++
		c.t.Errorf("released: %v", list.Releases)
	}
}
