// Package ledger is the contract between the billing engine and whatever keeps
// its books. The ledger is the deterministic fold of the journal and the sealed
// usage files: it can be thrown away and made again from them.
//
// What every Store promises, and ledgertest checks:
//
//   - Commit is atomic and durable: after it returned nil all of the Step is
//     there, also after a power cut; after an error, or a crash inside it, all
//     of it or nothing.
//   - Values are absolute and keyed by what they say (block, hour, movement
//     number), so committing a Step again changes nothing.
//   - A block's Folded never goes back: a Step that would is refused with
//     ErrStale and changes nothing.
//   - What is read is what was written: every value carries a check, and one
//     that fails is ErrDamaged, never a wrong number, nor an older one, nor
//     ErrNotFound. From then on everything else is ErrDamaged too.
//   - A ledger that lost what was committed last opens as the older one that it
//     then is. One that lost anything else does not open.
//   - Reads see committed steps only, and may run beside Commit. An iteration
//     shows the ledger as it stood when it began, and may be left at any point.
//     Commits are serialised by the Store.
package ledger

import (
	"errors"
	"fmt"
	"iter"
	"strings"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating/money"
)

var (
	// ErrNotFound: there is no such thing.
	ErrNotFound = errors.New("not in the ledger")
	// ErrStale: the step is older than what the ledger holds.
	ErrStale = errors.New("step is older than the ledger")
	// ErrDamaged: a stored value fails its check, or something is not there that
	// was committed. Repair says what to do.
	ErrDamaged = errors.New("ledger damaged")
	// ErrForgotten: what was committed last is not there any more, in a ledger that is
	// whole but for that. The journal folds it again, at the next start.
	ErrForgotten = fmt.Errorf("%w: it has forgotten what it had acknowledged", ErrDamaged)
	// ErrTooLarge: the step does not fit one transaction and nothing of it is
	// there. Split it by blocks.
	ErrTooLarge = errors.New("step too large")
	// ErrNoSpace: less disk is free than the reserve, and nothing was written.
	ErrNoSpace = errors.New("disk below the reserve")
	// ErrUnknownOutcome: the disk failed inside a commit, of which all or nothing
	// is there. The Store refuses everything until it is opened again.
	ErrUnknownOutcome = errors.New("outcome of the commit unknown")
	// ErrClosed: used after Close.
	ErrClosed = errors.New("ledger closed")
)

// WayOut is what messages about damage end with.
const WayOut = "stop the gateway and run: tallygate repair --config <your Caddyfile>"

// Mendable adds the way out to an error of damage that does not tell it.
func Mendable(err error) error {
	if !errors.Is(err, ErrDamaged) || errors.Is(err, ErrForgotten) || strings.Contains(err.Error(), WayOut) {
		return err
	}
	return fmt.Errorf("%w: %s", err, WayOut)
}

// BlockSize is how many accounts share a block: one value holds what moves of all
// of them, one what seldom changes, one more their usage of a period.
const BlockSize = 64

// BlockOf is the block of an account.
func BlockOf(account uint32) uint32 { return account / BlockSize }

// Store keeps the books of one ledger.
type Store interface {
	// Meta returns what concerns the ledger as a whole; ErrNotFound in a new one.
	Meta() (Meta, error)
	// Block returns the accounts of a block; one never committed is empty.
	Block(number uint32) (Block, error)
	// Blocks iterates all committed blocks in order. Their accounts are valid until the
	// next one comes, but for texts.
	Blocks() iter.Seq2[Block, error]
	// BlocksBetween iterates those from first to last, both included, in order. They
	// stand in slabs.
	BlocksBetween(first, last uint32, slabs *Slabs) iter.Seq2[Block, error]
	// Hours iterates the settled periods of a block that start in [from, to), in
	// order. Unix seconds.
	Hours(block uint32, from, to int64) iter.Seq2[BlockHour, error]
	// Movements iterates the movements of an account with Number ≥ from, in order.
	Movements(account, from uint32) iter.Seq2[account.Movement, error]
	// Number finds an account by id, or ErrNotFound.
	Number(id string) (uint32, error)
	// KeyOwner finds the account that has a key, by the key's hash, or ErrNotFound.
	KeyOwner(hash [32]byte) (uint32, error)
	// PriceBooks returns all books in the order of their inputs.
	PriceBooks() ([]PriceBook, error)
	// Events iterates the events of an account with Number ≥ from, in order.
	Events(account, from uint32) iter.Seq2[account.Event, error]
	// Statements iterates the closed months of an account from a month (YYYYMM) on,
	// in order.
	Statements(account, from uint32) iter.Seq2[account.StatementRecord, error]
	// Answer returns the answer to an accepted command by the SHA-256 of its
	// idempotency key (D33), or ErrNotFound.
	Answer(key [32]byte) (Answer, error)
	// Trial returns the trial that a customer has had (D29), or ErrNotFound.
	Trial(customer string) (Trial, error)
	// Product returns what an instance holds of a product; nothing for one that it
	// has never had.
	Product(ProductKey) (Product, error)
	// HasPicture reports whether a picture of its product's present generation is
	// there. Older ones a Store may forget.
	HasPicture(PictureKey) (bool, error)
	// Pictures iterates the pictures that an instance of an account holds (D28).
	// Those of an instance that is released, by the state of its block, a Store
	// may forget.
	Pictures(account, instance uint32) iter.Seq2[account.Image, error]
	// Commit makes one step of the fold. When it has returned nil, a Store keeps
	// nothing of the step's hours, whose memory is used again.
	Commit(Step) error
	// Err returns why nothing is served any more, or nil: ErrDamaged,
	// ErrUnknownOutcome or ErrClosed. It may change from nil at any time.
	Err() error
	Close() error
}

