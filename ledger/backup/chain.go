package backup

import "fmt"

// Chain checks that backups go on where the one before them ends: a full one,
// then increments in the order in which they were made.
type Chain struct {
	first *Header
	head  Head
}

// Next takes the header of the next one.
func (c *Chain) Next(h Header) error {
	switch {
	case c.first == nil && !h.Full():
		return fmt.Errorf("%w: it holds the records after %d only: give the full backup first, then its increments in order", ErrOrder, h.From.Seq)
	case c.first == nil:
		c.first = &h
		return nil
	case h.Full():
		return fmt.Errorf("%w: it is a full one: give one full backup and the increments that were made since it", ErrOrder)
	case h.Ledger != c.first.Ledger:
		return fmt.Errorf("%w: it is of ledger %s, those before of %s: give backups of one ledger", ErrForeign, h.Ledger, c.first.Ledger)
	case h.From.Seq > c.head.Seq:
		return fmt.Errorf("%w: it begins after record %d, those before end at %d: give the increment between them", ErrOrder, h.From.Seq, c.head.Seq)
	case h.From.Seq < c.head.Seq:
		return fmt.Errorf("%w: it begins after record %d, those before end at %d already: give the increments in the order in which they were made, each once",
			ErrOrder, h.From.Seq, c.head.Seq)
	case h.From != c.head:
		return fmt.Errorf("%w: its record %d is not the one that those before end with: they are of two histories of the ledger, as after a restore; use those of one",
			ErrForeign, h.From.Seq)
	}
	return nil
}

// Done takes what was read of the one that was given to Next.
func (c *Chain) Done(s Summary) { c.head = s.Head }

// Head is where the last one ends.
func (c *Chain) Head() Head { return c.head }

// First is the header of the full one, nil before it.
func (c *Chain) First() *Header { return c.first }
