package integration

import (
	"fmt"
	"slices"
)

// Packages of the model (D14–D17).

func (a *yearAccount) offer(id string) (yearOffer, bool) {
	o, ok := a.book(a.now).packages[id]
	return o, ok
}

// lastOfChain is the newest term of a chain, -1 if there is none.
func (a *yearAccount) lastOfChain(chain int) int {
	last := -1
	for i, p := range a.packs {
		if p.chain == chain && (last < 0 || p.number > a.packs[last].number) {
			last = i
		}
	}
	return last
}

func (a *yearAccount) buyPackage(id string, auto bool, most string) outcome {
	o, ok := a.offer(id)
	if !ok {
		return refused("not-found")
	}
	p := yearPack{chain: len(a.packs) + 1, start: a.now, anchor: a.now, autoRenew: auto}
	return a.sellPackage(id, o, p, "package", most)
}

func (a *yearAccount) sellPackage(id string, o yearOffer, p yearPack, kind, most string) outcome {
	p.number, p.offer, p.operation, p.quota, p.bought = len(a.packs)+1, id, o.operation, o.calls, a.now
	p.term, p.months = o.months, p.months+o.months
	if p.end = monthsOn(p.anchor, p.months); p.end <= a.now {
		return refused("not-allowed")
	}
	out := a.pay(most, kind, o.price)
	if out.word != "" {
		return out
	}
	a.packs = append(a.packs, p)
	a.setPackageAlarms(p)
	out.start, out.end = p.start, p.end
	return out
}

func (a *yearAccount) renewPackage(chain int, most string) outcome {
	i := a.lastOfChain(chain)
	if i < 0 {
		return refused("not-found")
	}
	last := a.packs[i]
	if last.renewable != 0 && a.now >= last.renewable {
		return refused("not-allowed")
	}
	o, ok := a.offer(last.offer)
	switch {
	case !ok:
		return refused("not-found")
	case o.months != last.term:
		return refused("conflict")
	}
	out := a.sellPackage(last.offer, o, yearPack{chain: chain, start: last.end, anchor: last.anchor, months: last.months, autoRenew: last.autoRenew},
		"package-renewal", most)
	if out.word == "" {
		a.packs[i].autoRenew, a.packs[i].renewable = false, 0
	}
	return out
}

func (a *yearAccount) setAutoRenewal(chain int, on bool) outcome {
	i := a.lastOfChain(chain)
	if i < 0 || a.now >= a.packs[i].end {
		return refused("not-found")
	}
	a.packs[i].autoRenew = on
	return outcome{}
}

func (a *yearAccount) setPackageAlarms(p yearPack) {
	ref := fmt.Sprint("package:", p.number)
	if p.start > p.bought {
		a.alarm(p.start, dueStart, "start "+ref, func(a *yearAccount, at int64) { a.event(at, "package-term-started", ref) })
	}
	whileLast := func(then func(a *yearAccount, i int, at int64)) func(*yearAccount, int64) {
		return func(a *yearAccount, at int64) {
			if i := a.lastOfChain(p.chain); a.packs[i].number == p.number {
				then(a, i, at)
			}
		}
	}
	for h := nextHour(p.end - aDay - 1); h < p.end; h = nextHour(h) {
		a.alarm(h, dueRenewal, "renewal "+ref, whileLast(func(a *yearAccount, i int, at int64) {
			if a.packs[i].autoRenew {
				a.autoRenew(p.chain, at)
			}
		}))
	}
	a.alarm(p.end, dueExpiry, "expiry "+ref, whileLast((*yearAccount).expirePackage))
	for _, days := range []int64{15, 7, 3, 1} {
		if when := p.end - days*aDay; when > p.bought {
			a.alarm(when, dueNotice, "notice "+ref, whileLast(func(a *yearAccount, _ int, at int64) { a.event(at, "notice-expiry", ref) }))
		}
	}
}

func (a *yearAccount) autoRenew(chain int, at int64) {
	before := a.balance
	if out := a.renewPackage(chain, ""); out.word != "" {
		a.seen["auto-renewal that failed"]++
		return
	}
	a.event(at, "package-auto-renewed", fmt.Sprint("package:", len(a.packs)))
	a.fellLow(at, before)
	a.seen["auto-renewal"]++
}

func (a *yearAccount) expirePackage(i int, at int64) {
	p := &a.packs[i]
	ref := fmt.Sprint("package:", p.number)
	a.event(at, "package-expired", ref)
	if p.autoRenew {
		a.event(at, "notice-renewal-failed", ref)
	}
	p.autoRenew, p.renewable = false, at+a.yearWorld.grace+a.yearWorld.retention
	number, lapse := p.number, p.renewable
	a.alarm(lapse, dueExpiry, "lapse "+ref, func(a *yearAccount, at int64) {
		if i := a.lastOfChain(a.packs[number-1].chain); a.packs[i].number == number && a.packs[i].renewable == lapse {
			a.event(at, "package-lapsed", ref)
		}
	})
}

// paying are the packages that pay for a call now, in turn (D14).
func (a *yearAccount) paying(operation string) (list []int) {
	for i, p := range a.packs {
		if p.operation == operation && p.used < p.quota && p.start <= a.now && a.now < p.end {
			list = append(list, i)
		}
	}
	slices.SortFunc(list, func(i, j int) int {
		p, q := a.packs[i], a.packs[j]
		for _, d := range []int64{p.end - q.end, p.bought - q.bought, int64(p.number - q.number)} {
			if d != 0 {
				return int(d / max(d, -d))
			}
		}
		return 0
	})
	return list
}
