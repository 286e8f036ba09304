package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating/money"
)

// appendParts writes a block's two values behind one another.
func appendParts(dst []byte, b Block) []byte {
	state, terms := AppendBlockParts(nil, nil, b)
	dst = binary.AppendUvarint(dst, uint64(len(state)))
	return append(append(dst, state...), terms...)
}

func decodeParts(number uint32, v []byte) (Block, error) {
	length, n := binary.Uvarint(v)
	if n <= 0 || length > uint64(len(v)-n) {
		return Block{}, fmt.Errorf("%w: no length", ErrDamaged)
	}
	return DecodeBlock(number, v[n:][:length], v[n:][length:])
}

// TestHourLeavesTerms: an hour that only debits, and image changes, move the
// state and leave the terms as they are.
func TestHourLeavesTerms(t *testing.T) {
	t.Parallel()
	b := busyBlock(7)
	state, terms := AppendBlockParts(nil, nil, b)
	b.Folded++
	for _, a := range b.Accounts {
		a.Seen, a.LastMovement = a.Seen+3600, a.LastMovement+3600
		a.Balance, a.Months[0].Sum = a.Balance-250, a.Months[0].Sum-250
		a.Movements, a.Events, a.Arrears = a.Movements+1, a.Events+1, a.Seen
		a.Usage[0].PayPerUse, a.Usage[0].Exact, a.Usage[0].Debited = 99_999, money.TotalOf(1, 2), 250
		a.Packages[0].Used += 250
		a.Instances[0].Images++
	}
	after, same := AppendBlockParts(nil, nil, b)
	if bytes.Equal(after, state) || !bytes.Equal(same, terms) {
		t.Fatalf("the state stays: %t; the terms stay: %t", bytes.Equal(after, state), bytes.Equal(same, terms))
	}
	if perAccount := len(state) / BlockSize; perAccount > 64 {
		t.Errorf("%d bytes of state for an account", perAccount)
	}
}

// TestStateAlone: written without its terms, a state is the same.
func TestStateAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := randomBlock(t)
		want, terms := AppendBlockParts(nil, nil, b)
		if got := AppendBlockState([]byte("before"), b, CheckOfTerms(terms)); string(got) != "before"+string(want) {
			t.Fatalf("%x\ninstead of\n%x", got, want)
		}
	})
}

// TestPartsBelongTogether: a block is read only from the very two values that
// were written together, or from one.
func TestPartsBelongTogether(t *testing.T) {
	t.Parallel()
	b := busyBlock(7)
	before, earlier := AppendBlockParts(nil, nil, b)
	b.Accounts[3].Keys[0].Label = "new"
	state, terms := AppendBlockParts(nil, nil, b)
	_, others := AppendBlockParts(nil, nil, Block{Number: 8})
	for name, v := range map[string][2][]byte{
		"terms of before":  {state, earlier},
		"state of before":  {before, terms},
		"terms of another": {state, others},
		"no terms":         {state, nil},
		"empty terms":      {state, {}},
		"one value, terms": {AppendBlock(nil, b), terms},
		"terms as state":   {terms, nil},
		"state as terms":   {state, state},
		"no state":         {nil, terms},
	} {
		if _, err := DecodeBlock(7, v[0], v[1]); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: read, %v", name, err)
		}
		if _, err := CheckBlock(7, v[0], v[1]); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: checked, %v", name, err)
		}
	}
}

// TestDecodedAccountsAreApart: what is appended to a list of an account does not
// reach into another's, although they stand in one slab.
func TestDecodedAccountsAreApart(t *testing.T) {
	t.Parallel()
	value, terms := AppendBlockParts(nil, nil, busyBlock(7))
	b, err := DecodeBlock(7, value, terms)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range b.Accounts {
		_ = append(a.Months, account.OpenMonth{})
		_ = append(a.Usage, account.OperationUsage{})
		_ = append(a.Packages, account.BoughtPackage{})
		_ = append(a.Subscriptions, account.BoughtSubscription{})
		_ = append(a.Instances, account.Instance{})
		_ = append(a.Rows, account.OwnRow{})
		_ = append(a.Keys, account.Key{})
	}
	if !bytes.Equal(AppendBlock(nil, b), AppendBlock(nil, busyBlock(7))) {
		t.Fatal("an append has changed another account")
	}
}

// TestDecodeBlockAllocates: a start decodes every block there is. It is serial,
// since it counts what everything allocates.
func TestDecodeBlockAllocates(t *testing.T) {
	value, terms := AppendBlockParts(nil, nil, busyBlock(7))
	if n := testing.AllocsPerRun(10, func() { DecodeBlock(7, value, terms) }); n > 20 {
		t.Fatalf("%.0f allocations for a block", n)
	}
}

// TestSlabsAreUsedAgain: what is decoded in them is the same as anywhere else, whatever
// stood there before, and takes next to nothing the second time.
func TestSlabsAreUsedAgain(t *testing.T) {
	var slabs Slabs
	for bare := range 4 { // another account each time
		slabs.Reset()
		var got, want []Block
		for n := range uint32(4) {
			b := busyBlock(n)
			b.Accounts[bare] = &account.Account{Number: b.Accounts[bare].Number, ID: "bare", Customer: "bare"}
			state, terms := AppendBlockParts(nil, nil, b)
			in, err := slabs.DecodeBlock(n, state, terms)
			if err != nil {
				t.Fatal(err)
			}
			alone, err := DecodeBlock(n, state, terms)
			if err != nil {
				t.Fatal(err)
			}
			for _, a := range in.Accounts {
				if a.ID == "bare" { // it has room for lists
					a.Months, a.Usage = nil, nil
				}
			}
			got, want = append(got, in), append(want, alone)
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatalf("with account %d of each bare: %+v, want %+v", bare, got, want)
		}
	}
	state, terms := AppendBlockParts(nil, nil, busyBlock(7))
	if n := testing.AllocsPerRun(10, func() { slabs.Reset(); slabs.DecodeBlock(7, state, terms) }); n > 10 {
		t.Errorf("%g allocations", n)
	}
}

// TestSlabsHaveRoomToGrow: what an hour begins takes nothing, and goes into no other
// account.
func TestSlabsHaveRoomToGrow(t *testing.T) {
	b := busyBlock(7)
	b.Accounts[3].Months, b.Accounts[3].Usage = nil, nil
	state, terms := AppendBlockParts(nil, nil, b)
	var slabs Slabs
	for range 3 { // the second time there is as much room as the first time needed without
		slabs.Reset()
		b, _ = slabs.DecodeBlock(7, state, terms)
	}
	grow := func() {
		for _, a := range b.Accounts {
			_ = append(a.Months, account.OpenMonth{Month: 1})
			_ = append(a.Usage, account.OperationUsage{Month: 1})
		}
	}
	if n := testing.AllocsPerRun(10, grow); n > 0 {
		t.Errorf("%g allocations", n)
	}
	if gotState, gotTerms := AppendBlockParts(nil, nil, b); !bytes.Equal(gotState, state) || !bytes.Equal(gotTerms, terms) {
		t.Error("an append has changed another account")
	}
}

// TestTextsAreTheirOwn, also where one is taken for another at first.
func TestTextsAreTheirOwn(t *testing.T) {
	t.Parallel()
	var all texts
	for range 2 {
		for _, want := range []string{"shop", "step", "", "s", "shop", "search", "slap", strings.Repeat("s", textChunk+1), "step"} {
			if got := all.cut([]byte(want)); got != want {
				t.Errorf("%q is read as %q", want, got)
			}
		}
	}
}
