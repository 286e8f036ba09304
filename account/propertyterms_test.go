package account

import (
	"math"
	"math/big"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
)

// gate admits calls as the gateway does: what a term has left is its quota less
// what is settled, less what was admitted since.
type gate struct {
	*life
	taken map[uint32]uint64 // from packages, not settled yet
	payg  uint64
}

// call funds one call to r/graduated: the free allowance is used up.
func (g *gate) call(t *rapid.T, now int64) {
	var best *BoughtPackage
	for i := range g.Packages { // the best of all, found without their order
		p := &g.Packages[i]
		open := p.Operation == 1 && p.Start <= now && now < p.End && p.Used+g.taken[p.Number] < p.Quota
		if open && (best == nil || p.End < best.End || p.End == best.End && (p.Bought < best.Bought || p.Bought == best.Bought && p.Number < best.Number)) {
			best = p
		}
	}
	for i := range g.Packages { // as meter/admit.go: the first that has some left
		p := &g.Packages[i]
		if p.Operation == 1 && p.Used+g.taken[p.Number] < p.Quota && p.Start <= now && now < p.End {
			if g.taken[p.Number]++; p != best {
				t.Fatalf("%+v is used before %+v", p, best)
			}
			return
		}
	}
	g.payg++
}

// settle settles the hour, or a part of it, that ends now.
func (g *gate) settle(t *rapid.T, end int64) {
	var counts []Count
	for n := uint32(1); n <= g.PackagesBought; n++ {
		if g.taken[n] > 0 {
			counts = append(counts, Count{Line{Account: 1, Operation: 1, Kind: Package, Ref: n}, g.taken[n]})
		}
	}
	counts = append(counts, Count{Line{Account: 1, Operation: 1, Kind: PayPerUse}, g.payg})
	start := rating.HourStart(end-1, lifeZone)
	next := g.Clone()
	if _, _, err := next.Settle(Period{Start: start, End: end, Month: uint32(rating.MonthOf(start, lifeZone))}, counts, g.rates, g.env.at(end)); err != nil {
		t.Fatal(err)
	}
	g.Account, g.taken, g.payg = next, map[uint32]uint64{}, 0
}

// TestNoOverdraw: no package pays for more calls than its quota, whatever is
// bought, renewed and settled in between, and the one that ends first pays first
// (D14, D18).
func TestNoOverdraw(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		g := &gate{newLife(DefaultPolicy), map[uint32]uint64{}, 0}
		g.step(step{at: lifeStart, command: &TopUp{Amount: "100000.00", Reference: "r"}})
		gap := rapid.SampledFrom([]int64{0, 1, 7, 1200, 3600, day, 12 * day, 31 * day})
		now := lifeStart
		for range rapid.IntRange(1, 25).Draw(t, "steps") {
			next := now + gap.Draw(t, "gap")
			if end := rating.HourEnd(now, lifeZone); next >= end {
				g.settle(t, end)
			}
			now = next
			g.advance(now)
			switch rapid.IntRange(0, 4).Draw(t, "kind") {
			case 0:
				g.step(step{at: now, command: &BuyPackage{Package: rapid.SampledFrom([]string{"tiny", "month"}).Draw(t, "package"), AutoRenew: rapid.Bool().Draw(t, "auto")}})
			case 1:
				g.step(step{at: now, command: &RenewPackage{Package: rapid.Uint32Range(1, 5).Draw(t, "number")}})
			default:
				for range rapid.IntRange(1, 12).Draw(t, "calls") {
					g.call(t, now)
				}
			}
			for _, p := range g.Packages {
				if p.Used+g.taken[p.Number] > p.Quota {
					t.Fatalf("%d calls are admitted to %+v", g.taken[p.Number], p)
				}
			}
		}
		g.settle(t, rating.HourEnd(now, lifeZone))
		for _, p := range g.Packages {
			if p.Used > p.Quota {
				t.Fatalf("overdrawn: %+v", p)
			}
		}
	})
}

// term is what proration knows of a paid term.
type term struct {
	row                 string
	whole, start, end   int64 // the whole term begins at whole, the row is in force from start
	months, basis, rate int64
	favour              *big.Int // of the roundings of its changes, in seconds of the whole term
}

// changed is what changing the terms costs at an instant, calculated once more
// (D30), and the terms after it.
func changed(terms []term, now int64, row string, rate int64) (due int64, after []term) {
	old := ""
	for _, s := range terms {
		if s.start <= now && now < s.end {
			old = s.row
		}
	}
	for _, s := range terms {
		from := max(now, s.start)
		if s.row != old || s.end <= now {
			after = append(after, s)
			continue
		}
		n, seconds := new(big.Int).Mul(big.NewInt(rate*s.months-s.basis), big.NewInt(s.end-from)), big.NewInt(s.end-s.whole)
		cost := roundOff(n, seconds)
		favour := new(big.Int).Sub(n, new(big.Int).Mul(cost, seconds))
		if s.favour != nil {
			favour.Add(favour, s.favour)
		}
		if most := new(big.Int).Lsh(seconds, 1); favour.CmpAbs(most) > 0 { // a unit is made up
			unit := big.NewInt(int64(favour.Sign()))
			cost.Add(cost, unit)
			favour.Sub(favour, unit.Mul(unit, seconds))
		}
		due += cost.Int64()
		after = append(after, term{row, s.whole, from, s.end, s.months, rate * s.months, rate, favour})
	}
	return due, after
}

