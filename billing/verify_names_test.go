package billing

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/journal"
)

// TestVerifyFindsEachKindOfDifference: one at a time is put into the ledger behind
// the engine's back.
func TestVerifyFindsEachKindOfDifference(t *testing.T) {
	r := worked(t, t.TempDir())
	defer func() { r.close(t) }()
	if _, err := r.Do(Request{Key: "once", Account: "a", Command: &account.TopUp{Amount: "1.00", Reference: "k"}}); err != nil {
		t.Fatal(err)
	}
	r.must(t, "a", &account.Subscribe{Instance: "i", Row: "small", Months: 1, Trial: true})
	r.must(t, "b", &account.RevokeKey{Key: "k"})
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	same := func() Verification {
		t.Helper()
		found, err := r.Verify(t.Context(), "", func(uint64, uint64) {})
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if found := same(); len(found.Differences) > 0 || found.Accounts != 2 || found.Files != 3 {
		t.Fatalf("%+v", found)
	}
	owned, revoked := sha256.Sum256([]byte("secret of a")), sha256.Sum256([]byte("secret of b"))
	key := sha256.Sum256([]byte("once"))
	answer, err := r.store.Answer(key)
	if err != nil {
		t.Fatal(err)
	}
	other := answer
	other.JSON = []byte(`{"balance":"1000000.00"}`)
	trial, err := r.store.Trial("a")
	if err != nil {
		t.Fatal(err)
	}
	meta, err := r.store.Meta()
	if err != nil {
		t.Fatal(err)
	}
	changed := meta
	changed.Settled++
	books, err := r.store.PriceBooks()
	if err != nil {
		t.Fatal(err)
	}
	later := books[0]
	later.From++
	for what, steps := range map[string][2]ledger.Step{
		"number of account a":   {{Accounts: map[string]uint32{"a": 2}}, {Accounts: map[string]uint32{"a": 1}}},
		"owner of the key":      {{Keys: map[[32]byte]uint32{owned: 2}}, {Keys: map[[32]byte]uint32{owned: 1}}},
		"owner of the key ":     {{Keys: map[[32]byte]uint32{owned: 0}}, {Keys: map[[32]byte]uint32{owned: 1}}},
		"owner of the key  ":    {{Keys: map[[32]byte]uint32{revoked: 2}}, {Keys: map[[32]byte]uint32{revoked: 0}}},
		"answer to":             {{Answers: []ledger.Answer{other}}, {Answers: []ledger.Answer{answer}}},
		"trial of customer a":   {{Trials: map[string]ledger.Trial{"a": {Account: 2, Input: 1}}}, {Trials: map[string]ledger.Trial{"a": trial}}},
		"the whole ledger":      {{Meta: &changed}, {Meta: &meta}},
		"price book of record ": {{Books: []ledger.PriceBook{later}}, {Books: books[:1]}},
	} {
		if err := r.store.Commit(steps[0]); err != nil {
			t.Fatal(err)
		}
		found := same()
		if len(found.Differences) != 1 || !strings.Contains(found.Differences[0].What, strings.TrimSpace(what)) {
			t.Errorf("%s: %+v", what, found.Differences)
		}
		if err := r.store.Commit(steps[1]); err != nil {
			t.Fatal(err)
		}
	}
	if found := same(); len(found.Differences) > 0 {
		t.Errorf("afterwards: %+v", found.Differences)
	}
}

// TestVerifyReadsTheWholeJournal, also what no fold needs any more.
func TestVerifyReadsTheWholeJournal(t *testing.T) {
	r := worked(t, t.TempDir())
	defer func() { r.close(t) }()
	path := filepath.Join(r.dir, "journal", "00000000000000000001.journal")
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for range 20 {
		at := rand.IntN(len(bytes.TrimRight(content, "\x00")))
		changed := bytes.Clone(content)
		changed[at] ^= 4
		if err := os.WriteFile(path, changed, 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := r.Verify(t.Context(), "", func(uint64, uint64) {}); !errors.Is(err, journal.ErrDamaged) {
			t.Errorf("byte %d changed: %v", at, err)
		}
	}
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// TestANumberThatIsUsedUp by an account that was not opened is no difference.
func TestANumberThatIsUsedUp(t *testing.T) {
	r := worked(t, t.TempDir())
	defer func() { r.close(t) }()
	room := blockBytes
	blockBytes = 1
	_, err := r.Do(Request{Account: "c", Command: &account.CreateAccount{}})
	blockBytes = room
	if err == nil || r.Meta().Accounts != 3 {
		t.Fatalf("%d numbers are used, %v", r.Meta().Accounts, err)
	}
	for accounts := 2; accounts < 4; accounts++ {
		r.must(t, "a", &account.TopUp{Amount: "1.00", Reference: "r"}) // the ledger hears of the number
		if found, err := r.Verify(t.Context(), "", func(uint64, uint64) {}); err != nil || len(found.Differences) > 0 || found.Accounts != accounts {
			t.Errorf("%+v, %v", found, err)
		}
		r.must(t, fmt.Sprint("d", accounts), &account.CreateAccount{})
	}
}
