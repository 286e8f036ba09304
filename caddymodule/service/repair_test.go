package service

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tallygate/tallygate/ledger/backup"
	"github.com/tallygate/tallygate/ledger/journal"
)

// broken is a stopped ledger with four sealed periods, to be damaged, and two
// backups of it: a full one after the second period, an increment at the end.
type broken struct {
	t       *testing.T
	config  Config
	backups []string
	balance string
	files   []string // of sealed usage
	tallies string   // a copy of the counters of the last period, before it was sealed
}

func newBroken(t *testing.T) *broken {
	t.Helper()
	dir := t.TempDir()
	b := &broken{t: t, config: testConfig(t, filepath.Join(dir, "ledger")), tallies: filepath.Join(dir, "tally")}
	b.config.Anchor = filepath.Join(dir, "anchor.json")
	s := open(t, b.config)
	k := customer(t, s, "acme", "100.00")
	at := time.Date(2026, 11, 30, 23, 0, 0, 0, zone)
	var since journal.Head
	for n := range 4 {
		call(t, s, k, "recognition/image-tagging", 30+n)
		call(t, s, k, "search/add", 1) // refused
		if n == 3 {
			if err := os.CopyFS(b.tallies, os.DirFS(s.path("tally"))); err != nil {
				t.Fatal(err)
			}
		}
		advance(t, s, at.Add(time.Duration(n)*time.Hour))
		for range 5 {
			customer(t, s, fmt.Sprint("customer-", s.engine.Meta().Accounts), "1.00")
		}
		if n%2 == 1 {
			name := filepath.Join(dir, fmt.Sprint(n, ".backup"))
			since = backUp(t, s, name, since)
			b.backups = append(b.backups, name)
		}
	}
	b.balance = balance(t, s, "acme")
	shut(t, s)
	paths, err := filepath.Glob(s.path("usage/*.usage"))
	if err != nil || len(paths) != 4 {
		t.Fatal(paths, err)
	}
	for _, p := range paths {
		b.files = append(b.files, filepath.Base(p))
	}
	return b
}

// backUp makes a backup and returns where it ends.
func backUp(t *testing.T, s *Service, name string, since journal.Head) journal.Head {
	t.Helper()
	made, err := s.engine.Backup(s.engine.Meta().ID, since)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := errors.Join(made.Write(t.Context(), &out), os.WriteFile(name, out.Bytes(), 0o600)); err != nil {
		t.Fatal(err)
	}
	return s.journal.Head()
}

func (b *broken) path(name string) string { return filepath.Join(b.config.Dir, name) }

func (b *broken) remove(names ...string) {
	b.t.Helper()
	for _, n := range names {
		if err := os.RemoveAll(b.path(n)); err != nil {
			b.t.Fatal(err)
		}
	}
}

// flip changes a byte of a file, counted from the end where at is negative.
func (b *broken) flip(name string, at int) {
	b.t.Helper()
	content, err := os.ReadFile(b.path(name))
	if err != nil {
		b.t.Fatal(err)
	}
	content[(at+len(content))%len(content)] ^= 0x20
	if err := os.WriteFile(b.path(name), content, 0o600); err != nil {
		b.t.Fatal(err)
	}
}

// record is the offset of a record in the journal's only segment.
func (b *broken) record(seq uint64) int {
	b.t.Helper()
	content, err := os.ReadFile(b.path(segment))
	if err != nil {
		b.t.Fatal(err)
	}
	at := -1
	_, err = journal.Salvage(b.path("journal"), journal.Head{}, func(r journal.Record) error {
		if r.Seq == seq {
			at = bytes.Index(content, r.Encoded())
		}
		return nil
	})
	if err != nil || at < 0 {
		b.t.Fatal("no record", seq, err)
	}
	return at
}

const segment = "journal/00000000000000000001.journal"

