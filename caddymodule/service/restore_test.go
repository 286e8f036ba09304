package service

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/ledger/journal"
)

func noProgress(string, uint64, uint64) {}

// TestRestore makes a folder that the gateway serves as it was, test clock included.
func TestRestore(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	s := open(t, b.config)
	now := s.Now()
	shut(t, s)
	folder := filepath.Join(t.TempDir(), "restored")
	left := folder + ".restoring" // by one that was killed
	if err := os.MkdirAll(filepath.Join(left, "usage", "half"), 0o700); err != nil {
		t.Fatal(err)
	}
	made, err := Restore(folder, b.backups, testLogger(t), noProgress)
	if err != nil || made.Files != 4 || made.Records != made.Head.Seq || made.Ledger.Meta.Accounts != 21 {
		t.Fatalf("%+v, %v", made, err)
	}
	if entries, err := os.ReadDir(filepath.Dir(folder)); err != nil || len(entries) != 1 {
		t.Errorf("beside it: %v, %v", entries, err)
	}
	if _, err := os.Stat(filepath.Join(folder, "secret")); err == nil {
		t.Error("the key of refusal ids was in the backup")
	}
	b.config.Dir = folder
	if err := os.Remove(b.config.Anchor); err != nil {
		t.Fatal(err)
	}
	b.serves(b.balance)
	s = open(t, b.config)
	if s.Now().After(now) || now.Sub(s.Now()).Hours() > 1 {
		t.Errorf("its clock stands at %s, that of the other at %s", s.Now(), now)
	}
}

// TestRestoreRefuses and leaves nothing.
func TestRestoreRefuses(t *testing.T) {
	t.Parallel()
	b := newBroken(t)
	whole, err := os.ReadFile(b.backups[0])
	if err != nil {
		t.Fatal(err)
	}
	cut := filepath.Join(t.TempDir(), "cut.backup")
	if err := os.WriteFile(cut, whole[:len(whole)-32], 0o600); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(t.TempDir(), "restored")
	for says, files := range map[string][]string{
		"it ends there":         {cut},
		"the full backup first": {b.backups[1]},
		"no such file":          {filepath.Join(folder, "none")},
		"one full backup":       {b.backups[0], b.backups[0]},
	} {
		_, err := Restore(folder, files, testLogger(t), noProgress)
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v: %v", files, err)
		}
		if entries, err := os.ReadDir(filepath.Dir(folder)); err != nil || len(entries) > 0 {
			t.Errorf("%v left %v, %v", files, entries, err)
		}
	}
	if _, err := Restore(b.config.Dir, b.backups, testLogger(t), noProgress); err == nil || !strings.Contains(err.Error(), "is not empty") {
		t.Errorf("over a ledger: %v", err)
	}
	lock, err := journal.TakeLock(filepath.Join(folder+".restoring", "journal"))
	if err != nil {
		t.Fatal(err)
	}
	defer lock.Release()
	if _, err := Restore(folder, b.backups, testLogger(t), noProgress); !errors.Is(err, journal.ErrLocked) {
		t.Errorf("beside another restore: %v", err)
	}
}
