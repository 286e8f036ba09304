package billing

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/rating"
)

// inputLost says that the usage of a sealed period is gone for good, which an
// operator accepted: every fold from then on passes over that period.
const inputLost = "lost"

type lostInput struct {
	Period uint64 `json:"period"` // its sequence
	Start  int64  `json:"start"`  // Unix seconds
	Length int64  `json:"length"`
	File   string `json:"file"`
	Reason string `json:"reason"`
}

// Lost is a period whose usage is gone.
type Lost struct {
	Period uint64    `json:"period"` // its sequence in the journal
	Input  uint64    `json:"input"`  // of the record that says so
	Start  time.Time `json:"start"`
	End    time.Time `json:"end"`
	File   string    `json:"file"`
	Reason string    `json:"reason"`
}

// lostPeriods finds in the journal, from a record on, what is lost, by the
// sequence of the period. A fold must know of it before it comes there.
func lostPeriods(j *journal.Journal, from uint64) (map[uint64]Lost, error) {
	lost := map[uint64]Lost{}
	for rec, err := range j.Read(from) {
		if err != nil {
			return nil, fmt.Errorf("reading the journal: %w", err)
		}
		if err := noteLost(lost, rec); err != nil {
			return nil, err
		}
	}
	return lost, nil
}

func noteLost(lost map[uint64]Lost, rec journal.Record) error {
	if rec.Kind != inputLost {
		return nil
	}
	in, err := decode[lostInput](rec.Seq, rec.Payload)
	if err != nil {
		return err
	}
	lost[in.Period] = Lost{Period: in.Period, Input: rec.Seq, Start: time.Unix(in.Start, 0).UTC(),
		End: time.Unix(in.Start+in.Length, 0).UTC(), File: in.File, Reason: in.Reason}
	return nil
}

// afterLoss reports whether a period was settled with usage of its month that is
// passed over now: what it gave then cannot come out again (D12).
func (e *Engine) afterLoss(p *sealedPeriod) bool {
	for _, l := range e.lost {
		month := uint32(rating.MonthOf(l.Start.Unix(), e.Zone))
		if l.Period < p.seq && p.seq < l.Input && month == p.period.Month {
			return true
		}
	}
	return false
}

// judgedWithLost reports whether a record was accepted while usage counted that
// is passed over now: its account may be in a state that refuses it.
func (e *Engine) judgedWithLost(seq uint64) bool {
	for _, l := range e.lost {
		if l.Period < seq && seq < l.Input {
			return true
		}
	}
	return false
}

func sortedLost(lost map[uint64]Lost) []Lost {
	list := []Lost{}
	for _, seq := range slices.Sorted(maps.Keys(lost)) {
		list = append(list, lost[seq])
	}
	return list
}
