package billing

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/backup"
	"github.com/tallygate/tallygate/ledger/badgerstore"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/ledger/usage"
)

// backupOf is a backup since a head.
func (r *rig) backupOf(t tester, since journal.Head) []byte {
	t.Helper()
	b, err := r.Backup(r.Meta().ID, since)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := b.Write(ctx, &out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

var ctx = context.Background()

func readAll(t tester, backups ...[]byte) (journal.Head, error) {
	t.Helper()
	var chain backup.Chain
	for _, b := range backups {
		if _, _, err := ReadBackup(bytes.NewReader(b), &chain, BackupVisitor{}); err != nil {
			return chain.Head().Journal(), err
		}
	}
	return chain.Head().Journal(), nil
}

// worked is a rig with two accounts, keys and three sealed periods.
func worked(t tester, dir string) *rig {
	r := openRig(t, dir, november)
	for _, id := range []string{"a", "b"} {
		r.must(t, id, &account.CreateAccount{CreditLimit: "100.00"})
		cmd, _ := addKey("secret of " + id)
		r.must(t, id, cmd)
	}
	for n := range int64(3) {
		r.settle(t, november.Unix()+n*hour, payPerUse(1, 60), payPerUse(2, 7),
			account.Count{Line: account.Line{Operation: 1, Kind: account.Unauthenticated}, Calls: 5},
			account.Count{Line: account.Line{Account: 2, Operation: 1, Kind: account.FailedStatus}, Calls: 2})
		r.must(t, "a", &account.TopUp{Amount: "1.00", Reference: fmt.Sprint(n)})
	}
	return r
}

// TestBackupAndIncrements: cut or changed anywhere, and in any wrong order, they are
// refused.
func TestBackupAndIncrements(t *testing.T) {
	r := worked(t, t.TempDir())
	defer func() { r.close(t) }()
	full := r.backupOf(t, journal.Head{})
	first, err := readAll(t, full)
	if err != nil || first != r.log.Head() {
		t.Fatalf("it ends at %d, want %d, %v", first.Seq, r.log.Head().Seq, err)
	}
	r.settle(t, november.Unix()+3*hour, payPerUse(1, 1))
	one := r.backupOf(t, first)
	second, err := readAll(t, full, one)
	if err != nil || second != r.log.Head() {
		t.Fatal(second, err)
	}
	none := r.backupOf(t, second) // nothing happened
	if head, err := readAll(t, full, one, none, none); err != nil || head != second {
		t.Error(head, err)
	}
	for _, b := range [][]byte{full, one, none} {
		for cut := range len(b) {
			if _, _, err := ReadBackup(bytes.NewReader(b[:cut]), nil, BackupVisitor{}); !errors.Is(err, backup.ErrNotWhole) {
				t.Fatalf("cut at %d of %d: %v", cut, len(b), err)
			}
			changed := bytes.Clone(b)
			changed[cut] ^= 1 << (cut % 8)
			if _, _, err := ReadBackup(bytes.NewReader(changed), nil, BackupVisitor{}); err == nil {
				t.Fatalf("changed at %d of %d: it is taken for whole", cut, len(b))
			}
		}
		if _, err := readAll(t, append(bytes.Clone(b), 0)); err == nil {
			t.Error("one with a byte more is taken for whole")
		}
	}
	for _, c := range []struct {
		want    error
		backups [][]byte
	}{
		{backup.ErrOrder, [][]byte{one}},
		{backup.ErrOrder, [][]byte{full, one, one}},
		{backup.ErrOrder, [][]byte{full, none}},
		{backup.ErrOrder, [][]byte{full, full}},
	} {
		if _, err := readAll(t, c.backups...); !errors.Is(err, c.want) {
			t.Errorf("%v, want %v", err, c.want)
		}
	}
	if bytes.Contains(full, []byte("secret of")) {
		t.Error("an API key is in the backup")
	}
}

// TestBackupOfAnotherHistory: an increment is only made since a backup of this very
// journal, and only read after one.
func TestBackupOfAnotherHistory(t *testing.T) {
	r, other := worked(t, t.TempDir()), worked(t, t.TempDir())
	defer func() { r.close(t); other.close(t) }()
	head := r.log.Head()
	for _, since := range []struct {
		id   string
		head journal.Head
	}{
		{other.Meta().ID, head},
		{r.Meta().ID, journal.Head{Seq: head.Seq + 1, Hash: head.Hash}},
		{r.Meta().ID, journal.Head{Seq: head.Seq - 1, Hash: head.Hash}},
	} {
		_, err := r.Backup(since.id, since.head)
		if no := new(account.Error); !errors.As(err, &no) || !strings.Contains(err.Error(), "make a full backup") {
			t.Errorf("since %+v: %v", since.head, err)
		}
	}
	if _, err := readAll(t, r.backupOf(t, journal.Head{}), other.backupOf(t, other.log.Head())); !errors.Is(err, backup.ErrForeign) {
		t.Errorf("an increment of another ledger: %v", err)
	}
}

// TestBackupStopsAtADamagedFile, and names it, also to who reads it. So does verify.
func TestBackupStopsAtADamagedFile(t *testing.T) {
	r := worked(t, t.TempDir())
	defer func() { r.close(t) }()
	paths, _ := filepath.Glob(filepath.Join(r.dir, "usage", "*.usage"))
	whole, err := os.ReadFile(paths[1])
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"changed": append(bytes.Clone(whole[:len(whole)-1]), whole[len(whole)-1]^1), "cut": whole[:40], "gone": nil} {
		os.Remove(paths[1])
		if content != nil {
			if err := os.WriteFile(paths[1], content, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		b, err := r.Backup("", journal.Head{})
		if err != nil {
			t.Fatal(err)
		}
		var out bytes.Buffer
		err = b.Write(ctx, &out)
		_, read := readAll(t, out.Bytes())
		_, verified := r.Verify(ctx, "", func(uint64, uint64) {})
		for _, err := range []error{err, read, verified} {
			if err == nil || !strings.Contains(err.Error(), filepath.Base(paths[1])) || !strings.Contains(err.Error(), "tallygate repair") {
				t.Errorf("%s: %v", name, err)
			}
		}
		if !errors.Is(read, backup.ErrBrokenOff) {
			t.Errorf("%s: read: %v", name, read)
		}
	}
}

// rebuilt folds the journal of the closed rig into a store of its own.
func (r *rig) rebuilt(t tester, dir string) (Rebuilt, error) {
	t.Helper()
	store, err := badgerstore.Open(badgerstore.Config{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	return r.rebuiltInto(t, store)
}

func (r *rig) rebuiltInto(t tester, store ledger.Store) (Rebuilt, error) {
	t.Helper()
	log, _, err := journal.Open(journal.Config{Dir: filepath.Join(r.dir, "journal"), SegmentSize: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	before := log.Head()
	made, err := Rebuild(RebuildConfig{Store: store, Journal: log, UsageDir: filepath.Join(r.dir, "usage"), ZoneOf: time.LoadLocation})
	if log.Head() != before {
		t.Error("a rebuild appends to the journal")
	}
	return made, err
}

// TestRebuild folds all of it, and into an empty store only.
func TestRebuild(t *testing.T) {
	r := worked(t, t.TempDir())
	meta := r.Meta()
	r.close(t)
	store, err := badgerstore.Open(badgerstore.Config{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	full := gate{Store: store}
	full.set(func(ledger.Step) error { return ledger.ErrNoSpace })
	if _, err := r.rebuiltInto(t, &full); !errors.Is(err, ledger.ErrNoSpace) {
		t.Errorf("on a full disk: %v", err)
	}
	dir := filepath.Join(t.TempDir(), "badger")
	made, err := r.rebuilt(t, dir)
	if err != nil || made.Meta.ID != meta.ID || made.Meta.Accounts != 2 || made.Meta.Folded != made.Head.Seq || made.Records != made.Head.Seq {
		t.Errorf("%+v, %v", made, err)
	}
	if _, err := r.rebuilt(t, dir); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("into a ledger that is there: %v", err)
	}
}

// TestRemake: the hours of the ledger have every line of a sealed file, those of
// nobody and those that were not billed too.
func TestRemake(t *testing.T) {
	r := worked(t, t.TempDir())
	defer func() { r.close(t) }()
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	var walk FileWalk
	files := 0
	for rec, err := range r.log.Read(1) {
		if err != nil {
			t.Fatal(err)
		}
		f, named, err := walk.Record(rec)
		if err != nil || !named {
			continue
		}
		files++
		want, err := os.ReadFile(filepath.Join(r.dir, "usage", f.Name))
		if err != nil {
			t.Fatal(err)
		}
		if got, err := RemakeFromLedger(r.store, f); err != nil || !bytes.Equal(got, want) || usage.Hash(got) != f.Hash {
			t.Errorf("%s: %v", f.Name, err)
		}
		if _, err := Remake(f, []account.Count{payPerUse(1, 59)}); err == nil {
			t.Errorf("%s: other rows are taken", f.Name)
		}
	}
	if files != 3 || walk.ledger.ID != r.Meta().ID {
		t.Errorf("%d files of ledger %s", files, walk.ledger.ID)
	}
}