// Meta is what concerns the ledger as a whole.
type Meta struct {
	ID         string         // random, made at creation
	Currency   string         // ISO 4217, fixed at creation (D7)
	Zone       string         // IANA name, fixed at creation (D7)
	Test       bool           // has a test clock
	Created    int64          // when the ledger was created, Unix seconds
	Folded     uint64         // every input up to this one is in the ledger
	Accounts   uint32         // numbers given so far
	Operations []string       // register: number → name; index 0 is unused
	Settled    int64          // end of the newest settled period, Unix seconds; 0 = none
	Policy     account.Policy // in force (D20)
	Started    int64          // newest start or accepted jump of the clock, Unix seconds (D23)
	Configured string         // hash of the price book that the configuration named last
	Shortfalls []Shortfall    // settled periods whose counts are a lower bound, in order
}

// Shortfall is a settled period of whose counts something may be missing.
type Shortfall struct {
	Input         uint64 // sequence in the journal
	Start, Length int64  // Unix seconds, seconds
	account.Shortfall
}

// PriceBook is a book and the instant from which it is in force (D35).
type PriceBook struct {
	Input     uint64 // sequence in the journal
	From      int64  // Unix seconds
	Scheduled bool   // ahead of time, not by the configuration
	Source    []byte // the file, byte for byte
}

// Block is the state of up to BlockSize accounts after an input.
type Block struct {
	Number   uint32
	Folded   uint64             // sequence of the newest input in it
	Accounts []*account.Account // in order of number
	// TermsStand says, in a step, that what settlements do not move is as the Store has
	// it. The Store believes that: it need not encode it, nor look.
	TermsStand bool
}

// BlockHour is what a block's accounts used in one settled period.
type BlockHour struct {
	Block         uint32
	Start, Length int64            // Unix seconds, seconds
	Input         uint64           // sequence of the sealed hour in the journal
	Charges       []account.Charge // in order (account.Line.Compare)
}

// Total is what the period cost an account.
func (h BlockHour) Total(number uint32) (sum money.Amount, err error) {
	for _, c := range h.Charges {
		if c.Account == number {
			if sum, err = sum.Add(c.Amount); err != nil {
				return 0, err
			}
		}
	}
	return sum, nil
}

// Answer is what is remembered for ever of an accepted command (D33).
type Answer struct {
	Key     [32]byte // SHA-256 of the idempotency key
	Content [32]byte // SHA-256 of what was asked
	Input   uint64   // sequence in the journal
	JSON    []byte   // what the caller was told, without secrets
}

// Trial is who has had the trial of a customer (D29).
type Trial struct {
	Account uint32
	Input   uint64 // sequence in the journal
}

// ProductKey names a product of an instance (D28).
type ProductKey struct {
	Account, Instance uint32
	Product           [16]byte
}

// Product is how many pictures of a product there are. Deleting a product makes
// its pictures those of an older generation, which nobody sees any more.
type Product struct {
	Generation uint64 // sequence of the input that deleted it last
	Pictures   uint64
}

// PictureKey names a picture of a product's generation.
type PictureKey struct {
	ProductKey
	Generation uint64
	Picture    [16]byte
}

// Step is what one commit adds: the result of one or several inputs on some
// blocks.
type Step struct {
	Meta       *Meta // nil = unchanged
	Blocks     []Block
	Hours      []BlockHour
	Movements  []account.Movement
	Events     []account.Event
	Statements []account.StatementRecord
	Answers    []Answer
	Books      []PriceBook
	Accounts   map[string]uint32   // new ids
	Keys       map[[32]byte]uint32 // new keys; 0 takes one away
	Trials     map[string]Trial    // by customer
	Products   map[ProductKey]Product
	Pictures   map[PictureKey]bool // whether it is there
}