func (b *broken) repair(change func(*RepairConfig)) (Repaired, error) {
	c := RepairConfig{Dir: b.config.Dir, Anchor: b.config.Anchor, Logger: testLogger(b.t), Progress: func(string, uint64, uint64) {}, Show: func(Plan) {}}
	if change != nil {
		change(&c)
	}
	done, err := Repair(c)
	for _, f := range done.Findings {
		if strings.Contains(f.Problem, readingDir) || strings.Contains(f.Problem, "tallygate-repair-") {
			b.t.Errorf("names a copy that is gone by now: %s", f.Problem)
		}
	}
	return done, err
}

// repaired demands that all is well, and that the gateway serves it.
func (b *broken) repaired(cure string, change func(*RepairConfig)) Repaired {
	b.t.Helper()
	done, err := b.repair(change)
	if err != nil || !done.Done || done.Missing || done.Blocked {
		b.t.Fatalf("%+v, %v", done, err)
	}
	if cure != "" && !slices.ContainsFunc(done.Findings, func(f Finding) bool { return strings.Contains(f.Cure, cure) }) {
		b.t.Errorf("no cure %q: %+v", cure, done.Findings)
	}
	b.serves(b.balance)
	return done
}

// serves opens the ledger and makes all of it again.
func (b *broken) serves(want string) {
	b.t.Helper()
	s := open(b.t, b.config)
	defer shut(b.t, s)
	if got := balance(b.t, s, "acme"); got != want {
		b.t.Errorf("balance %s, want %s", got, want)
	}
	found, err := s.engine.Verify(b.t.Context(), "", func(uint64, uint64) {})
	if err != nil || len(found.Differences) > 0 {
		b.t.Errorf("verified %+v, %v", found, err)
	}
	if _, err := os.Lstat(b.path(readingDir)); err == nil {
		b.t.Error("the copy for reading was left")
	}
}

// blocked demands that nothing is done, and that the way out is told.
func (b *broken) blocked(way string, change func(*RepairConfig)) {
	b.t.Helper()
	before := b.tree()
	done, err := b.repair(change)
	if err != nil || done.Done || !done.Blocked || !done.Missing {
		b.t.Fatalf("%+v, %v", done, err)
	}
	if !slices.ContainsFunc(done.Findings, func(f Finding) bool { return strings.Contains(f.Way, way) }) {
		b.t.Errorf("no way %q: %+v", way, done.Findings)
	}
	if after := b.tree(); after != before {
		b.t.Errorf("blocked, and yet it changed\n%s\nto\n%s", before, after)
	}
}

// tree is every file of the ledger with its content's size and a sum of it.
func (b *broken) tree() string {
	b.t.Helper()
	var all strings.Builder
	err := fs.WalkDir(os.DirFS(b.config.Dir), ".", func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || e.Name() == "LOCK" {
			return err
		}
		content, err := os.ReadFile(b.path(path))
		sum := uint64(0)
		for _, c := range content {
			sum = sum*31 + uint64(c)
		}
		fmt.Fprintln(&all, path, len(content), sum)
		return err
	})
	if err != nil {
		b.t.Fatal(err)
	}
	return all.String()
}

func from(names ...string) func(*RepairConfig) {
	return func(c *RepairConfig) { c.From = names }
}

// TestRepairTheDatabase from what is whole.
func TestRepairTheDatabase(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	before := b.tree()
	if done, err := b.repair(func(c *RepairConfig) { c.DryRun = true }); err != nil || done.Done || len(done.Findings) > 0 || b.tree() != before {
		t.Errorf("a dry run: %+v, %v", done, err)
	}
	done := b.repaired("", nil)
	if len(done.Kept) != 1 || len(done.Findings) != 0 || done.Files != 4 {
		t.Errorf("%+v", done)
	}
	b.remove("badger")
	b.repaired("it is made again", nil)
	tables, _ := filepath.Glob(b.path("badger/MANIFEST"))
	b.flip("badger/"+filepath.Base(tables[0]), 5)
	if s, err := Open(b.config); err == nil {
		shut(t, s)
		t.Error("a damaged database is opened")
	} else if !strings.Contains(err.Error(), "tallygate repair --config") {
		t.Errorf("no way out: %v", err)
	}
	b.repaired("it is made again", nil)
}

