package billing

import (
	"cmp"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/rating/money"
)

// lose records that the n-th sealed file of the closed rig is lost, and removes it
// if that is asked for.
func (r *rig) lose(t *testing.T, n int, remove bool) {
	t.Helper()
	log, _, err := journal.Open(journal.Config{Dir: filepath.Join(r.dir, "journal"), SegmentSize: cmp.Or(r.segment, 1<<20)})
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	var walk FileWalk
	for rec, err := range log.Read(1) {
		if err != nil {
			t.Fatal(err)
		}
		f, named, err := walk.Record(rec)
		if err != nil {
			t.Fatal(err)
		}
		if !named {
			continue
		}
		if n--; n >= 0 {
			continue
		}
		if err := LosePeriod(log, f.End(), f, "a test"); err != nil {
			t.Fatal(err)
		}
		if remove {
			if err := os.Remove(filepath.Join(r.dir, "usage", f.Name)); err != nil {
				t.Fatal(err)
			}
		}
		return
	}
	t.Fatal("no such file")
}

// TestALostPeriodIsPassedOver by every fold, whether its file is there again or not.
// What was settled after it in its month, and recorded, comes out otherwise, and is
// not held against the record; what was settled after the loss is.
func TestALostPeriodIsPassedOver(t *testing.T) {
	for _, remove := range []bool{true, false} {
		r := worked(t, t.TempDir())
		r.close(t)
		r.lose(t, 1, remove)
		r.loseLedger(t)
		r.open(t)
		if got := r.account(t, "a").Balance; got != 300-r.used(t, 120) {
			t.Errorf("balance %d", got)
		}
		r.settle(t, november.Unix()+3*hour, payPerUse(1, 30))
		balance := r.account(t, "a").Balance
		if balance != 300-r.used(t, 150) {
			t.Errorf("balance %d after it", balance)
		}
		found, err := r.Verify(t.Context(), "", func(uint64, uint64) {})
		if err != nil || len(found.Differences) > 0 || len(found.Lost) != 1 || found.Lost[0].Reason != "a test" {
			t.Errorf("%+v, %v", found, err)
		}
		p, err := r.Replay(t.Context(), "a", 202611, "recognition/image-tagging")
		if err != nil || !p.Same || len(p.Hours) != 3 {
			t.Errorf("replay %+v, %v", p, err)
		}
		if head, err := readAll(t, r.backupOf(t, journal.Head{})); err != nil || head != r.log.Head() {
			t.Errorf("a backup without the lost file: %v", err)
		}
		r.close(t)
		r.loseLedger(t)
		r.open(t) // once more
		if got := r.account(t, "a").Balance; got != balance {
			t.Errorf("balance %d, and %d when it was made again", balance, got)
		}
		r.close(t)
	}
}

// used is what so many pay-per-use calls of a month cost, by the book of the tests.
func (r *rig) used(t *testing.T, calls int64) (sum money.Amount) {
	t.Helper()
	tenThousandths := min(calls, 100)*151 + max(calls-100, 0)*107
	return money.Amount((tenThousandths + 50) / 100)
}

// TestALaterResultIsStillCompared: only what the loss may have changed is not.
func TestALaterResultIsStillCompared(t *testing.T) {
	r := worked(t, t.TempDir())
	r.close(t)
	r.lose(t, 1, true)
	r.loseLedger(t)
	r.open(t)
	start := time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC).Unix()
	r.now = start * 1e9
	r.settle(t, start, payPerUse(1, 30))
	bad := settledInput{Input: r.log.Head().Seq + 1, Hash: make([]byte, 32), Rules: rulesVersion}
	r.appendPeriod(t, start+hour, payPerUse(1, 1))
	if err := r.append(inputSettled, bad); err != nil {
		t.Fatal(err)
	}
	r.crash(t)
	r.loseLedger(t)
	if _, err := r.rebuilt(t, filepath.Join(t.TempDir(), "badger")); err == nil || !strings.Contains(err.Error(), "other charges than it did") {
		t.Errorf("a record that does not fit: %v", err)
	}
}

// TestACommandThatNeedsTheLostUsage: a release that came of debt, and was
// acknowledged, does not happen without the usage that made the debt.
func TestACommandThatNeedsTheLostUsage(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	if err := r.SetPolicy(account.Policy{Law: account.Law{Grace: day, Retention: day}, Purchases: 1}); err != nil {
		t.Fatal(err)
	}
	r.must(t, "a", &account.CreateAccount{})
	r.settle(t, november.Unix(), payPerUse(1, 60))
	r.live(t, november.Unix()+10*day)
	r.must(t, "a", &account.AcknowledgeRelease{})
	r.must(t, "a", &account.TopUp{Amount: "2.00", Reference: "r"})
	r.close(t)
	r.lose(t, 0, true)
	made, err := r.rebuilt(t, filepath.Join(t.TempDir(), "badger"))
	if err != nil || len(made.PassedOver) != 1 || !strings.Contains(made.PassedOver[0], "of account a") {
		t.Fatalf("%+v, %v", made.PassedOver, err)
	}
	r.loseLedger(t)
	r.open(t)
	defer func() { r.close(t) }()
	if a := r.account(t, "a"); a.Balance != 200 || a.Released != 0 {
		t.Errorf("%+v", a)
	}
	if found, err := r.Verify(t.Context(), "", func(uint64, uint64) {}); err != nil || len(found.Differences) > 0 {
		t.Errorf("%+v, %v", found, err)
	}
}
