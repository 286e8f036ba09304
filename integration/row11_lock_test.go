package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// refusesWithin is how soon a second process is refused, in the long form.
const refusesWithin = time.Second

// TestRow11SecondProcess starts a second gateway on the ledger of one that
// serves: it is refused at once, names the first, and nobody notices. What a
// killed process leaves behind locks nobody out.
func TestRow11SecondProcess(t *testing.T) {
	t.Parallel()
	row := newRow(t, 11, "second process, stale lock", 3, 100)
	r := newRig(t, harness.Config{Caddyfile: imagesToo}, nil)
	r.start()
	r.open("acme", "100.00")
	c := &customer{site: r.URL(), account: "acme", operation: "recognition/media-tagging", http: connections()}
	defer c.http.CloseIdleConnections()
	calls := 0
	var slowest time.Duration
	for round := range row.rounds {
		for name, path := range r.otherPaths(round) {
			began := time.Now()
			r.refused(row, name, path)
			slowest = max(slowest, time.Since(began))
			if a := c.call(); a.ok() {
				calls++
			} else {
				row.fault(t, "%s: a call of the first gateway: %d %s (%v)", name, a.status, a.body, a.err)
			}
		}
		r.Kill()
		r.staleLock(round)
		r.start()
	}
	if counted := int(r.usage("acme").counted()[c.operation]); counted < calls {
		row.lose(t, calls-counted, "%d calls were answered", calls)
	} else if counted > calls {
		row.double(t, counted-calls, "%d calls were answered", calls)
	}
	row.note("refused within %d ms", slowest.Milliseconds())
	if row.long && slowest > refusesWithin {
		row.fault(t, "the second process ended after %s, want %s at most", slowest, refusesWithin)
	}
	row.end()
}

// otherPaths are ways to the same ledger folder.
func (r *rig) otherPaths(round int) map[string]string {
	r.t.Helper()
	link := filepath.Join(r.t.TempDir(), "link")
	inside := filepath.Join(r.t.TempDir(), "gateway")
	for link, to := range map[string]string{link: filepath.Join(r.Dir, "ledger"), inside: r.Dir} {
		if err := os.Symlink(to, link); err != nil {
			r.t.Fatal(err)
		}
	}
	return map[string]string{
		"the same path":        filepath.Join(r.Dir, "ledger"),
		"a path with detours":  r.Dir + "/ledger/../ledger//.",
		"a link to the folder": link,
		"a link to one above":  filepath.Join(inside, "ledger"),
		"a path of the kernel": fmt.Sprintf("/proc/%d/cwd/ledger", r.PID()),
	}
}

// refused starts a second gateway, with ports and an anchor of its own.
func (r *rig) refused(row *row, name, ledger string) {
	r.t.Helper()
	second := harness.New(r.t, harness.Config{Upstream: r.Upstream, Vars: r.Vars, Files: map[string]string{"pricebook.yaml": rigBook},
		Caddyfile: strings.Replace(imagesToo, "./ledger", ledger, 1)})
	before := r.ledgerFiles()
	err := second.Start()
	if err == nil {
		row.fault(r.t, "%s: a second gateway serves", name)
		second.Kill()
		return
	}
	want := fmt.Sprintf("is open in process %d: stop it first", r.PID())
	if !strings.Contains(err.Error(), want) {
		row.fault(r.t, "%s: refused without %q: %v", name, want, err)
	}
	if after := r.ledgerFiles(); after != before {
		row.fault(r.t, "%s: the ledger folder has other files after a second gateway was refused:\n%s\nbefore:\n%s", name, after, before)
	}
}

// ledgerFiles lists what is in the ledger folder, but for the counters of periods
// that come and go, and for what the database does for itself.
func (r *rig) ledgerFiles() string {
	r.t.Helper()
	var list []string
	for _, pattern := range []string{"*", "journal/*", "usage/*"} {
		names, err := filepath.Glob(filepath.Join(r.Dir, "ledger", pattern))
		if err != nil {
			r.t.Fatal(err)
		}
		list = append(list, names...)
	}
	list = slices.DeleteFunc(list, func(name string) bool { // files that the first one is replacing
		return strings.HasSuffix(name, ".new") || strings.HasSuffix(name, ".tmp")
	})
	return strings.Join(list, "\n")
}

// staleLock writes into the lock file of a killed gateway the id of a process
// that is gone, of one that runs and has nothing to do with it, or nonsense.
func (r *rig) staleLock(round int) {
	r.t.Helper()
	path := filepath.Join(r.Dir, "ledger", "journal", "LOCK")
	if _, err := os.Stat(path); err != nil {
		r.t.Fatalf("a killed gateway leaves its lock file: %v", err)
	}
	text := []string{"", strconv.Itoa(os.Getpid()), "nonsense"}[round%3]
	if text == "" {
		return // as it is
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
}