// TestRepairSealedFiles from backups, from the hours of the database, and from
// counters that are still there; else the period is given up on purpose.
func TestRepairSealedFiles(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	usage := func(n int) string { return "usage/" + b.files[n] }
	whole, err := os.ReadFile(b.path(usage(1)))
	if err != nil {
		t.Fatal(err)
	}
	b.flip(usage(1), 60)
	b.remove(usage(2))
	done := b.repaired("from the ledger's hours", nil)
	if again, err := os.ReadFile(b.path(usage(1))); err != nil || !bytes.Equal(again, whole) || len(done.Kept) != 2 {
		t.Errorf("the file is not what it was: %v, kept %v", err, done.Kept)
	}

	b.flip(usage(0), 60)
	b.remove("badger", usage(2))
	b.blocked("--without "+b.files[2], nil)
	b.repaired("from the backup", from(b.backups...))

	b.remove("badger", usage(3))
	if err := os.CopyFS(b.path("tally"), os.DirFS(b.tallies)); err != nil && !errors.Is(err, fs.ErrExist) {
		t.Fatal(err)
	}
	b.repaired("from its counters", nil)

	b.remove("badger", usage(1), usage(2))
	b.blocked("--without "+b.files[1], func(c *RepairConfig) { c.Without = b.files[2:3] })
	if _, err := b.repair(func(c *RepairConfig) { c.Without = b.files[3:4] }); err == nil || !strings.Contains(err.Error(), "not missing or damaged") {
		t.Errorf("to go on without what is there: %v", err)
	}
	done, err = b.repair(func(c *RepairConfig) { c.Without = b.files[1:3] })
	if err != nil || !done.Done || !done.Missing || len(done.Rebuilt.Lost) != 2 {
		t.Fatalf("%+v, %v", done, err)
	}
	b.serves("99.20") // 20 calls of November were paid with 0.30, 33 of December with 0.50
	again, err := b.repair(nil)
	if err != nil || !again.Done || again.Missing || len(again.Lost) != 2 {
		t.Errorf("repaired once more: %+v, %v", again, err)
	}
}

// TestRepairTheJournal from backups and what follows them, or up to the damage.
func TestRepairTheJournal(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	early := b.record(6)
	b.flip(segment, early)
	if _, err := Open(b.config); !errors.Is(err, journal.ErrDamaged) || !strings.Contains(err.Error(), "tallygate repair") {
		t.Errorf("opened: %v", err)
	}
	b.blocked("--cut-journal", nil)
	b.repaired("all records up to", from(b.backups[0])) // the rest follows
	done := b.repaired("", nil)                         // it stays so
	if len(done.Findings) > 0 {
		t.Errorf("%+v", done.Findings)
	}

	b.remove(segment)
	b.blocked("give a full backup", nil) // to cut at nothing is not offered, since it is refused
	b.blocked("give a full backup", func(c *RepairConfig) { c.CutJournal = true })
	b.remove("journal")
	b.repairedFrom(b.backups)

	other := newBroken(t)
	b.flip(segment, b.record(6))
	for _, backups := range [][]string{other.backups, {other.backups[0]}} {
		if _, err := b.repair(from(backups...)); !errors.Is(err, backup.ErrForeign) {
			t.Errorf("backups of another ledger: %v", err)
		}
	}
	if _, err := b.repair(from(b.backups[1])); !errors.Is(err, backup.ErrOrder) {
		t.Errorf("an increment alone: %v", err)
	}
	done, err := b.repair(func(c *RepairConfig) { c.CutJournal = true })
	if err != nil || !done.Done || !done.Missing || done.Records != 5 || !done.PastChain {
		t.Fatalf("cut: %+v, %v", done, err)
	}
	if _, err := Open(b.config); !errors.Is(err, journal.ErrBehindAnchor) {
		t.Errorf("behind its anchor: %v", err)
	}
	if kept, err := filepath.Glob(b.path("journal.damaged-*/*.journal")); err != nil || len(kept) == 0 {
		t.Errorf("the cut records are gone: %v", err)
	}
}

