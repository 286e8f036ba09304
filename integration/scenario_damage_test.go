package integration

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/integration/harness"
)

// The place of the counters in a tally: a header, then slots of 32 bytes, of which
// the last eight are the count.
const (
	tallyHeader = 64 << 10
	tallySlot   = 32
	tallyCount  = 24
)

// TestDamagedCounter: a count word is flipped while the gateway is dead, and one
// while it runs. Both hours are billed by the last synced value, and the statement,
// the sealed file and the replay say that the counts are a lower bound.
func TestDamagedCounter(t *testing.T) {
	t.Parallel()
	r := newRig(t, harness.Config{}, map[string]any{"timezone": halfPastTwelve})
	r.start()
	r.open("acme", "10.00")
	c := customer{site: r.URL(), account: "acme", operation: "recognition/celebrity-recognition", http: connections()}
	defer c.http.CloseIdleConnections()
	calls := func(n int) {
		t.Helper()
		for range n {
			if a := c.call(); !a.ok() {
				t.Fatal(a)
			}
		}
	}
	month := r.usage("acme").Month
	table := func() string {
		t.Helper()
		_, text := page(t, "http://"+r.Admin+"/tallygate/accounts/acme/statements/"+month+"?format=table")
		return text
	}
	calls(15)
	if err := r.Stop(); err != nil { // all is synced
		t.Fatal(err)
	}
	r.start()
	calls(1)
	r.Kill()
	r.flipCount(t)
	r.start()
	r.settle()
	if text := table(); !strings.Contains(text, "are a lower bound: 1 counter was damaged") || !strings.Contains(text, "celebrity-recognition") {
		t.Errorf("after a damage while the gateway was dead:\n%s", text)
	}
	counted := r.usage("acme").counted()[c.operation]
	if counted < 15 || counted > 16 { // the sixteenth may have been synced
		t.Errorf("%d calls are counted of 16", counted)
	}
	calls(4)
	r.flipCount(t)
	r.settle()
	if text := table(); strings.Count(text, "are a lower bound") != 2 {
		t.Errorf("after a damage while it ran:\n%s", text)
	}
	if again := r.usage("acme").counted()[c.operation]; again < counted || again > counted+4 {
		t.Errorf("%d calls are counted of %d and 4", again, counted)
	}
	if _, csv := page(t, "http://"+r.Admin+"/tallygate/accounts/acme/statements/"+month+"?format=csv"); strings.Count(csv, "\nlower-bound,") != 2 {
		t.Errorf("the CSV:\n%s", csv)
	}
	out, err := r.Command("statement", "replay", "acme", "--operation", c.operation, "--address", r.Admin)
	if err != nil || !strings.Contains(out, "are a lower bound: 1 counter was damaged") || !strings.Contains(out, ": the same.") {
		t.Errorf("replay: %v\n%s", err, out)
	}
	if out, err := r.Command("verify", "--address", r.Admin); err != nil {
		t.Errorf("verify: %v\n%s", err, out)
	}
	if !strings.Contains(r.Log(), "counts of an earlier run may be too low") {
		t.Error("the log does not say so")
	}
}

// flipCount flips a bit of every count in the open tally, in the file, which is
// also the memory of a gateway that runs.
func (r *rig) flipCount(t *testing.T) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(r.Dir, "ledger", "tally", "*.tally"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	f, err := os.OpenFile(paths[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	flipped := 0
	for n := int64(0); ; n++ {
		slot := make([]byte, tallySlot)
		if _, err := f.ReadAt(slot, tallyHeader+n*tallySlot); err != nil || strings.Trim(string(slot), "\x00") == "" {
			break
		}
		at := tallyHeader + n*tallySlot + tallyCount + 4
		if _, err := f.WriteAt([]byte{slot[tallyCount+4] ^ 1}, at); err != nil { // 2^32 calls more
			t.Fatal(err)
		}
		flipped++
	}
	if flipped != 1 {
		t.Fatalf("%d counters in %s, want that of one line", flipped, paths[0])
	}
}
