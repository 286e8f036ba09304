package billing

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// Request is a command for an account, under an idempotency key (D33). The key
// may be empty where repeating does no harm.
type Request struct {
	Key     string
	Account string
	Command account.Command
}

// Result is the answer to an accepted command.
type Result struct {
	JSON     []byte // without secrets
	Input    uint64 // sequence in the journal
	Repeated bool   // the same request was accepted before; nothing happened now
}

// asker is a command part of which is not the caller's: two equal requests may
// differ in it.
type asker interface{ Asked() account.Command }

// own takes out of a command what is not the caller's to say, so that to ask
// again is to ask for the same.
func (r Request) own() {
	switch c := r.Command.(type) {
	case *account.CreateAccount:
		c.Account, c.Number = r.Account, 0
	case account.Resizer:
		c.SetHeld(0)
	}
}

// Do carries out a command: all of it, durably, or nothing. A refusal is an
// *account.Error, ErrOtherContent or ErrUnavailable.
func (e *Engine) Do(req Request) (Result, error) {
	res, err := e.do(req)
	if errors.Is(err, ledger.ErrUnknownOutcome) && !errors.Is(err, ErrUnavailable) { // the store was being read
		err = fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return res, err
}

func (e *Engine) do(req Request) (Result, error) {
	req.own()
	in := commandInput{Type: req.Command.Type(), Account: req.Account, Content: content(req)}
	names := []string{"account " + req.Account}
	if req.Key != "" {
		key := sha256.Sum256([]byte(req.Key))
		in.Key = key[:]
		names = append(names, "idempotency "+req.Key)
	}
	if k, ok := req.Command.(*account.AddKey); ok {
		names = append(names, "key "+k.Hash)
	}
	if s, ok := req.Command.(*account.Subscribe); ok && s.Trial {
		names = append(names, "trials") // they are rare, and customers span accounts
	}
	e.inputs.RLock()
	defer e.inputs.RUnlock()
	defer e.keys.lock(names...)()
	if req.Key != "" {
		if res, done, err := e.repeated(in); done || err != nil {
			return res, err
		}
	}
	if err := account.InRange(req.Command, e.Currency); err != nil {
		return Result{}, err
	}
	if err := e.writable(); err != nil {
		return Result{}, err
	}
	return e.accept(req, in)
}

// content is the hash of what was asked.
func content(req Request) []byte {
	cmd := req.Command
	if a, ok := cmd.(asker); ok {
		cmd = a.Asked()
	}
	hash := sha256.Sum256(append([]byte(cmd.Type()+"\n"+req.Account+"\n"), encode(cmd)...))
	return hash[:]
}

func (e *Engine) repeated(in commandInput) (Result, bool, error) {
	a, found, err := e.answer([32]byte(in.Key))
	if err != nil || !found {
		return Result{}, false, err
	}
	if a.Content != [32]byte(in.Content) {
		return Result{}, true, ErrOtherContent
	}
	return Result{JSON: a.JSON, Input: a.Input, Repeated: true}, true, nil
}

// env is what accounts are judged by at an instant (Unix nanoseconds), by what
// is in force now. The caller may not hold the meta lock.
func (e *Engine) env(at int64) account.Env {
	meta := e.Meta()
	return account.Env{Now: at, Currency: e.Currency, Zone: e.Zone, Books: e.BookAt, Policy: meta.Policy,
		Floor: floorOf(meta.Started, false), OperationNumber: e.OperationNumber, TrialTaken: e.trialTaken}
}

// trialTaken reports whether a customer has had a trial. Where the ledger cannot
// tell, it has: a second one is not to be given by mistake.
func (e *Engine) trialTaken(customer string) bool {
	_, err := find(&e.recent, func(n names) map[string]ledger.Trial { return n.trials }, customer, e.Store.Trial)
	return !errors.Is(err, ledger.ErrNotFound)
}
