package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// TestRow07OlderCopy replaces a ledger, or a part of it, by an older copy, taken
// after a kill or after a stop, by one record or by many. The whole folder is
// refused by the anchor, which says why and how to accept it; the journal alone is
// refused, too; of database and sealed files nothing is lost while the journal is
// there. Accepted on purpose, the ledger goes on from where the copy was taken.
func TestRow07OlderCopy(t *testing.T) {
	t.Parallel()
	row := newRow(t, 7, "older copy", 3, 50)
	for n := range row.rounds {
		o := &olderCopy{row: row, rig: newRig(t, harness.Config{}, nil)}
		o.round(n)
	}
	row.note("each with the whole folder, and with journal, badger or usage in turn")
	row.end()
}

// olderCopy is one round of row 7: one account, whose balance is what was paid.
type olderCopy struct {
	*row
	*rig
	paid int // cents
	wire int
}

func (o *olderCopy) wrongf(format string, args ...any) {
	o.row.t.Helper()
	o.row.t.Errorf(format, args...)
	o.wrong++
}

func (o *olderCopy) round(n int) {
	o.start()
	o.rig.open("acme", "10.00")
	o.paid = 1000
	o.work(o.chance.IntN(5))
	for _, part := range []string{"", []string{"journal", "badger", "usage"}[n%3]} {
		o.settleCalls()
		o.end(o.chance.IntN(2) == 0)
		copied, paid := o.copy(), o.paid
		o.start()
		more := []int{0, 1, 2 + o.chance.IntN(30)}[(n+o.chance.IntN(2))%3]
		o.work(more)
		if part == "usage" {
			o.settleCalls()
		}
		o.end(o.chance.IntN(2) == 0)
		o.replaced(part, copied, paid, fmt.Sprintf("%s by %d commands", part, more))
	}
	o.end(false)
}

// work tops up so many times.
func (o *olderCopy) work(times int) {
	o.row.t.Helper()
	for range times {
		o.wire++
		o.api(harness.Request{Path: "/tallygate/accounts/acme/topups", Header: once(fmt.Sprint("wire ", o.wire)),
			Body: map[string]any{"amount": "0.03", "reference": fmt.Sprint("wire ", o.wire)}}, nil)
		o.paid += 3
	}
}

// settleCalls seals a period with free calls in it.
func (o *olderCopy) settleCalls() {
	o.row.t.Helper()
	c := &customer{site: o.URL(), account: "acme", operation: "recognition/image-tagging", http: connections()}
	defer c.http.CloseIdleConnections()
	for range 1 + o.chance.IntN(5) {
		if a := c.call(); !a.ok() {
			o.row.t.Fatalf("a call: %+v", a)
		}
	}
	o.settle()
}

// end kills or stops the gateway, once the anchor has the journal's head.
func (o *olderCopy) end(kill bool) {
	o.row.t.Helper()
	var status struct {
		JournalHead uint64 `json:"journal_head"`
	}
	eventually(o.row.t, "the anchor has the journal's head", time.Minute, func() bool {
		o.api(harness.Request{Path: "/tallygate/status"}, &status)
		text, err := os.ReadFile(o.anchor())
		var anchor struct{ Seq uint64 }
		return err == nil && json.Unmarshal(text, &anchor) == nil && anchor.Seq == status.JournalHead
	})
	if kill {
		o.Kill()
	} else if err := o.Stop(); err != nil {
		o.row.t.Fatal(err)
	}
}

func (o *olderCopy) anchor() string { return filepath.Join(o.Dir, "anchor.json") }

func (o *olderCopy) folder(part string) string { return filepath.Join(o.Dir, "ledger", part) }

func (o *olderCopy) copy() string {
	o.row.t.Helper()
	copied := filepath.Join(o.row.t.TempDir(), "ledger")
	copyFolder(o.row.t, o.folder(""), copied)
	return copied
}

func copyFolder(t testing.TB, from, to string) {
	t.Helper()
	if out, err := exec.Command("cp", "-a", "--sparse=always", from, to).CombinedOutput(); err != nil {
		t.Fatalf("copying %s: %v: %s", from, err, out)
	}
}

