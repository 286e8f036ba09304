package meter

import (
	"slices"
	"testing"

	"github.com/tallygate/tallygate/account"
	"pgregory.net/rapid"
)

// What an account has of a kind is partly in the account itself and partly
// in the store: held against plain slices and maps here.

func TestCountersAreAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, s := Account{number: 7}, new(store)
		slots := make(map[account.Line]uint32)
		for n := range rapid.Uint32Range(1, 200).Draw(t, "steps") {
			if rapid.IntRange(0, 50).Draw(t, "period") == 0 {
				a.forgetCounters(s, n)
				clear(slots)
			}
			l := account.Line{Account: 7, Operation: rapid.Uint16Range(0, 3).Draw(t, "operation"),
				Kind:     rapid.SampledFrom([]account.Kind{account.Free, account.PayPerUse, account.RateLimited}).Draw(t, "kind"),
				Observed: rapid.Bool().Draw(t, "observed"), Ref: rapid.Uint32Range(0, 2).Draw(t, "ref")}
			slot, ok := a.findCounter(s, &l)
			if want, known := slots[l]; slot != want || ok != known {
				t.Fatalf("%+v: %d %t, want %d %t", l, slot, ok, want, known)
			}
			if !ok {
				a.addCounter(s, l, n)
				slots[l] = n
			}
		}
	})
}

func TestPackagesAreASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, s := new(Account), new(store)
		var list []Package
		for range rapid.IntRange(1, 30).Draw(t, "steps") {
			next := make([]Package, rapid.IntRange(0, 4).Draw(t, "packages"))
			for i := range next {
				next[i] = Package{Number: uint32(i) + rapid.Uint32Range(1, 3).Draw(t, "number")*10, Operation: 1, Left: 9, Start: int64(i)}
				if n := slices.IndexFunc(list, func(p Package) bool { return p.Number == next[i].Number }); n >= 0 {
					next[i].Left = list[n].Left
				}
			}
			told := slices.Clone(next)
			for i := range told {
				told[i].Left = 9
			}
			a.setPackages(s, told)
			list = next
			if n := rapid.Uint32Range(10, 34).Draw(t, "used"); len(list) > 0 {
				i := slices.IndexFunc(list, func(p Package) bool { return p.Number == n })
				switch p := a.findPackage(s, n); {
				case (p != nil) != (i >= 0):
					t.Fatalf("package %d: %v", n, p)
				case p != nil:
					p.Left--
					list[i].Left--
				}
			}
			var got []Package
			for turn := range a.packages(s) {
				got = append(got, *a.packageAt(s, turn))
			}
			if !slices.Equal(got, list) {
				t.Fatalf("%+v, want %+v", got, list)
			}
		}
	})
}

// TestAllowancesAreAMap of the newest month (D10).
func TestAllowancesAreAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, s := new(Account), new(store)
		month, used := uint32(0), make(map[uint16]uint64)
		for range rapid.IntRange(1, 100).Draw(t, "steps") {
			m := uint32(202611) + uint32(rapid.SampledFrom([]int{0, 0, 0, 0, 0, 1, 2}).Draw(t, "month"))
			op := rapid.Uint16Range(1, 5).Draw(t, "operation")
			if step := rapid.IntRange(0, 3).Draw(t, "step"); step == 3 {
				if m == month && used[op] > 0 {
					used[op]--
					a.giveFree(s, op, m)
				}
			} else {
				if m > month {
					month = m
					clear(used)
				}
				calls := rapid.Uint64Range(0, 3).Draw(t, "calls")
				switch {
				case step == 0:
					a.setFree(s, FreeUsed{op, m, calls})
				default:
					a.useFree(s, op, m, calls)
				}
				switch {
				case m < month:
				case step == 0:
					used[op] = calls
				default:
					used[op] += calls
				}
			}
			for op := range uint16(6) {
				if got := a.freeUsed(s, op, month); got != used[op] {
					t.Fatalf("operation %d: %d used, want %d", op, got, used[op])
				}
				if got := a.freeUsed(s, op, month+1); got != 0 {
					t.Fatalf("operation %d: %d used of the month to come", op, got)
				}
			}
		}
	})
}

