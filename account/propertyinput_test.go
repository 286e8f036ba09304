package account

import (
	"encoding/json"
	"errors"
	"maps"
	"reflect"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// TestAnyInput: whatever a command says, it is obeyed or refused with a reason,
// nothing panics or wraps, and the books balance; the journal's copy does the
// same as the original (D33).
func TestAnyInput(t *testing.T) {
	t.Parallel()
	kinds := slices.Sorted(maps.Keys(commands))
	rapid.Check(t, func(t *rapid.T) {
		l := newLife(genPolicy.Draw(t, "policy"))
		at := lifeStart
		for range rapid.IntRange(1, 20).Draw(t, "commands") {
			c := genCommand.Draw(t, "sensible")
			if rapid.IntRange(0, 3).Draw(t, "odd") > 0 {
				if c = commands[rapid.SampledFrom(kinds).Draw(t, "kind")](); c.Type() == "create-account" {
					continue // the ledger gives it an empty account
				}
				fill(t, reflect.ValueOf(c).Elem())
			}
			at += rapid.SampledFrom([]int64{0, 1, 3600, 20 * day}).Draw(t, "gap")
			obey(t, l, c, at)
		}
		sum, open := -l.debits, l.Closed
		for _, m := range l.movements {
			sum += m.Amount
		}
		for _, m := range l.Months {
			open += m.Sum
		}
		if l.Balance != sum || l.Balance != open {
			t.Fatalf("balance %d, movements less debits %d, closed and open months %d", l.Balance, sum, open)
		}
	})
}

func obey(t *rapid.T, l *life, c Command, at int64) {
	data, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	copied, err := Decode(c.Type(), data)
	if err != nil {
		t.Fatal(err)
	}
	one, other := l.Clone(), l.Clone()
	f, errOne := Do(one, c, l.env.at(at))
	g, errOther := Do(other, copied, l.env.at(at))
	if !reflect.DeepEqual(f, g) || !reflect.DeepEqual(one, other) || (errOne == nil) != (errOther == nil) {
		t.Fatalf("%s: %+v, %v; from the journal: %+v, %v", data, f, errOne, g, errOther)
	}
	var no *Error
	switch {
	case errOne == nil:
		l.Account = one
		l.take(f)
	case !errors.As(errOne, &no) || no.Text == "" || no.Field == "" && c.Type() != "change-account":
		t.Fatalf("%s: %#v", data, errOne)
	}
}

// fill gives every field of a command something, often something odd.
func fill(t *rapid.T, v reflect.Value) {
	text := rapid.SampledFrom([]string{"", "shop", "test", "s1", "s2", "own", "tiny", "month", "search", "secret", "r", "1", "0.01", "-0.01", "100.00",
		"50000000000000000.00", "92233720368547758.07", "-92233720368547758.08", "1e400", "0.001", "NaN", "a/b", "\x00", "ü", "0", "-1", "+1", " 1",
		"0000000000000000000000000000000000000000000000000000000000000000"})
	number := rapid.SampledFrom([]int64{0, 0, 1, 1, 2, 3, 12, 36, 37, 1000, 1 << 31, 1<<32 - 1, 1 << 62, -1, -1 << 63})
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString(text.Draw(t, v.Type().Field(i).Name))
		case reflect.Int, reflect.Int64:
			f.SetInt(number.Draw(t, v.Type().Field(i).Name))
		case reflect.Uint32:
			f.SetUint(uint64(uint32(number.Draw(t, v.Type().Field(i).Name))))
		case reflect.Bool:
			f.SetBool(rapid.Bool().Draw(t, v.Type().Field(i).Name))
		case reflect.Pointer:
			if rapid.Bool().Draw(t, "set") {
				f.Set(reflect.New(f.Type().Elem()))
				if f.Elem().Kind() == reflect.String {
					f.Elem().SetString(text.Draw(t, v.Type().Field(i).Name))
				}
			}
		default:
			t.Fatalf("%s has a %s: draw one", v.Type(), f.Kind())
		}
	}
}
