package badgerstore

import (
	"errors"
	"fmt"
	"maps"

	"github.com/dgraph-io/badger/v4"

	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
)

// Commit implements ledger.Store. A step is one transaction, of at most about
// 2.4 MB or 26,000 values: a larger one is refused with ledger.ErrTooLarge.
func (s *Store) Commit(step ledger.Step) error {
	return s.transact(func(w *writer) { w.step(step) })
}

func (s *Store) transact(write func(*writer)) error {
	s.commits.Lock()
	defer s.commits.Unlock()
	s.gate.RLock()
	stopped := s.stopped
	s.gate.RUnlock()
	if stopped != nil {
		return stopped
	}
	if err := s.Room(); err != nil {
		return err
	}
	txn := s.db.NewTransaction(true)
	defer txn.Discard()
	w := &s.writer
	w.begin(txn, s.chain, s.blocks)
	defer func() { w.txn = nil }()
	write(w)
	next, err := w.end()
	if err != nil {
		s.noticed(err)
		return definite(err)
	}
	if err := s.finish(txn); err != nil {
		return err
	}
	s.chain = next
	maps.Copy(s.blocks, w.newer)
	return nil
}

// commit is Badger's, which a test can let fail, before or after it is done.
func commit(txn *badger.Txn) error {
	if err := failpoint.Fail("store/commit"); err != nil {
		return err
	}
	if err := txn.Commit(); err != nil {
		return err
	}
	return failpoint.Fail("store/sync")
}

// finish ends a transaction. Reads that begin meanwhile see what was there before
// it, and after a failure none begins: Badger's memory may show a part of it.
func (s *Store) finish(txn *badger.Txn) error {
	err := s.commit(txn)
	s.gate.Lock()
	defer s.gate.Unlock()
	switch {
	case err == nil:
		failpoint.SyncedTree(s.cfg.Dir)
		failpoint.Hit("store/committed")
		s.renew()
		return nil
	case errors.Is(err, badger.ErrTxnTooBig), errors.Is(err, badger.ErrConflict),
		errors.Is(err, badger.ErrBlockedWrites), errors.Is(err, badger.ErrDBClosed):
		return definite(err)
	}
	err = fmt.Errorf("%w: %w; open the ledger again", ledger.ErrUnknownOutcome, err)
	if s.stopped == nil {
		s.stopped = err
		s.cfg.Logger.Error("the ledger stops", "dir", s.cfg.Dir, "error", err)
	}
	return err
}

// definite wraps the error of a commit of which nothing is there.
func definite(err error) error {
	if errors.Is(err, badger.ErrTxnTooBig) {
		return fmt.Errorf("%w: %w", ledger.ErrTooLarge, err)
	}
	return fmt.Errorf("commit: %w", err)
}

// step puts a step into the transaction.
func (w *writer) step(step ledger.Step) {
	if step.Meta != nil {
		from := len(w.b)
		w.set(metaKey, ledger.AppendMeta(w.b, *step.Meta))
		w.chain.meta = checkOfValue(w.b[from:])
	}
	for _, b := range step.Blocks {
		w.block(b)
	}
	for _, h := range step.Hours {
		w.set(hourKey(h.Block, h.Start), ledger.AppendHour(w.b, h))
	}
	for _, m := range step.Movements {
		w.set(movementKey(m.Account, m.Number), ledger.AppendMovement(w.b, m))
	}
	for _, a := range step.Answers {
		w.set(answerKey(a.Key), ledger.AppendAnswer(w.b, a))
	}
	for _, b := range step.Books {
		w.book(b)
	}
	for id, number := range step.Accounts {
		w.set(idKey(id), ledger.AppendNumber(w.b, id, number))
	}
	w.more(step)
	for hash, number := range step.Keys {
		if number == 0 {
			w.delete(ownerKey(hash))
		} else {
			w.set(ownerKey(hash), ledger.AppendKeyOwner(w.b, hash, number))
		}
	}
}

