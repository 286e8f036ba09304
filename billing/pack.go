package billing

import "github.com/tallygate/tallygate/ledger"

// stepBytes bounds a commit, by a guess that is rather too high: within what a
// transaction of an embedded store holds.
const stepBytes = 1 << 20

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
		for i := range s.Answers {
			p.put(ledger.Step{Answers: s.Answers[i : i+1]})
		}
		s.Hours, s.Movements, s.Answers = nil, nil, nil
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
	a.Blocks = append(a.Blocks, b.Blocks...)
	a.Hours = append(a.Hours, b.Hours...)
	a.Movements = append(a.Movements, b.Movements...)
	a.Answers = append(a.Answers, b.Answers...)
	a.Books = append(a.Books, b.Books...)
	a.Accounts = merge(a.Accounts, b.Accounts)
	a.Keys = merge(a.Keys, b.Keys)
	return a
}

// sizeOf guesses what a step takes in the store, keys included.
func sizeOf(s ledger.Step) int {
	const value = 64
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
			size += 3*value + len(a.Usage)*value/2 + (len(a.Packages)+len(a.Subscriptions))*2*value + len(a.Keys)*4*value
		}
	}
	for _, h := range s.Hours {
		size += value + 16*len(h.Charges)
	}
	for _, m := range s.Movements {
		size += 2*value + len(m.Text) + len(m.Reference)
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
	return size + 2*value*len(s.Keys)
}
