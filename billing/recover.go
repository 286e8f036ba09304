package billing

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// Recovery flushes when it has folded so many lines of usage. They bound its
// memory; any other record counts for a few.
const (
	recoverLines  = 1 << 18
	linesOfRecord = 64
)

// recover loads the ledger and folds the journal's tail into it.
func (e *Engine) recover() error {
	e.recovering, e.unrecorded = true, make(map[uint64][]byte)
	defer func() { e.recovering, e.slabs = false, nil }() // that of many blocks, where an hour takes few
	meta, err := e.Store.Meta()
	if err != nil && !errors.Is(err, ledger.ErrNotFound) {
		return fmt.Errorf("reading the ledger: %w", err)
	}
	e.meta, e.applied, e.foldedUntil, e.given = meta, meta.Folded, meta.Folded, meta.Accounts
	if meta.ID != "" {
		if err := e.agree(); err != nil {
			return err
		}
	}
	books, err := e.Store.PriceBooks()
	if err != nil {
		return fmt.Errorf("reading the ledger's price books: %w", err)
	}
	for _, b := range books {
		if err := e.addBook(b); err != nil {
			return err
		}
	}
	e.loadDues()
	if e.lost, err = lostPeriods(e.Journal, meta.Folded+1); err != nil {
		return err
	}
	folded, total := 0, e.Journal.Head().Seq
	for rec, err := range e.Journal.Read(meta.Folded + 1) {
		if err != nil {
			return fmt.Errorf("reading the journal: %w", err)
		}
		if err := e.fold(rec); err != nil {
			return fmt.Errorf("folding journal record %d (%s): %w", rec.Seq, rec.Kind, err)
		}
		failpoint.Hit("recover/folded")
		folded++
		if e.progress != nil {
			e.progress(rec.Seq, total)
		}
		if e.unflushed += linesOfRecord; e.unflushed > recoverLines {
			if err := e.flushFolded(); err != nil {
				return err
			}
			failpoint.Hit("recover/flushed")
			e.unflushed = 0
		}
	}
	if folded == 0 {
		return nil
	}
	e.Logger.Info("folded the journal's tail", "records", folded, "from", meta.Folded+1)
	return e.flushFolded()
}

// flushFolded flushes what a start has folded. On a full disk it stays in memory.
func (e *Engine) flushFolded() error {
	err := e.Flush()
	if errors.Is(err, ledger.ErrNoSpace) {
		e.Logger.Warn("the ledger does not take the journal's tail yet, which stays in memory", "error", err)
		return nil
	}
	return err
}

// fold applies an input of an earlier run.
func (e *Engine) fold(rec journal.Record) error {
	switch rec.Kind {
	case inputCommand:
		return e.foldCommand(rec)
	case inputImages:
		return e.foldImages(rec)
	case inputPeriod, inputDue:
		if err := e.applyGlobal(rec); err != nil {
			return err
		}
		return e.applyPending()
	}
	return e.applyGlobal(rec)
}

// create records what is fixed for the life of the ledger.
func (e *Engine) create() error {
	var id [16]byte
	rand.Read(id[:])
	return e.append(inputLedger, ledgerInput{ID: hex.EncodeToString(id[:]), Currency: e.Currency.Code,
		Zone: e.Zone.String(), Test: e.Test})
}

// applyGlobal applies an input that is not a command. What fails is not applied,
// so that it can be tried again.
func (e *Engine) applyGlobal(rec journal.Record) error {
	e.metaLock.Lock()
	defer e.metaLock.Unlock()
	if err := e.applyMeta(rec); err != nil {
		return err
	}
	e.applied, e.metaDirty = rec.Seq, true
	return nil
}

