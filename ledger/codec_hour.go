package ledger

import (
	"fmt"
	"slices"

	"github.com/tallygate/tallygate/account"
)

func subjectOfHour(block uint32, start int64) subject {
	return subjectOf('h', uint64(block), uint64(start))
}

// AppendHour encodes what a block used in a period.
func AppendHour(dst []byte, h BlockHour) []byte {
	return subjectOfHour(h.Block, h.Start).encode(dst, h.walk)
}

// DecodeHour decodes the value of a block and a period's start, or ErrDamaged.
func DecodeHour(block uint32, start int64, value []byte) (BlockHour, error) {
	h := BlockHour{Block: block, Start: start}
	if err := subjectOfHour(block, start).decode(value, h.walk); err != nil {
		return BlockHour{}, fmt.Errorf("block %d, period %d: %w", block, start, err)
	}
	return h, nil
}

func (h *BlockHour) walk(c *coder) {
	signed(c, &h.Length)
	c.uint(&h.Input)
	w := lineWalk{coder: c, account: h.Block * BlockSize}
	w.columns = w.few[:0]
	list(c, &h.Charges, w.charge)
}

// column is what the lines of many accounts have in common.
type column struct {
	operation uint16
	kind      account.Kind
	observed  bool
	ref       uint32
}

// lineWalk visits lines in order. A line is written as
//
//	head | account, where it is neither the last one nor the next
//	     | column, where it is new | calls | amount, where it is not zero
//
// The head's lowest two bits are the step from the last account, or farStep;
// bit 2 says that there is an amount; the rest is the number of the column, in
// order of first appearance. Most lines are 2 to 5 bytes.
type lineWalk struct {
	*coder
	account uint32
	columns []column
	few     [fewColumns]column
	known   map[column]uint64 // column → its number, when encoding more than a few
}

// fewColumns are found as fast one by one as by hash, and most hours have fewer.
const fewColumns = 8

const (
	farStep   = 3
	hasAmount = 1 << 2
	headBits  = 3
)

func (w *lineWalk) charge(charge *account.Charge) {
	head := w.head(charge)
	w.uint(&head)
	if step := head & farStep; step == farStep {
		near(w.coder, &charge.Account, &w.account)
	} else if w.decoding {
		w.account += uint32(step)
		charge.Account = w.account
	} else {
		w.account = charge.Account
	}
	w.column(charge, head>>headBits)
	w.uint(&charge.Calls)
	if head&hasAmount != 0 {
		signed(w.coder, &charge.Amount)
	}
}

// head says how a line is about to be written; of a line not yet read, nothing.
func (w *lineWalk) head(charge *account.Charge) uint64 {
	if w.decoding {
		return 0
	}
	step := uint64(charge.Account - w.account) // wraps where it goes back
	head := min(step, farStep)
	if charge.Amount != 0 {
		head |= hasAmount
	}
	return head | w.number(columnOf(charge))<<headBits
}

// number is that of a column, or of the next where it is new.
func (w *lineWalk) number(k column) uint64 {
	if w.known == nil {
		if i := slices.Index(w.columns, k); i >= 0 {
			return uint64(i)
		}
	} else if number, ok := w.known[k]; ok {
		return number
	}
	return uint64(len(w.columns))
}

func columnOf(charge *account.Charge) column {
	return column{charge.Operation, charge.Kind, charge.Observed, charge.Ref}
}

// column visits the column of a line by its number; one more than there are
// defines it.
func (w *lineWalk) column(charge *account.Charge, number uint64) {
	switch {
	case number < uint64(len(w.columns)):
		if w.decoding {
			k := w.columns[number]
			charge.Operation, charge.Kind, charge.Observed, charge.Ref = k.operation, k.kind, k.observed, k.ref
		}
		return
	case number > uint64(len(w.columns)):
		w.fail()
		return
	}
	small(w.coder, &charge.Operation)
	small(w.coder, &charge.Kind)
	observed := charge.Observed
	w.flags(&observed)
	if w.decoding {
		charge.Observed = observed
	}
	small(w.coder, &charge.Ref)
	k := columnOf(charge)
	w.columns = append(w.columns, k)
	switch {
	case w.decoding || number < fewColumns:
	case w.known == nil:
		w.known = make(map[column]uint64)
		for i, k := range w.columns {
			w.known[k] = uint64(i)
		}
	default:
		w.known[k] = number
	}
}
