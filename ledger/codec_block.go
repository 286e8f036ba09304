package ledger

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"github.com/tallygate/tallygate/account"
)

// A block is encoded in one of two forms.
//
// As one value, which is for comparing, and what ledgers had before there was
// the other form:
//
//	Folded | accounts
//
// As two, since an hour moves a fourth of what an account has, and the rest would
// be written again with every hour: the state has what settlements and time
// move, the terms have what commands alone change in the normal course.
//
//	state: Folded | of each account, what moves | check of the terms' value, 4 bytes
//	terms: accounts, without what moves
//
// The state names its terms by a check of another polynomial than that which
// values end with: by the same one, all would have the same.
const stateVersion = 3 // stands where codecVersion does

const termsCheckSize = 4

func subjectOfBlock(number uint32) subject { return subjectOf('b', uint64(number), 0) }
func subjectOfTerms(number uint32) subject { return subjectOf('c', uint64(number), 0) }

// AppendBlock encodes a block as one value.
func AppendBlock(dst []byte, b Block) []byte {
	return subjectOfBlock(b.Number).encode(dst, func(c *coder) { b.walk(&blockWalk{state: c, terms: c, Slabs: &noSlabs}) })
}

// AppendBlockParts encodes a block as two values, the state and the terms.
func AppendBlockParts(state, terms []byte, b Block) (withState, withTerms []byte) {
	s, t := coder{b: append(state, stateVersion), compact: true}, coder{b: append(terms, codecVersion)}
	b.walk(&blockWalk{state: &s, terms: &t, Slabs: &noSlabs})
	withTerms = subjectOfTerms(b.Number).seal(t.b, len(terms))
	return sealState(b.Number, s.b, len(state), CheckOfTerms(withTerms[len(terms):])), withTerms
}

// AppendBlockState encodes the state alone of a block whose terms stand: their value
// is there and has this check. It is the one of AppendBlockParts.
func AppendBlockState(dst []byte, b Block, check uint32) []byte {
	s := coder{b: append(dst, stateVersion), compact: true}
	w := blockWalk{state: &s, Slabs: &noSlabs}
	s.uint(&b.Folded)
	for _, a := range b.Accounts {
		w.moving(a)
	}
	return sealState(b.Number, s.b, len(dst), check)
}

// sealState ends a state that starts at a place.
func sealState(number uint32, b []byte, start int, check uint32) []byte {
	return subjectOfBlock(number).seal(binary.LittleEndian.AppendUint32(b, check), start)
}

// CheckOfTerms is what a state names its terms' value by.
func CheckOfTerms(value []byte) uint32 { return crc32.ChecksumIEEE(value) }

// DecodeBlock decodes a block from its one value and nil, or its state and its
// terms, or fails with ErrDamaged.
func DecodeBlock(number uint32, value, terms []byte) (Block, error) {
	return new(Slabs).DecodeBlock(number, value, terms)
}

// DecodeBlock is DecodeBlock in slabs.
func (slabs *Slabs) DecodeBlock(number uint32, value, terms []byte) (Block, error) {
	b := Block{Number: number}
	s, t, err := openBlock(number, value, terms)
	if err == nil {
		t.texts = &slabs.texts
		b.walk(&blockWalk{state: s, terms: t, Slabs: slabs})
		err = cmp.Or(s.end(), t.end())
	}
	if err != nil {
		return Block{}, fmt.Errorf("block %d: %w", number, err)
	}
	return b, nil
}

// CheckBlock checks what DecodeBlock would decode, and returns its Folded, or
// ErrDamaged.
func CheckBlock(number uint32, value, terms []byte) (folded uint64, err error) {
	s, _, err := openBlock(number, value, terms)
	if err == nil {
		if s.uint(&folded); s.bad {
			err = fmt.Errorf("%w: no folded sequence", ErrDamaged)
		}
	}
	if err != nil {
		return 0, fmt.Errorf("block %d: %w", number, err)
	}
	return folded, nil
}

// openBlock checks the values of a block, and that they belong together.
func openBlock(number uint32, value, terms []byte) (s, t *coder, err error) {
	body, err := subjectOfBlock(number).unseal(value)
	if err != nil {
		return nil, nil, err
	}
	version, body := body[0], body[1:]
	named := len(body) - termsCheckSize
	switch {
	case version == codecVersion && terms == nil:
		c := &coder{b: body, decoding: true}
		return c, c, nil
	case version != stateVersion && version != codecVersion:
		return nil, nil, otherFormat(version)
	case version != stateVersion || named < 0:
		return nil, nil, fmt.Errorf("%w: a value has terms that it does not name", ErrDamaged)
	case terms == nil:
		return nil, nil, fmt.Errorf("%w: its terms are missing", ErrDamaged)
	case CheckOfTerms(terms) != binary.LittleEndian.Uint32(body[named:]):
		return nil, nil, fmt.Errorf("%w: its terms are not those that its state names", ErrDamaged)
	}
	rest, err := subjectOfTerms(number).open(terms)
	if err != nil {
		return nil, nil, err
	}
	return &coder{b: body[:named], decoding: true, compact: true}, &coder{b: rest, decoding: true}, nil
}

// blockWalk visits a block in both forms. What is decoded is replaced as a whole
// later on, so the accounts of a block share what they stand in: a dozen
// allocations instead of as many for each.
type blockWalk struct {
	state, terms *coder // one and the same for one value
	*Slabs
	number, month uint32 // of what came last
	seen          int64
}

// walk visits Folded first: CheckBlock relies on it.
func (b *Block) walk(w *blockWalk) {
	w.state.uint(&b.Folded)
	w.number = b.Number * BlockSize
	list(w.terms, &b.Accounts, func(a **account.Account) {
		if w.terms.decoding {
			left := cap(b.Accounts) - len(b.Accounts) + 1
			w.state.lists, w.terms.lists = left, left
			one := w.accounts.cut(1, left)[:1]
			one[0] = account.Account{} // it may have been another's
			*a = &one[0]
		}
		near(w.terms, &(*a).Number, &w.number)
		w.account(*a)
	})
}

// Slabs are where the accounts of blocks and their lists stand when they are decoded.
// Who decodes many blocks, and is done with some before the next, uses them again. The
// zero value is ready.
type Slabs struct {
	accounts  slab[account.Account]
	months    slab[account.OpenMonth]
	usage     slab[account.OperationUsage]
	packages  slab[account.BoughtPackage]
	bought    slab[account.BoughtSubscription]
	instances slab[account.Instance]
	rows      slab[account.OwnRow]
	keys      slab[account.Key]
	texts     texts
}

// noSlabs are those of who encodes and needs none.
var noSlabs Slabs

// Reset lets the slabs be used again: nobody may have anything any more that was
// decoded in them, but for texts. From then on lists of months and of usage have room
// for one that the next hour begins, and those that are empty are not nil.
func (s *Slabs) Reset() {
	s.months.spare, s.usage.spare = 1, 1
	s.accounts.reset()
	s.months.reset()
	s.usage.reset()
	s.packages.reset()
	s.bought.reset()
	s.instances.reset()
	s.rows.reset()
	s.keys.reset()
}
