package billing

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/ledger/usage"
)

// NamedFile is a sealed file as the journal names it.
type NamedFile struct {
	Period uint64 // sequence of the record that names it
	Name   string
	Hash   [32]byte
	Start  int64 // Unix seconds
	Length int64 // seconds

	operations []string // as registered then
}

// End is where its period ends.
func (f NamedFile) End() time.Time { return time.Unix(f.Start+f.Length, 0).UTC() }

// Check reads the file in a folder and holds it against the journal.
func (f NamedFile) Check(dir string) error {
	_, err := sealedContent(dir, periodInput{File: f.Name, Hash: f.Hash[:]})
	return err
}

// FileWalk finds the sealed files that a journal names. Give it all records, in
// order.
type FileWalk struct {
	operations []string
	lost       map[uint64]Lost
	ledger     ledgerInput
}

// Record takes the next record. Named is false where it names no file.
func (w *FileWalk) Record(rec journal.Record) (f NamedFile, named bool, err error) {
	switch rec.Kind {
	case inputLedger:
		w.ledger, err = decode[ledgerInput](rec.Seq, rec.Payload)
	case inputOperations:
		var in operationsInput
		if in, err = decode[operationsInput](rec.Seq, rec.Payload); err == nil {
			e := &Engine{meta: ledger.Meta{Operations: w.operations}}
			e.register(in.Names)
			w.operations = e.meta.Operations
		}
	case inputPeriod:
		var in periodInput
		if in, err = decode[periodInput](rec.Seq, rec.Payload); err == nil && in.File != "" {
			return NamedFile{Period: rec.Seq, Name: in.File, Hash: [32]byte(in.Hash), Start: in.Start, Length: in.Length, operations: w.operations}, true, nil
		}
	case inputLost:
		if w.lost == nil {
			w.lost = map[uint64]Lost{}
		}
		err = noteLost(w.lost, rec)
	}
	return NamedFile{}, false, err
}

// Lost are the periods that the records say are lost.
func (w *FileWalk) Lost() []Lost { return sortedLost(w.lost) }

// RemakeFromLedger makes a sealed file again from the hours of a ledger, which
// have every line of it. It is returned only with the very hash that the journal
// names.
func RemakeFromLedger(store ledger.Store, f NamedFile) ([]byte, error) {
	meta, err := store.Meta()
	if err != nil {
		return nil, err
	}
	var rows []account.Count
	for n := range ledger.BlockOf(meta.Accounts) + 1 {
		for h, err := range store.Hours(n, f.Start, f.Start+1) {
			if err != nil {
				return nil, err
			}
			for _, c := range h.Charges {
				rows = append(rows, c.Count)
			}
		}
	}
	return Remake(f, rows)
}

// Remake makes a sealed file again from its rows, see RemakeFromLedger.
func Remake(f NamedFile, rows []account.Count) ([]byte, error) {
	node, ok := strings.CutSuffix(f.Name, ".usage")
	if _, after, found := strings.Cut(node, "-"); ok && found {
		node = after
	}
	h := usage.Header{Node: node, Start: f.Start, Length: f.Length, Operations: slices.Clone(f.operations)}
	content, info, err := usage.Encode(h, rows)
	if err != nil {
		return nil, err
	}
	if info.Hash != f.Hash {
		return nil, fmt.Errorf("%d lines are known of it, which give another file", info.Sum.Lines)
	}
	return content, nil
}

// LosePeriod records that the usage of a period is gone. The journal's later
// records are as they were; folds from now on pass over the period.
func LosePeriod(j *journal.Journal, at time.Time, f NamedFile, reason string) error {
	payload, err := json.Marshal(lostInput{Period: f.Period, Start: f.Start, Length: f.Length, File: f.Name, Reason: reason})
	if err != nil {
		return err
	}
	pending, err := j.Append(at.UnixNano(), inputLost, payload)
	if err == nil {
		_, err = pending.Wait()
	}
	return err
}
