package account_test

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// This is what the gateway does with a call, written down a second time and as
// plainly as can be: which of free allowance, packages, balance or subscription
// pays, or why the call is refused. Keep it in step with meter/admit.go.

// fund chooses what pays for one call now (D11).
func (w *world) fund(p *party, operation, instance string) account.Line {
	number, known := w.operationNumber(operation)
	op, inForce := w.bookAt(w.now).Operation(operation)
	line := account.Line{Account: p.Number, Operation: number}
	switch state := p.StateAt(w.now); {
	case !known || !inForce:
		line.Kind = account.UnknownOperation
	case state == account.ReleasedState:
		line.Kind = account.Released
	case op.Funding == pricebook.Subscribed:
		line.Kind, line.Ref = p.subscribed(instance, w.now)
	default:
		blocked := state == account.Retention || state == account.Grace && !p.ArrearsLaw.AllowInGrace
		line = w.fundPayPerUse(p, op, line, blocked)
	}
	return line
}

// fundPayPerUse takes the free allowance first, then packages in their order,
// then the balance; in arrears packages alone (D21).
func (w *world) fundPayPerUse(p *party, op *pricebook.Operation, line account.Line, blocked bool) account.Line {
	month := uint32(rating.MonthOf(w.now, w.zone))
	free := line
	free.Kind, free.Ref = account.Free, month
	if !blocked && p.used[free] < uint64(op.FreePerMonth) {
		return free
	}
	for _, b := range p.packagesInOrder() {
		pack := line
		pack.Kind, pack.Ref = account.Package, b.Number
		if b.Operation == line.Operation && max(b.Start, b.Bought) <= w.now && w.now < b.End && p.used[pack] < b.Quota {
			return pack
		}
	}
	line.Kind = account.PayPerUse
	if p.NoPayPerUse {
		line.Kind = account.PaymentRequired
	}
	if blocked {
		line.Kind = account.InArrears
	}
	return line
}

// packagesInOrder: earliest expiry, then earliest purchase, then number (D14).
func (p *party) packagesInOrder() []account.BoughtPackage {
	list := slices.Clone(p.Packages)
	slices.SortFunc(list, func(a, b account.BoughtPackage) int {
		return cmp.Or(cmp.Compare(a.End, b.End), cmp.Compare(a.Bought, b.Bought), cmp.Compare(a.Number, b.Number))
	})
	return list
}

// subscribed finds the term that pays for the calls of an instance (D26, D32).
func (p *party) subscribed(name string, now int64) (account.Kind, uint32) {
	inst := p.InstanceNamed(name)
	if inst == nil {
		return account.WrongInstance, 0
	}
	reason := account.PaymentRequired
	for _, s := range p.Subscriptions {
		switch {
		case s.Instance != name:
		case s.Start <= now && now < s.End:
			return account.Subscription, s.Number
		case s.End <= now:
			reason = account.SubscriptionExpired
		}
	}
	if inst.Released != 0 {
		return account.Released, 0
	}
	return reason, 0
}

// admit holds so many calls, one by one, and tells what pays for them.
func (w *world) admit(p *party, operation, instance string, calls int) (held map[account.Line]uint64, said string) {
	held = map[account.Line]uint64{}
	var order []account.Line
	for range calls {
		line := w.fund(p, operation, instance)
		if held[line] == 0 {
			order = append(order, line)
		}
		held[line]++
		if line.Kind == account.Free || line.Kind == account.Package {
			p.used[line]++
		}
	}
	var parts []string
	for _, line := range order {
		what := line.Funding()
		if line.Kind.Refusal() {
			what = "refused " + what
		}
		parts = append(parts, fmt.Sprintf("%d %s", held[line], what))
	}
	return held, strings.Join(parts, " + ")
}

// calls are admitted and answered at once; calls begun are answered later.
func (w *world) calls(l line) error {
	words, begin := l.words, l.words[0] == "begin"
	if begin {
		words = words[1:]
	}
	asked, want, _ := strings.Cut(strings.Join(words[1:], " "), " = ")
	args, err := readArgs(strings.Fields(asked), "account operation calls", "instance")
	if err != nil {
		return err
	}
	p, err := w.party(args["account"])
	if err != nil {
		return err
	}
	if err := w.lookAt(p); err != nil {
		return err
	}
	n, err := number(args["calls"])
	if err != nil {
		return err
	}
	held, got := w.admit(p, args["operation"], args["instance"], int(n))
	if got != want {
		return fmt.Errorf("got = %s, want = %s", got, want)
	}
	for line, calls := range held {
		if begin && line.Kind.Billed() {
			p.inFlight[line] += calls
		} else {
			p.count(w, line, calls)
		}
	}
	return nil
}

// count adds calls to the hour that is open.
func (p *party) count(w *world, line account.Line, calls uint64) {
	hour := rating.HourStart(w.now, w.zone)
	if !line.Kind.Billed() {
		p.refused = append(p.refused, refusedCalls{uint32(rating.MonthOf(w.now, w.zone)), line, calls})
		return
	}
	if p.hours[hour] == nil {
		p.hours[hour] = map[account.Line]uint64{}
	}
	p.hours[hour][line] += calls
}

// endCalls counts the calls in flight with the funding they held (D6).
func (w *world) endCalls(p *party, counted bool) {
	for line, calls := range p.inFlight {
		if counted {
			p.count(w, line, calls)
			continue
		}
		if line.Kind == account.Free || line.Kind == account.Package {
			p.used[line] -= calls
		}
	}
	clear(p.inFlight)
}