// repairedFrom has no journal but what the backups hold, which is all but the last
// stop's records: none.
func (b *broken) repairedFrom(backups []string) {
	b.t.Helper()
	done, err := b.repair(func(c *RepairConfig) { c.From, c.CutJournal = backups, true })
	if err != nil || !done.Done {
		b.t.Fatalf("%+v, %v", done, err)
	}
	if err := os.Remove(b.config.Anchor); err != nil && !errors.Is(err, fs.ErrNotExist) {
		b.t.Fatal(err)
	}
	b.serves(b.balance)
}

// TestRepairAnOlderCopy from backups that are newer.
func TestRepairAnOlderCopy(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	_, _, err := source{dir: b.path("journal"), backups: b.backups}.each(nil, nil)
	if err != nil {
		t.Fatal(err)
	}
	b.remove("")
	if _, err := Restore(b.config.Dir, b.backups[:1], testLogger(t), func(string, uint64, uint64) {}); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(b.config); !errors.Is(err, journal.ErrBehindAnchor) {
		t.Fatalf("an older copy is opened: %v", err)
	}
	b.blocked("--from", nil)
	b.repaired("all records up to", from(b.backups...))

	b.remove("") // and without an anchor only the backups know
	if err := os.Remove(b.config.Anchor); err != nil {
		t.Fatal(err)
	}
	if _, err := Restore(b.config.Dir, b.backups[:1], testLogger(t), noProgress); err != nil {
		t.Fatal(err)
	}
	if done := b.repaired("all records up to", from(b.backups...)); !strings.Contains(done.Findings[0].Problem, "and the backup at") {
		t.Errorf("%+v", done.Findings)
	}
}

// TestRepairCounters that cannot be read: they are moved away on purpose only.
func TestRepairCounters(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	paths, err := filepath.Glob(b.path("tally/*.tally"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	name := filepath.Base(paths[0])
	if err := os.WriteFile(paths[0], bytes.Repeat([]byte{7}, 8192), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, side := range []string{".side0", ".side1"} {
		b.remove("tally/" + strings.TrimSuffix(name, ".tally") + side)
	}
	if s, err := Open(b.config); err == nil {
		shut(t, s)
		t.Error("damaged counters are taken up")
	} else if !strings.Contains(err.Error(), "tallygate repair") {
		t.Errorf("no way out: %v", err)
	}
	b.blocked("--without "+name, nil)
	done, err := b.repair(func(c *RepairConfig) { c.Without = []string{name} })
	if err != nil || !done.Done || !done.Missing {
		t.Fatalf("%+v, %v", done, err)
	}
	b.serves(b.balance)
}

// TestRepairOfARunningGateway is refused.
func TestRepairOfARunningGateway(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	s := open(t, b.config)
	if _, err := b.repair(nil); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("%v", err)
	}
	shut(t, s)
	if _, err := Repair(RepairConfig{Dir: filepath.Join(t.TempDir(), "none")}); err == nil || !strings.Contains(err.Error(), "no ledger at") {
		t.Errorf("%v", err)
	}
}

// TestRepairWithoutExchange is for file systems that cannot exchange two folders,
// killed between any two of the steps: no gateway starts then, and the next repair
// ends it.
func TestRepairWithoutExchange(t *testing.T) {
	b := newBroken(t)
	real := atomicExchange
	defer func() { atomicExchange = real }()
	atomicExchange = func(string, string) error { return syscall.EINVAL }
	b.repaired("", nil)
	for _, state := range []func(){
		func() {},
		func() { b.move("badger", "badger.old") },
		func() { b.move("badger", "badger.old"); b.move("badger.half", "badger") },
	} {
		if err := os.CopyFS(b.path("badger.half"), os.DirFS(b.path("badger"))); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(b.path(exchangeMark), []byte("badger\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		state()
		if _, err := Open(b.config); !errors.Is(err, ErrRepairing) {
			t.Errorf("opened in the middle of an exchange: %v", err)
		}
		b.repaired("", nil)
		b.remove("badger.half", "badger.old", "badger.damaged-before")
	}
}

func (b *broken) move(from, to string) {
	b.t.Helper()
	if err := os.Rename(b.path(from), b.path(to)); err != nil {
		b.t.Fatal(err)
	}
}
