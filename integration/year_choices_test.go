package integration

import (
	"fmt"
	"math/rand/v2"
)

// What an account may choose to do.

func chosenPackage(a *yearAccount, r *rand.Rand) (yearCommand, bool) {
	offers := append(sortedKeys(a.book(a.now).packages), "media-40-2mo", "none")
	id, auto := offers[r.IntN(len(offers))], r.IntN(3) == 0
	return yearCommand{what: "package", path: "/packages", body: map[string]any{"package": id, "auto_renew": auto}, preview: true, capped: true,
		run: func(a *yearAccount, most string) outcome { return a.buyPackage(id, auto, most) }}, true
}

// chain is one of the chains that are not forgotten yet, 0 if there are none.
func (a *yearAccount) chain(r *rand.Rand) int {
	var chains []int
	for _, p := range a.packs {
		if i := a.lastOfChain(p.chain); p.number == p.chain && a.now < max(a.packs[i].end, a.packs[i].renewable)+39*aDay {
			chains = append(chains, p.chain)
		}
	}
	if len(chains) == 0 {
		return 0
	}
	return chains[r.IntN(len(chains))]
}

func chosenRenewal(a *yearAccount, r *rand.Rand) (c yearCommand, ok bool) {
	chain := a.chain(r)
	if chain == 0 {
		return c, false
	}
	what := "renewal of a package"
	if a.packs[a.lastOfChain(chain)].renewable != 0 {
		what += " that expired"
	}
	return yearCommand{what: what, path: fmt.Sprintf("/packages/%d/renewals", chain), body: map[string]any{}, preview: true, capped: true,
		run: func(a *yearAccount, most string) outcome { return a.renewPackage(chain, most) }}, true
}

func chosenAuto(a *yearAccount, r *rand.Rand) (c yearCommand, ok bool) {
	chain, on := a.chain(r), r.IntN(3) > 0
	if chain == 0 {
		return c, false
	}
	return yearCommand{what: "auto-renewal setting", method: "PUT", path: fmt.Sprintf("/packages/%d/auto-renewal", chain), body: map[string]any{"on": on},
		run: func(a *yearAccount, _ string) outcome { return a.setAutoRenewal(chain, on) }}, true
}

func (a *yearAccount) rowID(r *rand.Rand) string {
	list := append(sortedKeys(a.book(a.now).rows), sortedKeys(a.rows)...)
	return pick(r, append(list, "small", "middle", "huge")...)
}

func (a *yearAccount) instanceName(r *rand.Rand) string { return a.id + pick(r, "-a", "-a", "-b") }

func chosenSubscription(a *yearAccount, r *rand.Rand) (yearCommand, bool) {
	name, id, months, trial := a.instanceName(r), a.rowID(r), pick(r, 1, 1, 1, 2, 3, 5), r.IntN(3) == 0
	what := "subscription"
	if trial {
		what, id = "trial", pick(r, "try", "try", "try", "small")
		months = pick(r, 1, 1, 1, 1, 2)
	}
	return yearCommand{what: what, path: "/subscriptions", preview: true, capped: true,
		body: map[string]any{"instance": name, "row": id, "months": months, "trial": trial},
		run:  func(a *yearAccount, most string) outcome { return a.subscribe(name, id, months, trial, most) }}, true
}

// chosenTerm is a renewal of an instance.
func chosenTerm(a *yearAccount, r *rand.Rand) (c yearCommand, ok bool) {
	name, id, months := a.instanceName(r), "", pick(r, 1, 1, 2, 3)
	in := a.instance(name)
	if in == nil && r.IntN(8) > 0 {
		return c, false
	}
	what := "renewal of an instance"
	if in != nil && in.released == 0 && a.now >= in.last().end {
		what += " that is retained"
	}
	body := map[string]any{"months": months}
	if r.IntN(2) == 0 {
		id = a.rowID(r)
		body["row"] = id
		what += " on another row"
	}
	return yearCommand{what: what, path: "/instances/" + name + "/renewals", body: body, preview: true, capped: true,
		run: func(a *yearAccount, most string) outcome { return a.renew(name, id, months, most) }}, true
}

