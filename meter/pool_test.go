package meter

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"pgregory.net/rapid"
)

// TestPoolIsAMap of the numbers that are in use, over several arrays: no number
// is given out twice, every value is zero at first and stays where it is.
func TestPoolIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var p pool[uint64]
		values, places := make(map[uint32]uint64), make(map[uint32]*uint64)
		for step := range rapid.Uint64Range(1, 4*atOnce).Draw(t, "steps") {
			if step%3 == 2 && rapid.Bool().Draw(t, "give") {
				for number := range values {
					p.give(number)
					delete(values, number)
					break
				}
				continue
			}
			number, v := p.take()
			if _, used := values[number]; used || number == 0 || *v != 0 {
				t.Fatalf("number %d, used: %t, with %d in it", number, used, *v)
			}
			if known := places[number]; known != nil && known != v {
				t.Fatalf("number %d has moved", number)
			}
			*v, values[number], places[number] = step+1, step+1, v
		}
		for number, want := range values {
			if got := *p.at(number); got != want {
				t.Fatalf("number %d has %d, want %d", number, got, want)
			}
		}
		if most := uint32(len(places)); p.given != most {
			t.Fatalf("%d numbers were given out, the highest is %d", most, p.given)
		}
	})
}

// TestStoreIsShared by all who have numbers of their own.
func TestStoreIsShared(t *testing.T) {
	var s store
	var all sync.WaitGroup
	for who := range uint32(4) {
		all.Go(func() {
			var mine []uint32
			name := fmt.Sprint("shop-", who)
			for n := range uint32(5_000) {
				number, c := s.charges.take()
				c.month, mine = who, append(mine, number)
				plan, text := s.plans.number(plan{maxImages: int64(n % 100)}), s.names.number(name)
				if s.plans.at(plan).maxImages != int64(n%100) || s.names.at(text) != name {
					t.Errorf("%+v, %q", s.plans.at(plan), s.names.at(text))
				}
				if n%3 == 0 {
					s.charges.give(mine[0])
					mine = mine[1:]
				}
			}
			for _, number := range mine {
				if month := s.charges.at(number).month; month != who {
					t.Errorf("%d has the charges of %d", who, month)
				}
			}
		})
	}
	all.Wait()
}

// TestTexts are as they were written, at every length, and the same again and
// again takes no more memory.
func TestTexts(t *testing.T) {
	var all texts
	numbers := make(map[string]uint32)
	for n := range 3_000 {
		for _, s := range []string{fmt.Sprint("shop-", n), strings.Repeat("x", n), "shop"} {
			numbers[s] = all.number(s)
		}
	}
	long := strings.Repeat("y", 2*textsAtOnce)
	numbers[long] = all.number(long)
	numbers["last"] = all.number("last")
	for want, number := range numbers {
		if got := all.at(number); got != want || number == 0 {
			t.Errorf("text %d is %d bytes long, want %d", number, len(got), len(want))
		}
	}
	before := all.used
	for range 10 {
		if number := all.number("last"); number != numbers["last"] || all.used != before {
			t.Error("a text that comes again is written again")
		}
	}
}

// TestRingsGrow as far as any limit asks, and those that are given back are used
// again.
func TestRingsGrow(t *testing.T) {
	const limit = 100_000
	var s rings
	for range 3 {
		var w window
		for n := range int64(limit) {
			if free, _ := w.room(&s, limit, n); free != limit-uint32(n) {
				t.Fatalf("room for %d after %d calls", free, n)
			}
			w.take(&s, n)
		}
		if free, wait := w.room(&s, limit, limit); free != 0 || wait != second-limit {
			t.Fatalf("room for %d, and for more in %d", free, wait)
		}
		w.drop(&s)
	}
	for size := range s.sizes {
		if given := s.sizes[size].given; given > 1 {
			t.Errorf("%d rings of size %d for one window", given, size)
		}
	}
}

// TestRegister: a value has one number, whoever asks first, among the first few and
// beyond them, and stands under it.
func TestRegister(t *testing.T) {
	t.Parallel()
	const values = 3 * firstFew
	var r register[string]
	var all sync.WaitGroup
	for from := range 4 {
		all.Go(func() {
			for i := range values {
				v := fmt.Sprint((i + from) % values)
				if number := r.number(v); *r.at(number) != v || r.number(v) != number {
					t.Errorf("%q is %d, under which stands %q", v, number, *r.at(number))
				}
			}
		})
	}
	all.Wait()
	for n := range values {
		if number := r.find(fmt.Sprint(n)); number == 0 || *r.at(number) != fmt.Sprint(n) {
			t.Errorf("%d is not found, or another: %d", n, number)
		}
	}
	if known := r.values.all(); len(known) != values {
		t.Errorf("%d values have %d numbers", values, len(known))
	}
	if number := r.find("another"); number != 0 {
		t.Errorf("one that was never given has number %d", number)
	}
}
