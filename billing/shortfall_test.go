package billing

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger/usage"
	"github.com/tallygate/tallygate/rating"
)

// shortRig has settled three hours of November: a whole one, one with damaged
// counters of account 1, and one without a count in which the machine lost power.
func shortRig(t *testing.T) *rig {
	r := openRig(t, t.TempDir(), november)
	r.createMany(t, 2)
	r.now = november.Add(3 * time.Hour).UnixNano()
	r.settle(t, november.Unix(), payPerUse(1, 11), payPerUse(2, 12))
	damaged := account.Shortfall{Damaged: 2, SyncInterval: 100 * time.Millisecond, Accounts: []uint32{1}}
	if err := r.SettleShort(november.Unix()+hour, hour, []account.Count{payPerUse(1, 5), payPerUse(2, 6)}, damaged); err != nil {
		t.Fatal(err)
	}
	power := account.Shortfall{PowerLosses: 1, SyncInterval: 100 * time.Millisecond}
	if err := r.SettleShort(november.Unix()+2*hour, hour, nil, power); err != nil {
		t.Fatal(err)
	}
	return r
}

// note is a statement's notes in its three forms.
func (r *rig) note(t *testing.T, number uint32, month rating.Month) (table, csv, text string) {
	t.Helper()
	s, err := r.Statement(r.numbered(t, number), month)
	if err != nil {
		t.Fatal(err)
	}
	var asTable, asCSV bytes.Buffer
	asJSON, err := json.Marshal(s)
	if err = errors.Join(err, s.WriteTable(&asTable), s.WriteCSV(&asCSV)); err != nil {
		t.Fatal(err)
	}
	return asTable.String(), asCSV.String(), string(asJSON)
}

func TestStatementsNameWhatMayBeMissing(t *testing.T) {
	t.Parallel()
	r := shortRig(t)
	defer func() { r.close(t) }()
	const (
		hurt  = "The counts of 2026-11-01 01:00:00–02:00:00 +00:00 are a lower bound: 2 counters were damaged: calls after their last sync may be missing"
		power = "The counts of 2026-11-01 02:00:00–03:00:00 +00:00 are a lower bound: the machine lost power 1 time: at most the calls of 100ms, and of the sync that ran, are missing"
	)
	check := func(when string) {
		t.Helper()
		for number, hurts := range map[uint32]bool{1: true, 2: false} {
			table, csv, text := r.note(t, number, 202611)
			for form, shown := range map[string]string{"table": table, "CSV": csv} {
				if strings.Contains(shown, hurt) != hurts || !strings.Contains(shown, power) {
					t.Errorf("%s: %s of account %d:\n%s", when, form, number, shown)
				}
			}
			if strings.Contains(text, `"damaged_counters":2`) != hurts || !strings.Contains(text, `"power_losses":1,"sync_interval":"100ms"`) {
				t.Errorf("%s: JSON of account %d: %s", when, number, text)
			}
			if table, _, text := r.note(t, number, 202612); strings.Contains(table+text, "lower") {
				t.Errorf("%s: a month without: %s", when, table)
			}
		}
	}
	check("settled")
	if hurt, err := usage.Open(filepath.Join(r.dir, "usage", "20261101T010000Z-n1.usage")); err != nil || hurt.Info().Header.Damaged != 2 {
		t.Errorf("the sealed file: %+v, %v", hurt.Info().Header, err)
	}
	r.live(t, november.AddDate(0, 1, 0).Unix()) // the month closes
	closed := func() (all string) {
		for n := range uint32(2) {
			table, csv, text := r.note(t, n+1, 202611)
			all += table + csv + text
		}
		return all
	}
	before := closed()
	if !strings.Contains(before, `"closed":true`) {
		t.Error("the month is not closed")
	}
	check("closed")
	r.close(t)
	r.open(t)
	check("opened again")
	r.close(t)
	r.loseLedger(t)
	r.open(t)
	if closed() != before {
		t.Error("refolded, the closed statements are others")
	}
	if v, err := r.Verify(context.Background(), "", func(_, _ uint64) {}); err != nil || len(v.Differences) > 0 {
		t.Errorf("verify: %+v, %v", v, err)
	}
}

// TestReplayNamesWhatMayBeMissing, and verify finds a ledger that does not.
func TestReplayNamesWhatMayBeMissing(t *testing.T) {
	t.Parallel()
	r := shortRig(t)
	defer func() { r.close(t) }()
	replay, err := r.Replay(context.Background(), r.numbered(t, 1), 202611, "recognition/image-tagging")
	if err != nil || !replay.Same || len(replay.Hours) != 2 || replay.Hours[0].LowerBound != "" || !strings.Contains(replay.Hours[1].LowerBound, "2 counters") {
		t.Errorf("%+v, %v", replay, err)
	}
	r.metaLock.Lock()
	r.meta.Shortfalls = r.meta.Shortfalls[1:]
	r.metaLock.Unlock()
	v, err := r.Verify(context.Background(), "", func(_, _ uint64) {})
	if err != nil || len(v.Differences) != 1 || !strings.Contains(v.Differences[0].What, "lower bound") {
		t.Errorf("verify of a ledger that forgot one: %+v, %v", v, err)
	}
}

// A crash between journal and ledger folds the period again, and notes it once.
func TestShortfallIsNotedOnce(t *testing.T) {
	t.Parallel()
	r := shortRig(t)
	want := r.Meta().Shortfalls
	in, err := r.seal(november.Unix()+3*hour, hour, []account.Count{payPerUse(2, 1)}, account.Shortfall{Damaged: 1})
	if err == nil {
		err = r.append(inputPeriod, in)
	}
	if err = errors.Join(err, r.Flush()); err != nil { // with the period pending: the next start folds it again
		t.Fatal(err)
	}
	r.crash(t)
	for range 2 {
		r.open(t)
		have := r.Meta().Shortfalls
		if len(have) != len(want)+1 || shown(have[:len(want)]) != shown(want) || have[len(want)].Accounts != nil {
			t.Errorf("%s, want %s and one more", shown(have), shown(want))
		}
		stored, err := r.store.Meta()
		if err != nil || len(stored.Shortfalls) < len(want) {
			t.Errorf("the ledger has %s, %v", shown(stored.Shortfalls), err)
		}
		r.crash(t)
	}
}