func chosenChange(a *yearAccount, r *rand.Rand) (c yearCommand, ok bool) {
	name, id := a.instanceName(r), a.rowID(r)
	in := a.instance(name)
	if in == nil && r.IntN(8) > 0 {
		return c, false
	}
	what := "change"
	if in != nil && in.released == 0 {
		row, known := a.row(id)
		old := in.running(a.now)
		switch {
		case old == nil || !known:
		case row.price*int64(old.months) > old.basis:
			what = "upgrade"
		default:
			what = "downgrade"
		}
	}
	return yearCommand{what: what, path: "/instances/" + name + "/changes", body: map[string]any{"row": id}, preview: true, capped: true,
		run: func(a *yearAccount, most string) outcome { return a.change(name, id, most) }}, true
}

func chosenAdjustment(a *yearAccount, r *rand.Rand) (c yearCommand, ok bool) {
	amount := pick(r, int64(1+r.IntN(3000)), -int64(1+r.IntN(3000)))
	if r.IntN(3) == 0 && a.balance > 0 && a.habit() > 0 {
		amount = -a.balance - int64(r.IntN(300)) - 1 // undoes all top-ups
	}
	return yearCommand{what: "adjustment", path: "/adjustments", body: map[string]any{"amount": dollars(amount), "reason": "a mistake", "reference": "ticket"},
		preview: true, run: func(a *yearAccount, _ string) outcome { return a.credit("adjustment", amount) }}, true
}

func chosenSettings(a *yearAccount, r *rand.Rand) (yearCommand, bool) {
	limit, low, payPerUse := int64(pick(r, 0, 0, 50, 1000)), int64(pick(r, 0, 100, 5000)), r.IntN(6) > 0
	return yearCommand{what: "account settings", method: "PATCH",
		body: map[string]any{"credit_limit": dollars(limit), "low_balance": dollars(low), "pay_per_use": payPerUse},
		run: func(a *yearAccount, _ string) outcome {
			a.limit, a.low, a.payPerUse = limit, low, payPerUse
			a.leaveArrears()
			return outcome{}
		}}, true
}

// chosenRow is a row of the account's own, dearer or cheaper than before.
func chosenRow(a *yearAccount, r *rand.Rand) (yearCommand, bool) {
	row := yearRow{images: 40, qps: 12, delete: 4, price: int64(40_000 + r.IntN(20_000))}
	return yearCommand{what: "row of its own", path: "/rows",
		body: map[string]any{"row": "own", "max_images": row.images, "qps": map[string]any{"search": row.qps, "delete": row.delete}, "price": dollars(row.price)},
		run:  func(a *yearAccount, _ string) outcome { a.rows["own"] = row; return outcome{} }}, true
}

// chosenAcknowledgement says that the data of what was released is deleted.
func chosenAcknowledgement(a *yearAccount, r *rand.Rand) (c yearCommand, ok bool) {
	body, name := map[string]any{}, ""
	if a.released == 0 || r.IntN(3) == 0 {
		name = a.instanceName(r)
		body["instance"] = name
	}
	in := a.instance(name)
	if name != "" && (in == nil || in.released == 0) && r.IntN(6) > 0 {
		return c, false
	}
	return yearCommand{what: "acknowledgement", path: "/releases/acknowledge", body: body, run: func(a *yearAccount, _ string) outcome {
		switch in := a.instance(name); {
		case name == "":
			a.acknowledged = true
			for i := range a.instances {
				a.instances[i].acknowledged = true
			}
		case in == nil:
			return refused("not-found")
		case in.released == 0:
			return refused("conflict")
		default:
			in.acknowledged = true
		}
		return outcome{}
	}}, true
}