// TestProration: a change costs the difference for the rest, of prepaid terms
// too; to and fro in the same second costs nothing; and whatever changes there
// are, what is paid is what was had, to half a minor unit for each (D30).
func TestProration(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		l, rates := newLife(genPolicy.Draw(t, "policy")), map[string]int64{"s1": 300_00}
		l.CreditLimit = math.MaxInt64
		for _, id := range []string{"a", "b", "c"} {
			rates[id] = rapid.OneOf(rapid.Int64Range(1, 300), rapid.Int64Range(1, 1e9)).Draw(t, "price")
			l.Rows = append(l.Rows, OwnRow{ID: id, Service: "search", MaxImages: 1, Search: 1, Add: 1, Delete: 1, Price: money.Amount(rates[id])})
		}
		row := rapid.SampledFrom([]string{"a", "b", "c", "s1"})
		now := lifeStart + rapid.Int64Range(0, 40*day).Draw(t, "start")
		run := func(c Command) (cost int64) {
			before := l.Balance
			if l.step(step{at: now, command: c}); l.refused != nil {
				t.Fatal(l.refused)
			}
			return int64(before - l.Balance)
		}
		var terms []term
		paid := int64(0)
		for i := range rapid.IntRange(1, 3).Draw(t, "terms") { // the later ones prepaid
			id, months, start := row.Draw(t, "row"), rapid.IntRange(1, 5).Draw(t, "months"), now
			basis := rates[id] * int64(months)
			switch {
			case i == 0 && id == "s1" && months == 1:
				paid, basis = run(&Subscribe{Instance: "shop", Row: id, Months: months, Trial: true}), 0
			case i == 0:
				paid += run(&Subscribe{Instance: "shop", Row: id, Months: months})
			default:
				paid += run(&RenewSubscription{Instance: "shop", Row: id, Months: months})
				start = terms[i-1].end
			}
			end := l.lastOf("shop").End
			terms = append(terms, term{id, start, start, end, int64(months), basis, basis / int64(months), nil})
		}
		had, roundings, changes := new(big.Rat), int64(0), 0
		for range rapid.IntRange(1, 6).Draw(t, "changes") {
			was := now
			now = rapid.Int64Range(now, terms[len(terms)-1].end-1).Draw(t, "now")
			had.Add(had, worth(terms, was, now))
			to := row.Draw(t, "to")
			running := l.runningTerm("shop", now)
			if running.Row == to {
				continue
			}
			due, after := changed(terms, now, to, rates[to])
			alone := true // no prepaid term of the new row, which the way back would take along
			for _, s := range terms {
				alone = alone && (s.end <= now || s.row != to && s.basis > 0) // nor a trial, to which there is no way back
			}
			if got := run(&ChangeSubscription{Instance: "shop", Row: to}); got != due {
				t.Fatalf("%+v to %s at %d costs %d, should be %d", terms, to, now, got, due)
			}
			if paid, changes = paid+due, changes+1; alone {
				back, before := changed(after, now, running.Row, rates[running.Row])
				if got := run(&ChangeSubscription{Instance: "shop", Row: running.Row}); got != back || changes < 4 && back != -due {
					t.Fatalf("%+v to %s at %d costs %d, and back %d, should be %d", terms, to, now, due, got, back)
				}
				due, after = changed(before, now, to, rates[to])
				if got := run(&ChangeSubscription{Instance: "shop", Row: to}); got != due {
					t.Fatalf("%+v to %s again costs %d, should be %d", before, to, got, due)
				}
				paid, changes = paid+back+due, changes+2
			}
			terms, roundings = after, roundings+int64(len(terms))
		}
		had.Add(had, worth(terms, now, math.MaxInt64))
		off := had.Sub(had, new(big.Rat).SetInt64(paid))
		if off.Abs(off).Cmp(big.NewRat(roundings, 2)) > 0 {
			t.Fatalf("%+v: paid %d, off by %s", terms, paid, off.FloatString(3))
		}
	})
}

// worth is what the time from, until costs at the rows that are in force in it.
func worth(terms []term, from, until int64) *big.Rat {
	sum := new(big.Rat)
	for _, s := range terms {
		if a, b := max(from, s.start), min(until, s.end); a < b {
			n := new(big.Int).Mul(big.NewInt(s.rate*s.months), big.NewInt(b-a))
			sum.Add(sum, new(big.Rat).SetFrac(n, big.NewInt(s.end-s.whole)))
		}
	}
	return sum
}

// TestRingsOfChanges: three changes within a second, each rounded in the
// customer's favour, do not pay again and again: a term gives two minor units at
// most (D30).
func TestRingsOfChanges(t *testing.T) {
	l := newLife(Policy{Law: Law{Grace: day, Retention: day}, Purchases: 1})
	l.CreditLimit = math.MaxInt64
	for _, r := range []OwnRow{{ID: "a", Price: 300_00}, {ID: "b", Price: 800_00}, {ID: "c", Price: 1500_00}} {
		r.Service, r.MaxImages, r.Search, r.Add, r.Delete = "search", 1, 1, 1, 1
		l.Rows = append(l.Rows, r)
	}
	do := func(at int64, c Command) {
		if l.step(step{at: at, command: c}); l.refused != nil {
			t.Fatal(l.refused)
		}
	}
	do(lifeStart, &Subscribe{Instance: "shop", Row: "a", Months: 1})
	paid, end := l.Balance, l.lastOf("shop").End
	at := lifeStart + 1_000_000 // an instant at which a ring pays
	for cost := int64(0); cost >= 0; at++ {
		cost = 0
		for _, difference := range []int64{500_00, 700_00, -1200_00} {
			cost += roundOff(big.NewInt(difference*(end-at-1)), big.NewInt(end-lifeStart)).Int64()
		}
	}
	for range 300 {
		for _, row := range []string{"b", "c", "a"} {
			do(at, &ChangeSubscription{Instance: "shop", Row: row})
		}
	}
	if gain := l.Balance - paid; gain < -2 || gain > 2 {
		t.Errorf("300 rings of changes moved the balance by %d minor units", gain)
	}
}