// drawInstances is what the ledger may say of an account's instances and terms.
func drawInstances(t *rapid.T) (v View) {
	for _, name := range []string{"a", "b", "c"} {
		if rapid.Bool().Draw(t, "instance "+name) {
			v.Instances = append(v.Instances, Instance{Name: name, ID: rapid.Uint32Range(1, 2).Draw(t, "id"),
				Images: 3, Uncertain: rapid.SampledFrom([]int64{0, 0, 1}).Draw(t, "uncertain"),
				ReleasedAt: rapid.SampledFrom([]int64{0, 0, 0, 40}).Draw(t, "released")})
		}
	}
	for n := range rapid.Uint32Range(0, 5).Draw(t, "terms") {
		start := rapid.Int64Range(0, 50).Draw(t, "start")
		v.Subscriptions = append(v.Subscriptions, Subscription{Number: n + 1, Instance: rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "of"),
			Service: rapid.SampledFrom([]string{"search", "other"}).Draw(t, "service"), Start: start, End: start + rapid.Int64Range(1, 30).Draw(t, "length"),
			Limits: [classes]uint32{n, 1, 2}, MaxImages: int64(n), Void: rapid.IntRange(0, 4).Draw(t, "void") == 0})
	}
	return v
}

// plainTerm is instance.term without any saving of memory.
func plainTerm(v View, instance string, now int64) (number uint32, reason account.Kind) {
	for _, i := range v.Instances {
		if i.Name == instance && i.ReleasedAt != 0 && now >= i.ReleasedAt {
			return 0, account.Released
		}
	}
	reason = account.PaymentRequired
	for _, s := range v.Subscriptions {
		switch {
		case s.Instance != instance || s.Service != "search":
		case now >= s.End:
			reason = account.SubscriptionExpired
		case now >= s.Start && !s.Void:
			return s.Number, 0
		}
	}
	return 0, reason
}

// TestTermsAreASlice: instances and terms that change again and again are those
// of the newest view, and keys stay bound to the names that they were bound to
// (D32, D38).
func TestTermsAreASlice(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		a, s := &Account{number: 1}, new(store)
		bound := make(map[string]binding)
		for range rapid.IntRange(1, 8).Draw(t, "views") {
			v := drawInstances(t)
			if name := rapid.SampledFrom([]string{"a", "b", "d", "x", "y"}).Draw(t, "bound"); bound[name] == 0 {
				bound[name] = a.bind(s, name)
			}
			a.applyInstances(s, v)
			for _, i := range v.Instances {
				in := a.findInstance(s, i.Name)
				if in == nil || in.id != i.ID || in.occupied(s) != i.Images+i.Uncertain {
					t.Fatalf("%+v is %+v", i, in)
				}
			}
			for name, b := range bound {
				if a.boundTo(s, b) != name || a.bind(s, name) == 0 {
					t.Fatalf("a key of %s is bound to %s", name, a.boundTo(s, b))
				}
				in, _ := a.instanceOf(s, &Call{Key: Key{a, b}})
				if in != a.findInstance(s, name) {
					t.Fatalf("a key of %s is for %v", name, in)
				}
			}
			for n := range a.instances(s) {
				checkTerms(t, s, a.instanceAt(s, n), v)
			}
		}
	})
}

func checkTerms(t *rapid.T, s *store, in *instance, v View) {
	id, name := in.id, s.names.at(in.name)
	told := slices.ContainsFunc(v.Instances, func(i Instance) bool { return i.Name == name })
	if more := s.instanceMore.at(in.more); more != nil && more.releasedAt != 0 && !told {
		return // it stays what it was
	}
	for now := range int64(90) {
		number, p, reason := in.term(s, "search", now)
		if wantNumber, want := plainTerm(v, name, now); number != wantNumber || reason != want {
			t.Fatalf("%s (%d) at %d: term %d, %s; want %d, %s", name, id, now, number, reason, wantNumber, want)
		}
		if reason == 0 && *p != (plan{"search", [classes]uint32{number - 1, 1, 2}, int64(number - 1)}) {
			t.Fatalf("%s: term %d is for %+v", name, number, *p)
		}
	}
}