// replaced puts a part of the older copy in place and looks what becomes of it.
func (o *olderCopy) replaced(part, copied string, paid int, what string) {
	o.row.t.Helper()
	now, kept := o.folder(part), filepath.Join(o.Dir, "newest")
	if err := os.Rename(now, kept); err != nil {
		o.row.t.Fatal(err)
	}
	copyFolder(o.row.t, filepath.Join(copied, part), now)
	switch part {
	case "":
		o.refusedUntilAccepted(paid, what)
	case "journal":
		o.refusedOrCut(paid, what)
	case "badger":
		o.start()
		o.balance(o.paid, what)
	case "usage":
		o.madeAgain(what)
	}
	if err := os.RemoveAll(kept); err != nil {
		o.row.t.Fatal(err)
	}
	o.verify(what)
}

// refused starts the gateway, which must not serve, and says both things.
func (o *olderCopy) refused(what string, words ...string) {
	o.row.t.Helper()
	err := o.Start()
	if err == nil {
		o.wrongf("%s: the older copy is served", what)
		o.Kill()
		return
	}
	for _, w := range words {
		if !strings.Contains(err.Error(), w) {
			o.wrongf("%s: refused without saying %q: %v", what, w, err)
		}
	}
}

// refusedUntilAccepted: the anchor knows better, until it is removed.
func (o *olderCopy) refusedUntilAccepted(paid int, what string) {
	o.row.t.Helper()
	for range 2 { // to try again does not help
		o.refused(what, "this is an older copy", "to accept this one and lose what came after, remove the anchor", "anchor.json")
	}
	if err := os.Remove(o.anchor()); err != nil {
		o.row.t.Fatal(err)
	}
	o.start()
	lost := o.paid - paid
	o.balance(paid, what+", accepted")
	o.paid = paid
	o.wire -= lost / 3
	o.work(lost / 3) // under the keys of the lost ones: they happen
	o.balance(o.paid, what+", gone on")
}

// refusedOrCut: database and anchor know better than an older journal. Repair takes
// the loss on purpose.
func (o *olderCopy) refusedOrCut(paid int, what string) {
	o.row.t.Helper()
	o.refused(what, "tallygate repair")
	if out, err := o.Command("repair", "--config", "Caddyfile"); err == nil || !strings.Contains(out, "--cut-journal") {
		o.wrongf("%s: repair without consent: %v\n%s", what, err, out)
	}
	o.refused(what, "tallygate repair")
	out, err := o.Command("repair", "--config", "Caddyfile", "--cut-journal")
	if err == nil || !strings.Contains(out, "Done: ") || !strings.Contains(out, "until you remove that file") {
		o.wrongf("%s: repair with consent: %v\n%s", what, err, out)
	}
	o.refused(what, "remove the anchor")
	if err := os.Remove(o.anchor()); err != nil {
		o.row.t.Fatal(err)
	}
	o.start()
	o.wire -= (o.paid - paid) / 3
	o.paid = paid
	o.balance(paid, what+", cut")
}

// madeAgain: sealed files that are missing are in the ledger as well.
func (o *olderCopy) madeAgain(what string) {
	o.row.t.Helper()
	if out, err := o.Command("repair", "--config", "Caddyfile"); err != nil || !strings.Contains(out, "from the ledger's hours") {
		o.wrongf("%s: repair: %v\n%s", what, err, out)
	}
	o.start()
	o.balance(o.paid, what)
}

func (o *olderCopy) balance(cents int, what string) {
	o.row.t.Helper()
	want := fmt.Sprintf("%d.%02d", cents/100, cents%100)
	if have := o.usage("acme").Balance; have != want {
		o.lost++
		o.row.t.Errorf("%s: balance %s, want %s", what, have, want)
	}
}

// verify makes all of the ledger again.
func (o *olderCopy) verify(what string) {
	o.row.t.Helper()
	if out, err := o.Command("verify", "--address", o.Admin); err != nil {
		o.wrongf("%s: verify: %v\n%s", what, err, out)
	}
}