// applyMeta is applyGlobal for who holds the meta lock.
func (e *Engine) applyMeta(rec journal.Record) error {
	switch rec.Kind {
	case inputLedger:
		in, err := decode[ledgerInput](rec.Seq, rec.Payload)
		if err != nil {
			return err
		}
		e.meta.ID, e.meta.Currency, e.meta.Zone, e.meta.Test = in.ID, in.Currency, in.Zone, in.Test
		e.meta.Created = rec.At / int64(time.Second)
		return e.agree()
	case inputOperations:
		in, err := decode[operationsInput](rec.Seq, rec.Payload)
		if err != nil {
			return err
		}
		e.register(in.Names)
	case inputPriceBook:
		in, err := decode[priceBookInput](rec.Seq, rec.Payload)
		if err != nil {
			return err
		}
		if in.Configured {
			e.meta.Configured = in.Hash
		}
		if in.Source == "" {
			return nil
		}
		b := ledger.PriceBook{Input: rec.Seq, From: in.From, Scheduled: !in.Configured, Source: []byte(in.Source)}
		if slices.ContainsFunc(e.books, func(k bookInForce) bool { return k.Input == b.Input }) {
			return nil // the ledger has it
		}
		e.newBooks = append(e.newBooks, b)
		return e.addBook(b)
	case inputPolicy:
		in, err := decode[policyInput](rec.Seq, rec.Payload)
		if err != nil {
			return err
		}
		e.meta.Policy = in.policy()
	case inputPeriod:
		return e.openPeriod(rec)
	case inputSettled:
		in, err := decode[settledInput](rec.Seq, rec.Payload)
		if err != nil {
			return err
		}
		return e.compareResult(in)
	case inputStart:
		e.meta.Started = max(e.meta.Started, rec.At/int64(time.Second)) // a release that was put off stays so
	case inputDue:
		return e.openDue(rec)
	case inputClock:
		return e.foldClock(rec)
	case inputLost: // recovery knows of it since it began
	default:
		return fmt.Errorf("unknown kind of input %q: it was written by a newer release", rec.Kind)
	}
	return nil
}

// register gives numbers to names, copy on write since readers hold the slice.
// A name that has one keeps it: the tail of the journal may be folded again.
func (e *Engine) register(names []string) {
	ops := slices.Clone(e.meta.Operations)
	if len(ops) == 0 {
		ops = append(ops, "")
	}
	for _, n := range names {
		if !slices.Contains(ops, n) {
			ops = append(ops, n)
		}
	}
	e.meta.Operations = ops
}

func (e *Engine) addBook(b ledger.PriceBook) error {
	book, err := pricebook.Parse(fmt.Sprintf("price book of journal record %d", b.Input), b.Source)
	if err != nil {
		return err
	}
	e.books = append(e.books, bookInForce{Input: b.Input, From: b.From, Scheduled: b.Scheduled, Book: book})
	return nil
}

// foldCommand applies a command of an earlier run to its block, unless the
// ledger has it.
func (e *Engine) foldCommand(rec journal.Record) error {
	in, err := decode[commandInput](rec.Seq, rec.Payload)
	if err != nil {
		return err
	}
	cmd, err := account.Decode(in.Type, in.Command)
	if err != nil {
		return err
	}
	number, err := e.commandNumber(in.Account, cmd)
	if err != nil {
		return err
	}
	if !e.folds(ledger.BlockOf(number)) {
		e.noteApplied(rec.Seq, number)
		return e.Store.Commit(ledger.Step{Accounts: map[string]uint32{in.Account: number}})
	}
	b, err := e.blocks.lock(ledger.BlockOf(number))
	if err != nil {
		return err
	}
	defer e.blocks.unlock(b)
	if b.folded >= rec.Seq {
		e.keepKey(b, number, cmd)
		e.dues.lower(b.number, math.MinInt64) // the block may have come ahead of what the ledger says of itself
		e.noteApplied(rec.Seq, number)
		return nil
	}
	env := e.env(rec.At)
	env.Floor = floorOf(e.Meta().Started, in.Held)
	env.TrialTaken = nil // it was judged when it was accepted
	next, effects, err := e.try(b, number, cmd, env)
	if err != nil {
		return e.passOver(rec, in, number, err)
	}
	answer, err := json.Marshal(effects.Answer)
	if err != nil {
		return fmt.Errorf("encoding the answer: %w", err)
	}
	e.take(b, rec, in, next, effects, answer)
	return nil
}

// folds reports whether a block is folded at all.
func (e *Engine) folds(block uint32) bool { return e.only == nil || e.only(block) }

// keepKey writes the owner of a key again, where the ledger has the block that
// got the key, but maybe not the one that gave it up before: folding that one
// once more ends the key's ownership.
func (e *Engine) keepKey(b *block, number uint32, cmd account.Command) {
	add, ok := cmd.(*account.AddKey)
	a := b.account(number)
	if !ok || a == nil {
		return
	}
	for _, k := range a.Keys {
		if hex.EncodeToString(k.Hash[:]) == strings.ToLower(add.Hash) {
			owned := ledger.Step{Keys: map[[32]byte]uint32{k.Hash: number}}
			e.recent.put(owned)
			b.add(owned)
			b.dirty = true
		}
	}
}
