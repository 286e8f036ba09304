package billing

import (
	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// stepBytes bounds a commit, by a guess that is rather too high: within what a
// transaction of an embedded store holds. It is a variable so that tests can
// make steps small.
var stepBytes = 1 << 20

// imageBytes is what a product or a picture takes, by the same guess.
const imageBytes = 128

// packer joins effects to steps of bounded size.
type packer struct {
	steps []ledger.Step
	last  ledger.Step
	bytes int
}

// add puts effects into one step, since a block and what led to it belong
// together. Where that is too much for a step, the history goes ahead: it is
// numbered, and a fold that is interrupted here writes the same again.
func (p *packer) add(s ledger.Step) {
	if sizeOf(s) > stepBytes {
		for i := range s.Hours {
			p.put(ledger.Step{Hours: s.Hours[i : i+1]})
		}
		for i := range s.Movements {
			p.put(ledger.Step{Movements: s.Movements[i : i+1]})
		}
		for i := range s.Events {
			p.put(ledger.Step{Events: s.Events[i : i+1]})
		}
		for i := range s.Statements {
			p.put(ledger.Step{Statements: s.Statements[i : i+1]})
		}
		for i := range s.Answers {
			p.put(ledger.Step{Answers: s.Answers[i : i+1]})
		}
		s.Hours, s.Movements, s.Events, s.Statements, s.Answers = nil, nil, nil, nil, nil
	}
	p.put(s)
}

func (p *packer) put(s ledger.Step) {
	size := sizeOf(s)
	if p.bytes > 0 && p.bytes+size > stepBytes {
		p.steps, p.last, p.bytes = append(p.steps, p.last), ledger.Step{}, 0
	}
	p.last, p.bytes = join(p.last, s), p.bytes+size
}

// end returns the steps.
func (p *packer) end() []ledger.Step {
	if p.bytes > 0 {
		p.steps = append(p.steps, p.last)
	}
	return p.steps
}

func join(a, b ledger.Step) ledger.Step {
	if b.Meta != nil {
		a.Meta = b.Meta
	}
	if n := len(a.Blocks); n > 0 && len(b.Blocks) > 0 && a.Blocks[n-1].Number == b.Blocks[0].Number {
		a.Blocks = a.Blocks[:n-1] // a later part of the same block
	}
	a.Blocks = append(a.Blocks, b.Blocks...)
	a.Hours = append(a.Hours, b.Hours...)
	a.Movements = append(a.Movements, b.Movements...)
	a.Events = append(a.Events, b.Events...)
	a.Statements = append(a.Statements, b.Statements...)
	a.Answers = append(a.Answers, b.Answers...)
	a.Books = append(a.Books, b.Books...)
	a.Accounts = merge(a.Accounts, b.Accounts)
	a.Keys = merge(a.Keys, b.Keys)
	a.Trials = merge(a.Trials, b.Trials)
	a.Products = merge(a.Products, b.Products)
	a.Pictures = merge(a.Pictures, b.Pictures)
	return a
}

// blockBytes bounds a block by the same guess: a store takes it in one or two values,
// of at most 16 MiB. It is a variable so that tests can make blocks small.
var blockBytes = 8 << 20

// fits refuses what makes a block too large for the store: it could never be
// folded, and every command would wait for it. Else it says by how much the account
// grows.
func (b *block) fits(next *account.Account) (growth int, err error) {
	growth = sizeOfAccount(next)
	if old := b.account(next.Number); old != nil {
		growth -= sizeOfAccount(old)
	}
	if growth <= 0 {
		return 0, nil
	}
	size := growth + b.growing
	for _, a := range b.accounts {
		if a != nil {
			size += sizeOfAccount(a)
		}
	}
	if size <= blockBytes {
		return growth, nil
	}
	return 0, &account.Error{Why: account.Conflict, Field: "account",
		Text: "the ledger has no room for more keys, packages and terms beside those of the accounts opened with it: revoke keys that are not used"}
}

// value is what most things take, part what does in an account.
const value, part = 64, 32

func sizeOfAccount(a *account.Account) int {
	size := 3*part + len(a.ID) + len(a.Customer) + len(a.Usage)*part
	for i := range a.Packages {
		size += 2*part + len(a.Packages[i].Offer)
	}
	for i := range a.Subscriptions {
		s := &a.Subscriptions[i]
		size += 2*part + len(s.Instance) + len(s.Service) + len(s.Row)
	}
	for i := range a.Instances {
		size += 2*part + len(a.Instances[i].Name)
	}
	for i := range a.Rows {
		size += 2*part + len(a.Rows[i].ID) + len(a.Rows[i].Service)
	}
	for i := range a.Keys {
		k := &a.Keys[i]
		size += 3*part + len(k.ID) + len(k.Instance) + len(k.Label)
	}
	return size
}

// sizeOf guesses what a step takes in the store, keys included.
func sizeOf(s ledger.Step) int {
	size := 0
	if s.Meta != nil {
		size += value
		for _, name := range s.Meta.Operations {
			size += value + len(name)
		}
	}
	for _, b := range s.Blocks {
		size += value
		for _, a := range b.Accounts {
			size += sizeOfAccount(a)
		}
	}
	for _, h := range s.Hours {
		size += value + 16*len(h.Charges)
	}
	for _, m := range s.Movements {
		size += 2*value + len(m.Text) + len(m.Reference)
	}
	for _, v := range s.Events {
		size += value + len(v.Kind) + len(v.Subject) + len(v.Text)
	}
	for _, a := range s.Answers {
		size += 2*value + len(a.JSON)
	}
	for _, b := range s.Books {
		size += value + len(b.Source)
	}
	for id := range s.Accounts {
		size += value + len(id)
	}
	return size + value*len(s.Statements) + 2*value*(len(s.Keys)+len(s.Trials)) + imageBytes*(len(s.Products)+len(s.Pictures))
}
