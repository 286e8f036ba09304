package service

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/durable"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/journal"
)

// RepairConfig says what to repair and what may be given up for it.
type RepairConfig struct {
	Dir        string
	Anchor     string
	From       []string // backups: a full one and increments of it
	Without    []string // names of sealed files and counters to go on without
	CutJournal bool     // go on without what follows damage of the journal
	DryRun     bool     // only look
	Logger     *slog.Logger
	Progress   Progress
	Show       func(Plan) // told what was found before anything is touched
}

// Finding is something that is missing or damaged.
type Finding struct {
	What    string `json:"what"`           // a file below the ledger's folder
	Problem string `json:"problem"`        // what is wrong with it
	Cure    string `json:"cure,omitempty"` // what will be done, "" = it cannot be had
	Way     string `json:"way,omitempty"`  // what the operator can do
	Lost    bool   `json:"lost"`           // something stays missing, cured or not
}

// Plan is what was found and will be done.
type Plan struct {
	Dir      string         `json:"ledger"`
	Findings []Finding      `json:"findings"`
	Journal  journal.Head   `json:"-"` // where the journal will end
	Records  uint64         `json:"records"`
	Files    int            `json:"files"` // sealed files that the journal names
	Lost     []billing.Lost `json:"lost"`  // that an earlier repair passed over
	Blocked  bool           `json:"blocked"`
}

// Repaired is what a repair did.
type Repaired struct {
	Plan
	Done      bool            `json:"done"` // false: blocked, or only looked
	Rebuilt   billing.Rebuilt `json:"-"`
	Dropped   []Dropped       `json:"dropped,omitempty"` // calls that the ledger can no longer take, since their accounts were cut off
	Kept      []string        `json:"kept"`              // what was replaced or moved away, for the operator to remove
	Missing   bool            `json:"missing"`
	PastChain bool            `json:"anchor_behind"` // the anchor knows more than the journal has now
}

// repairMark stands in the folder while it is between two states, neither of which
// a gateway could go on with.
const repairMark = "repairing"

// ErrRepairing: a repair was broken off.
var ErrRepairing = errors.New("a repair of this ledger is under way or was broken off: wait for it, or run the same tallygate repair again")

func checkRepaired(dir string) error {
	for _, mark := range []string{repairMark, exchangeMark} {
		if _, err := os.Lstat(filepath.Join(dir, mark)); err == nil {
			return ErrRepairing
		}
	}
	return nil
}

// Repair makes the database of a ledger again from journal and sealed files, after
// it restored of those what can be restored. It takes the folder's lock; the error
// is journal.ErrLocked where a gateway runs. Nothing is changed before Show, and
// nothing that is damaged is thrown away: it is kept beside.
func Repair(c RepairConfig) (done Repaired, err error) {
	if _, err := os.Stat(filepath.Join(c.Dir, "journal")); err != nil {
		if err := finishExchange(c.Dir); err != nil {
			return done, err
		}
	}
	if _, err := os.Stat(filepath.Join(c.Dir, "journal")); err != nil && len(c.From) == 0 {
		return done, fmt.Errorf("no ledger at %s: %w; if its journal is lost, give a backup with --from", c.Dir, err)
	}
	lock, err := journal.TakeLock(filepath.Join(c.Dir, "journal"))
	if err != nil {
		return done, err
	}
	r := &repair{RepairConfig: c, lock: lock, stamp: time.Now().UTC().Format("20060102T150405Z")}
	r.plan.Findings = []Finding{}
	defer func() { err = errors.Join(err, r.end()) }()
	if err := finishExchange(c.Dir); err != nil {
		return done, err
	}
	if err := r.look(); err != nil {
		return done, err
	}
	done.Plan = r.plan
	for _, f := range r.plan.Findings {
		done.Missing = done.Missing || f.Lost
	}
	c.Show(r.plan)
	if c.DryRun || r.plan.Blocked {
		return done, nil
	}
	if done.Rebuilt, err = r.act(); err != nil {
		return done, err
	}
	done.Done, done.Kept, done.PastChain = true, r.kept, r.anchored.Seq > r.plan.Journal.Seq
	done.Dropped, done.Missing = r.dropped, done.Missing || len(r.dropped) > 0
	return done, nil
}

// repair is one run.
type repair struct {
	RepairConfig
	lock  *journal.Lock // of the journal's folder
	stamp string        // names what is kept
	kept  []string
	plan  Plan

	dropped []Dropped

	old      *oldLedger // the database as it was found; nil where it cannot be read
	anchored journal.Head
	source   source // of the records
	replace  bool   // the journal is written anew from source
	cures    []cure // sealed files to be written
	losses   []billing.NamedFile
	away     []string // counters to be moved away
}

func (r *repair) path(name string) string { return filepath.Join(r.Dir, name) }

func (r *repair) end() error {
	var err error
	if r.old != nil {
		err = r.old.close()
	}
	for _, name := range []string{readingDir, "badger.new", "journal.new"} { // of what failed, too
		err = errors.Join(err, os.RemoveAll(r.path(name)))
	}
	return errors.Join(err, r.lock.Release())
}

func (r *repair) find(f Finding) {
	f.Problem = strings.NewReplacer(": "+ledger.WayOut, "", "; or "+ledger.WayOut, "", // this is it
		r.path(readingDir), r.path("badger")).Replace(f.Problem)
	r.plan.Findings = append(r.plan.Findings, f)
	r.plan.Blocked = r.plan.Blocked || f.Cure == "" && f.Lost
}

// act does what the plan says. It can be killed anywhere: what it did stays done,
// and the next run finds less to do.
func (r *repair) act() (made billing.Rebuilt, err error) {
	for _, c := range r.cures {
		if err := r.cure(c); err != nil {
			return made, err
		}
	}
	if r.replace || len(r.losses) > 0 {
		if err := r.mark(); err != nil {
			return made, err
		}
	}
	if r.replace {
		if err := r.replaceJournal(); err != nil {
			return made, err
		}
	}
	if made, err = r.fold(); err != nil {
		return made, err
	}
	if err := r.fitCounters(); err != nil {
		return made, err
	}
	if err := r.swap("badger"); err != nil {
		return made, err
	}
	for _, name := range r.away {
		if err := r.moveAway(name); err != nil {
			return made, err
		}
	}
	failpoint.Hit("repair/swapped")
	if err := os.Remove(r.path(repairMark)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return made, err
	}
	return made, durable.SyncDir(r.Dir)
}

func (r *repair) mark() error {
	if err := durable.Replace(r.path(repairMark), []byte("a repair is under way, or was broken off\n")); err != nil {
		return err
	}
	failpoint.Hit("repair/marked")
	return durable.SyncDir(r.Dir)
}

// fold records what is lost, and makes badger.new.
func (r *repair) fold() (made billing.Rebuilt, err error) {
	if err := os.RemoveAll(r.path("badger.new")); err != nil {
		return made, err
	}
	j, _, err := journal.Open(journal.Config{Dir: r.path("journal"), Lock: r.lock})
	if err != nil {
		return made, err
	}
	defer func() { err = errors.Join(err, j.Close()) }()
	for _, f := range r.losses {
		if err := billing.LosePeriod(j, f.End(), f, "accepted with --without"); err != nil {
			return made, err
		}
		failpoint.Hit("repair/lost")
	}
	return rebuild(r.path("badger.new"), r.path("usage"), j, r.Logger, r.Progress)
}
