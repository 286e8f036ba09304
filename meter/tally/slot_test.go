package tally

import (
	"math/bits"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/account"
)

func valid(n uint32, word uint64) bool { return word == countWord(n, word&countMask) }

func TestCountWordStepsLikeAdding(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint32().Draw(t, "slot")
		calls := rapid.Uint64Range(0, countMask-1).Draw(t, "calls")
		if got, want := next(countWord(n, calls)), countWord(n, calls+1); got != want {
			t.Fatalf("next of %d is %#x, want %#x", calls, got, want)
		}
	})
	if full := countWord(3, countMask); next(full) != full {
		t.Fatal("a full counter wrapped")
	}
}

func TestCountWordDetects(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint32().Draw(t, "slot")
		word := countWord(n, rapid.Uint64Range(0, countMask).Draw(t, "calls"))
		if valid(n, 0) {
			t.Fatal("a zeroed word passes")
		}
		if other := n ^ 1<<rapid.IntRange(0, 15).Draw(t, "misplaced"); n%0xffff != other%0xffff && valid(other, word) {
			t.Fatalf("a word of slot %d passes in slot %d", n, other)
		}
		var flips uint64
		for range 3 {
			flips |= 1 << rapid.IntRange(0, 63).Draw(t, "bit")
		}
		if valid(n, word^flips) {
			t.Fatalf("%d flipped bits pass", bits.OnesCount64(flips))
		}
		// Counting on must not make a damaged word pass, as far as the flips
		// leave the carry alone.
		if damaged := next(word ^ 1<<60); valid(n, damaged) {
			t.Fatal("counting hides damage")
		}
	})
}

func TestImageKeepsTheLine(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		line := drawLine(t)
		n := rapid.Uint32().Draw(t, "slot")
		im := newImage(9, n, line, 0, 5)
		if im.line() != line || im.calls() != 5 || im.void() || im.damaged() {
			t.Fatalf("got %+v, want %+v", im.line(), line)
		}
		if im.check(9, n) != stateLive || im.check(8, n) == stateLive || im.check(9, n+1) == stateLive {
			t.Fatal("the seal does not tie the slot to its tally and number")
		}
	})
}

// TestCheckAllocatesNothing: a close and a start check millions of slots.
func TestCheckAllocatesNothing(t *testing.T) {
	im := newImage(9, 4, account.Line{Account: 1, Ref: 8}, 0, 5)
	if n := testing.AllocsPerRun(1000, func() { im.check(9, 4) }); n > 0 {
		t.Errorf("a check allocates %g times", n)
	}
}

// A kill between any two stores of a new slot leaves no slot, or a whole one.
func TestSlotMadeHalf(t *testing.T) {
	t.Parallel()
	old := newImage(9, 4, account.Line{Account: 1, Ref: 8}, 0, 0)
	for _, before := range []image{{}, {old[0], old[1], 0, old[3]}} {
		im := newImage(9, 4, account.Line{Account: 2, Ref: 7}, 0, 0)
		for stored := range 4 {
			half := before
			for _, word := range storeOrder[:stored] {
				half[word] = im[word]
			}
			if half.check(9, 4) != stateEmpty {
				t.Fatalf("after %d stores: state %d", stored, half.check(9, 4))
			}
		}
		if im.check(9, 4) != stateLive {
			t.Fatal("whole slot is not live")
		}
	}
}

func drawLine(t *rapid.T) account.Line {
	return account.Line{
		Account:   rapid.Uint32().Draw(t, "account"),
		Operation: rapid.Uint16().Draw(t, "operation"),
		Kind:      account.Kind(rapid.Uint8().Draw(t, "kind")),
		Observed:  rapid.Bool().Draw(t, "observed"),
		Ref:       rapid.Uint32().Draw(t, "ref"),
	}
}

// TestWarmAtTheEnd: where the disk is full no chunk follows the last one.
func TestWarmAtTheEnd(t *testing.T) {
	f := create(t, Config{SyncInterval: -1})
	f.used.Store(f.slots.slots())
	f.warm()
}