// more writes what happened to accounts besides movements.
func (w *writer) more(step ledger.Step) {
	for _, v := range step.Events {
		w.set(eventKey(v.Account, v.Number), ledger.AppendEvent(w.b, v))
	}
	for _, r := range step.Statements {
		w.set(statementKey(r.Account, r.Month), ledger.AppendStatement(w.b, r))
	}
	for customer, t := range step.Trials {
		w.set(trialKey(customer), ledger.AppendTrial(w.b, customer, t))
	}
	for k, p := range step.Products {
		w.set(productKey(k), ledger.AppendProduct(w.b, k, p))
	}
	for k, there := range step.Pictures {
		if there {
			w.set(pictureKey(k), ledger.AppendPicture(w.b, k))
		} else {
			w.delete(pictureKey(k))
		}
	}
}

// writer encodes all values into one growing buffer, which the transaction
// refers to until it ends. After that Badger does not, so the next commit has it
// again: what is written was copied by then, into the log's mapped file and into
// the memory beside it (memTable.Put) or the value log, a request is answered
// after the last of its entries only, and there are no subscribers.
type writer struct {
	txn    *badger.Txn
	chain  chain           // what the ledger adds up to with what was written
	blocks map[uint32]held // before
	newer  map[uint32]held // of those that were written
	b      []byte
	terms  []byte // of a block, before it is known whether they are written
	err    error  // the first one; nothing is written after it
}

// keptBuffer bounds what is kept from one commit to the next: more than nearly
// all need.
const keptBuffer = 4 << 20

func (w *writer) begin(txn *badger.Txn, c chain, blocks map[uint32]held) {
	next := writer{txn: txn, chain: c, blocks: blocks, newer: w.newer}
	if cap(w.b) <= keptBuffer {
		next.b = w.b[:0]
	}
	if cap(w.terms) <= keptBuffer {
		next.terms = w.terms
	}
	if next.newer == nil {
		next.newer = map[uint32]held{}
	}
	clear(next.newer)
	*w = next
}

// end numbers the commit.
func (w *writer) end() (chain, error) {
	if w.err != nil {
		return chain{}, w.err
	}
	return w.chain.next(w.txn)
}

// set takes the buffer with the value appended.
func (w *writer) set(key, b []byte) {
	value := b[len(w.b):len(b):len(b)]
	w.b = b
	if w.err == nil {
		w.err = w.txn.Set(key, value)
	}
}

func (w *writer) delete(key []byte) {
	if w.err == nil {
		w.err = w.txn.Delete(key)
	}
}

func (w *writer) book(b ledger.PriceBook) {
	key := bookKey(b.Input)
	if w.err == nil {
		_, err := lookup(w.txn, key)
		if errors.Is(err, ledger.ErrNotFound) {
			w.chain.books, err = w.chain.books+1, nil
		}
		w.err = err
	}
	w.set(key, ledger.AppendBook(w.b, b))
}

// block refuses to go back. The terms are written only where they are others: most
// hours change none, and they are the most of a block.
func (w *writer) block(b ledger.Block) {
	was, there := w.newer[b.Number]
	if !there {
		was, there = w.blocks[b.Number]
	}
	if !there {
		w.chain.blocks++
	}
	if w.err != nil {
		return
	}
	if b.Folded < was.folded {
		w.err = fmt.Errorf("%w: block %d has folded input %d, the step is of %d", ledger.ErrStale, b.Number, was.folded, b.Folded)
		return
	}
	is := w.parts(b, was)
	w.newer[b.Number] = is
	w.chain.folded += is.folded - was.folded
}

// parts writes the state of a block and, where they are others, its terms.
func (w *writer) parts(b ledger.Block, was held) held {
	if b.TermsStand && was.apart {
		w.set(blockKey(b.Number), ledger.AppendBlockState(w.b, b, was.check))
		was.folded = b.Folded
		return was
	}
	var state []byte
	state, w.terms = ledger.AppendBlockParts(w.b, w.terms[:0], b)
	w.set(blockKey(b.Number), state)
	is := heldOf(b.Folded, w.terms)
	if is.terms != was.terms {
		w.set(termsKey(b.Number), append(w.b, w.terms...))
	}
	return is
}
