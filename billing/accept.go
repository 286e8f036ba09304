package billing

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/failpoint"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/journal"
)

// decided is a command that was accepted and is on its way to the disk.
type decided struct {
	pending journal.Pending
	next    *account.Account // as the account will be
	growth  int              // of it, see block.fits
	effects account.Effects
	answer  []byte
}

// accept decides on a command, and applies it when the journal has it. The block is
// not locked while its record is on its way to the disk, or the commands for its
// accounts would wait for one sync after another. The account is, by its name, so
// that its next command is judged by what this one did; changes of images wait too,
// and inputs for all blocks.
func (e *Engine) accept(req Request, in commandInput) (Result, error) {
	number, err := e.commandNumber(req.Account, req.Command)
	if err != nil {
		return Result{}, err
	}
	b := e.blocks.hold(ledger.BlockOf(number))
	defer e.blocks.leave(b)
	b.images.RLock()
	defer b.images.RUnlock()
	d, err := e.decide(number, req.Command, &in)
	if err != nil {
		return Result{}, err
	}
	rec, err := e.durable(d.pending)
	b.mu.Lock()
	defer b.mu.Unlock()
	b.growing -= d.growth
	if err != nil {
		e.doubt(number)
		return Result{}, err
	}
	failpoint.Hit("command/journalled")
	e.take(b, rec, in, d.next, d.effects, d.answer)
	failpoint.Hit("command/taken")
	return Result{JSON: d.answer, Input: rec.Seq}, nil
}

// decide judges a command and gives it its place in the journal, under the block's
// lock. It completes the input.
func (e *Engine) decide(number uint32, cmd account.Command, in *commandInput) (d decided, err error) {
	b, err := e.blocks.lock(ledger.BlockOf(number))
	if err != nil {
		return d, err
	}
	defer e.blocks.unlock(b)
	if err := e.checkKey(cmd); err != nil {
		return d, err
	}
	at := e.instant()
	env := e.env(at)
	in.Held = e.releasesHeld(at / int64(time.Second))
	env.Floor = floorOf(e.Meta().Started, in.Held)
	if d.next, d.effects, err = e.judge(b, number, cmd, env); err != nil {
		return d, err
	}
	in.Command = encode(cmd)
	d.answer, err = json.Marshal(d.effects.Answer) // what can fail fails before the journal has it
	if err == nil {
		d.growth, err = b.fits(d.next)
	}
	if err == nil {
		failpoint.Hit("command/judged")
		d.pending, err = e.place(at, inputCommand, in.encoded())
	}
	switch {
	case errors.Is(err, journal.ErrStopped):
		e.doubt(number)
	case err != nil:
		e.restore(b, number, cmd)
	default:
		b.growing += d.growth
	}
	return d, err
}

// judge tries a command on its account. One that leaves less room for images
// must fit what the instance holds with the adds in flight, and from then on no
// more are admitted (D30).
func (e *Engine) judge(b *block, number uint32, cmd account.Command, env account.Env) (*account.Account, account.Effects, error) {
	r, resizes := cmd.(account.Resizer)
	if !resizes || e.Watcher == nil {
		return e.try(b, number, cmd, env)
	}
	held, _ := e.Watcher.Lower(number, r.Target(), math.MaxInt64)
	r.SetHeld(held)
	next, effects, err := e.try(b, number, cmd, env)
	if err != nil {
		return nil, effects, err
	}
	if held, ok := e.Watcher.Lower(number, r.Target(), next.MaxImages(r.Target(), env.Now/int64(time.Second))); !ok {
		r.SetHeld(held)
		return e.try(b, number, cmd, env)
	}
	return next, effects, nil
}

// restore takes back what judge told the watcher, where nothing came of it.
func (e *Engine) restore(b *block, number uint32, cmd account.Command) {
	if _, resizes := cmd.(account.Resizer); resizes && e.Watcher != nil && b.account(number) != nil {
		e.Watcher.AccountChanged(b.account(number))
	}
}

// commandNumber is the number of the account a command is for. Creation gets
// the next one.
func (e *Engine) commandNumber(id string, cmd account.Command) (uint32, error) {
	n, err := e.numbers.find(id, e.number)
	if err != nil {
		return 0, err
	}
	c, creates := cmd.(*account.CreateAccount)
	switch {
	case creates && c.Number != 0: // numbered when it was accepted
		return c.Number, nil
	case creates && n != 0:
		return 0, &account.Error{Why: account.Conflict, Field: "account", Text: fmt.Sprintf("account %q exists already", id)}
	case creates:
		if _, err := c.Apply(&account.Account{}, e.env(e.instant())); err != nil {
			return 0, err // a refusal uses up no number
		}
		e.metaLock.Lock()
		defer e.metaLock.Unlock()
		e.meta.Accounts++
		c.Number = e.meta.Accounts
		return c.Number, nil
	case n == 0:
		return 0, &account.Error{Why: account.NotFound, Field: "account", Text: fmt.Sprintf("there is no account %q", id)}
	}
	return n, nil
}

// checkKey refuses an API key that another account has.
func (e *Engine) checkKey(cmd account.Command) error {
	c, ok := cmd.(*account.AddKey)
	if !ok {
		return nil
	}
	hash, err := hex.DecodeString(c.Hash)
	if err != nil || len(hash) != 32 {
		return nil // Apply says so
	}
	owner, err := e.keyOwner([32]byte(hash))
	if err == nil && owner != 0 {
		err = &account.Error{Why: account.Conflict, Field: "key", Text: "this key is in use already: revoke it there first"}
	}
	return err
}

// try applies a command to a copy of its account.
func (e *Engine) try(b *block, number uint32, cmd account.Command, env account.Env) (*account.Account, account.Effects, error) {
	next := &account.Account{}
	if a := b.account(number); a != nil {
		next = a.Clone()
	}
	effects, err := account.Do(next, cmd, env)
	return next, effects, err
}
