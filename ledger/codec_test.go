package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"math"
	"reflect"
	"runtime"
	"slices"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating/money"
	"pgregory.net/rapid"
)

// form is one kind of value: anything made at random goes through it.
type form struct {
	name   string
	random func(*rapid.T) any
	encode func(v any) []byte
	decode func(like any, value []byte) (any, error) // under the key of like
}

func formOf[T any](name string, random func(*rapid.T) T, encode func([]byte, T) []byte,
	decode func(like T, value []byte) (T, error)) form {
	return form{name,
		func(t *rapid.T) any { v := random(t); tidy(reflect.ValueOf(&v)); return v },
		func(v any) []byte { return encode(nil, v.(T)) },
		func(like any, value []byte) (any, error) { return decode(like.(T), value) }}
}

func made[T any](t *rapid.T) T { return rapid.Make[T]().Draw(t, "value") }

type named struct {
	ID     string
	Number uint32
}

type owned struct {
	Hash   [32]byte
	Number uint32
}

type tried struct {
	Customer string
	Trial    Trial
}

type held struct {
	Key     ProductKey
	Product Product
}

var forms = []form{
	formOf("block", randomBlock, AppendBlock, func(b Block, v []byte) (Block, error) { return DecodeBlock(b.Number, v, nil) }),
	formOf("block in parts", randomBlock, appendParts, func(b Block, v []byte) (Block, error) { return decodeParts(b.Number, v) }),
	formOf("hour", randomHour, AppendHour, func(h BlockHour, v []byte) (BlockHour, error) { return DecodeHour(h.Block, h.Start, v) }),
	formOf("movement", made, AppendMovement, func(m account.Movement, v []byte) (account.Movement, error) {
		return DecodeMovement(m.Account, m.Number, v)
	}),
	formOf("event", made, AppendEvent, func(e account.Event, v []byte) (account.Event, error) {
		return DecodeEvent(e.Account, e.Number, v)
	}),
	formOf("statement", made, AppendStatement, func(r account.StatementRecord, v []byte) (account.StatementRecord, error) {
		return DecodeStatement(r.Account, r.Month, v)
	}),
	formOf("trial", made, func(dst []byte, t tried) []byte { return AppendTrial(dst, t.Customer, t.Trial) },
		func(t tried, v []byte) (tried, error) {
			got, err := DecodeTrial(t.Customer, v)
			return tried{t.Customer, got}, err
		}),
	formOf("product", made, func(dst []byte, h held) []byte { return AppendProduct(dst, h.Key, h.Product) },
		func(h held, v []byte) (held, error) {
			got, err := DecodeProduct(h.Key, v)
			return held{h.Key, got}, err
		}),
	formOf("picture", made, AppendPicture, func(k PictureKey, v []byte) (PictureKey, error) { return k, CheckPicture(k, v) }),
	formOf("answer", made, AppendAnswer, func(a Answer, v []byte) (Answer, error) { return DecodeAnswer(a.Key, v) }),
	formOf("book", made, AppendBook, func(b PriceBook, v []byte) (PriceBook, error) { return DecodeBook(b.Input, v) }),
	formOf("meta", made, AppendMeta, func(_ Meta, v []byte) (Meta, error) { return DecodeMeta(v) }),
	formOf("number", made, func(dst []byte, n named) []byte { return AppendNumber(dst, n.ID, n.Number) },
		func(n named, v []byte) (named, error) {
			got, err := DecodeNumber(n.ID, v)
			return named{n.ID, got}, err
		}),
	formOf("owner", made, func(dst []byte, o owned) []byte { return AppendKeyOwner(dst, o.Hash, o.Number) },
		func(o owned, v []byte) (owned, error) {
			got, err := DecodeKeyOwner(o.Hash, v)
			return owned{o.Hash, got}, err
		}),
}

// randomBlock fills every field that an account has, also ones that are added
// later: forgetting one in the codec fails the round trip.
func randomBlock(t *rapid.T) Block {
	b := Block{Number: rapid.Uint32().Draw(t, "number"), Folded: rapid.Uint64().Draw(t, "folded")}
	for _, a := range rapid.SliceOfN(rapid.Make[account.Account](), 0, 4).Draw(t, "accounts") {
		b.Accounts = append(b.Accounts, &a)
	}
	return b
}

// randomHour mixes lines of any shape with ones like those of a real hour.
func randomHour(t *rapid.T) BlockHour {
	h := made[BlockHour](t)
	for range rapid.IntRange(0, 40).Draw(t, "lines") {
		var c account.Charge
		c.Account = h.Block*BlockSize + rapid.Uint32Range(0, 3).Draw(t, "account")
		c.Operation = rapid.Uint16Range(1, 3).Draw(t, "operation")
		c.Kind = account.Kind(rapid.Uint8Range(1, 3).Draw(t, "kind"))
		c.Calls = rapid.Uint64Range(0, 300).Draw(t, "calls")
		h.Charges = append(h.Charges, c)
	}
	return h
}

// tidy makes empty slices nil, as they read back.
func tidy(v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer:
		tidy(v.Elem())
	case reflect.Struct:
		for i := range v.NumField() {
			tidy(v.Field(i))
		}
	case reflect.Slice:
		if v.Len() == 0 {
			v.SetZero()
		}
		for i := range v.Len() {
			tidy(v.Index(i))
		}
	}
}

func TestRoundTrip(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			rapid.Check(t, func(t *rapid.T) {
				v := f.random(t)
				value := f.encode(v)
				back, err := f.decode(v, value)
				if err != nil {
					t.Fatal(err)
				}
				if !reflect.DeepEqual(v, back) {
					t.Fatalf("wrote %+v, read %+v", v, back)
				}
				if !bytes.Equal(f.encode(back), value) {
					t.Fatal("the same value has two encodings")
				}
			})
		})
	}
}

// TestEveryFieldAlone sets one field of an account at a time, nested ones too:
// one that the codec writes only where others are set, or not at all, is lost.
func TestEveryFieldAlone(t *testing.T) {
	t.Parallel()
	for _, kind := range []any{account.Account{}, account.BoughtPackage{}, account.BoughtSubscription{}, account.Instance{},
		account.OwnRow{}, account.Key{}, account.OperationUsage{}, account.OpenMonth{}} {
		of := reflect.TypeOf(kind)
		for i := range of.NumField() {
			a := &account.Account{Number: 64}
			v := fieldOf(a, of)
			setAnything(v.Field(i))
			want := Block{Number: a.Number / BlockSize, Accounts: []*account.Account{a}}
			state, terms := AppendBlockParts(nil, nil, want)
			if alone := AppendBlockState(nil, want, CheckOfTerms(terms)); !bytes.Equal(alone, state) {
				t.Errorf("%s.%s: the state alone is %x instead of %x", of.Name(), of.Field(i).Name, alone, state)
			}
			for value, terms := range map[string][]byte{string(AppendBlock(nil, want)): nil, string(state): terms} {
				got, err := DecodeBlock(want.Number, []byte(value), terms)
				if err != nil || !reflect.DeepEqual(got, want) {
					t.Errorf("%s.%s is lost: wrote %+v, read %+v, %v", of.Name(), of.Field(i).Name, a, got.Accounts, err)
				}
			}
		}
	}
}

// fieldOf is the account itself, or one element of its list of that kind.
func fieldOf(a *account.Account, of reflect.Type) reflect.Value {
	v := reflect.ValueOf(a).Elem()
	if v.Type() == of {
		return v
	}
	for i := range v.NumField() {
		if f := v.Field(i); f.Kind() == reflect.Slice && f.Type().Elem() == of {
			f.Set(reflect.MakeSlice(f.Type(), 1, 1))
			return f.Index(0)
		}
	}
	panic("an account has no list of " + of.Name())
}

// setAnything sets a field to something that is not zero.
func setAnything(v reflect.Value) {
	switch v.Kind() {
	case reflect.Struct:
		if _, ok := v.Interface().(money.Total); ok {
			v.Set(reflect.ValueOf(money.TotalOf(1, 2)))
			return
		}
		setAnything(v.Field(v.NumField() - 1))
	case reflect.Array:
		setAnything(v.Index(0))
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
	case reflect.String:
		v.SetString("x")
	case reflect.Bool:
		v.SetBool(true)
	default:
		if v.CanInt() {
			v.SetInt(65)
		} else {
			v.SetUint(65)
		}
	}
}

// TestEveryBitIsChecked flips each bit of values, and cuts them everywhere.
func TestEveryBitIsChecked(t *testing.T) {
	t.Parallel()
	for _, f := range forms {
		t.Run(f.name, func(t *testing.T) {
			t.Parallel()
			v := rapid.Custom(f.random).Example(1)
			value := f.encode(v)
			for bit := range len(value) * 8 {
				value[bit/8] ^= 1 << (bit % 8)
				if _, err := f.decode(v, value); !errors.Is(err, ErrDamaged) {
					t.Fatalf("bit %d of %d flipped: %v", bit, len(value)*8, err)
				}
				value[bit/8] ^= 1 << (bit % 8)
			}
			for n := range value {
				if _, err := f.decode(v, value[:n]); !errors.Is(err, ErrDamaged) {
					t.Fatalf("cut to %d of %d bytes: %v", n, len(value), err)
				}
			}
		})
	}
}

// TestKeyIsChecked reads values under keys that are not theirs, and as values
// of other kinds.
func TestKeyIsChecked(t *testing.T) {
	t.Parallel()
	reads := []struct {
		name  string
		value []byte
		read  func([]byte) error
	}{
		{"block 7 as 8", AppendBlock(nil, Block{Number: 7}), func(v []byte) error { _, err := DecodeBlock(8, v, nil); return err }},
		{"folded of 7 as 8", AppendBlock(nil, Block{Number: 7}), func(v []byte) error { _, err := CheckBlock(8, v, nil); return err }},
		{"hour of block 7 as 8", AppendHour(nil, BlockHour{Block: 7, Start: 3600}), func(v []byte) error { _, err := DecodeHour(8, 3600, v); return err }},
		{"hour as the next", AppendHour(nil, BlockHour{Block: 7, Start: 3600}), func(v []byte) error { _, err := DecodeHour(7, 7200, v); return err }},
		{"movement 1 as 2", AppendMovement(nil, account.Movement{Account: 5, Number: 1}), func(v []byte) error { _, err := DecodeMovement(5, 2, v); return err }},
		{"movement of another", AppendMovement(nil, account.Movement{Account: 5, Number: 1}), func(v []byte) error { _, err := DecodeMovement(6, 1, v); return err }},
		{"answer of another", AppendAnswer(nil, Answer{Key: [32]byte{1}}), func(v []byte) error { _, err := DecodeAnswer([32]byte{2}, v); return err }},
		{"book of another input", AppendBook(nil, PriceBook{Input: 1}), func(v []byte) error { _, err := DecodeBook(2, v); return err }},
		{"number of another", AppendNumber(nil, "acme", 1), func(v []byte) error { _, err := DecodeNumber("acmf", v); return err }},
		{"key of another", AppendKeyOwner(nil, [32]byte{1}, 1), func(v []byte) error { _, err := DecodeKeyOwner([32]byte{2}, v); return err }},
		{"event 1 as 2", AppendEvent(nil, account.Event{Account: 5, Number: 1}), func(v []byte) error { _, err := DecodeEvent(5, 2, v); return err }},
		{"event of another", AppendEvent(nil, account.Event{Account: 5, Number: 1}), func(v []byte) error { _, err := DecodeEvent(6, 1, v); return err }},
		{"statement of another month", AppendStatement(nil, account.StatementRecord{Account: 5, Month: 202611}), func(v []byte) error { _, err := DecodeStatement(5, 202612, v); return err }},
		{"statement of another", AppendStatement(nil, account.StatementRecord{Account: 5, Month: 202611}), func(v []byte) error { _, err := DecodeStatement(6, 202611, v); return err }},
		{"trial of another", AppendTrial(nil, "acme", Trial{Account: 1}), func(v []byte) error { _, err := DecodeTrial("acmf", v); return err }},
		{"product of another instance", AppendProduct(nil, ProductKey{Account: 1, Instance: 1}, Product{}), func(v []byte) error { _, err := DecodeProduct(ProductKey{Account: 1, Instance: 2}, v); return err }},
		{"picture of another generation", AppendPicture(nil, PictureKey{Generation: 1}), func(v []byte) error { return CheckPicture(PictureKey{Generation: 2}, v) }},
		{"picture of another", AppendPicture(nil, PictureKey{}), func(v []byte) error { return CheckPicture(PictureKey{Picture: [16]byte{1}}, v) }},
		{"picture as product", AppendPicture(nil, PictureKey{}), func(v []byte) error { _, err := DecodeProduct(ProductKey{}, v); return err }},
		{"event as movement", AppendEvent(nil, account.Event{Account: 5, Number: 1}), func(v []byte) error { _, err := DecodeMovement(5, 1, v); return err }},
		{"hour as block", AppendHour(nil, BlockHour{Block: 7}), func(v []byte) error { _, err := DecodeBlock(7, v, nil); return err }},
		{"meta as block", AppendMeta(nil, Meta{}), func(v []byte) error { _, err := DecodeBlock(0, v, nil); return err }},
	}
	for _, r := range reads {
		if err := r.read(r.value); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", r.name, err)
		}
	}
}

func TestFoldedAlone(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		b := randomBlock(t)
		state, terms := AppendBlockParts(nil, nil, b)
		for value, terms := range map[string][]byte{string(AppendBlock(nil, b)): nil, string(state): terms} {
			folded, err := CheckBlock(b.Number, []byte(value), terms)
			if err != nil || folded != b.Folded {
				t.Fatalf("%d, %v instead of %d", folded, err, b.Folded)
			}
		}
	})
}

// TestAppendKeepsWhatIsThere: the check covers the value, not what it is
// appended to.
func TestAppendKeepsWhatIsThere(t *testing.T) {
	t.Parallel()
	alone := AppendMeta(nil, Meta{ID: "x"})
	if got := AppendMeta([]byte("before"), Meta{ID: "x"}); !bytes.Equal(got, slices.Concat([]byte("before"), alone)) {
		t.Fatalf("%x", got)
	}
}

// hourOf is a settled period as a busy ledger sees it: each of 64 accounts has
// calls of one operation paid by the allowance and from the balance.
func hourOf(block uint32) BlockHour {
	h := BlockHour{Block: block, Start: 1_790_000_000, Length: 3600, Input: 1_000_000}
	for i := range uint32(BlockSize) {
		line := account.Line{Account: block*BlockSize + i, Operation: 3, Kind: account.Free, Ref: 202609}
		h.Charges = append(h.Charges, account.Charge{Count: account.Count{Line: line, Calls: uint64(i)}})
		line.Kind, line.Ref = account.PayPerUse, 0
		h.Charges = append(h.Charges, account.Charge{Count: account.Count{Line: line, Calls: 1000 + uint64(i)}, Amount: 250})
	}
	return h
}

// TestManyColumns: an hour with any number of columns reads back.
func TestManyColumns(t *testing.T) {
	t.Parallel()
	for columns := range uint32(3 * fewColumns) {
		h := BlockHour{Block: 7, Start: 3600}
		for i := range 4 * columns {
			line := account.Line{Account: 7*BlockSize + i/16, Operation: 1, Kind: account.Package, Ref: i % columns}
			h.Charges = append(h.Charges, account.Charge{Count: account.Count{Line: line, Calls: uint64(i)}})
		}
		if got, err := DecodeHour(7, 3600, AppendHour(nil, h)); err != nil || !reflect.DeepEqual(got, h) {
			t.Fatalf("%d columns: wrote %+v, read %+v, %v", columns, h, got, err)
		}
	}
}

// TestHourIsSmall holds the disk budget of a line, of which Badger needs a part.
func TestHourIsSmall(t *testing.T) {
	t.Parallel()
	h := hourOf(15_000)
	if perLine := float64(len(AppendHour(nil, h))) / float64(len(h.Charges)); perLine > 4.5 {
		t.Fatalf("%.1f bytes a line", perLine)
	}
}

// TestFormatIsStrict gives values a valid check that no encoder writes: what
// does not follow the format to the last bit is not read as something else.
func TestFormatIsStrict(t *testing.T) {
	t.Parallel()
	meta := func(flags, accounts uint64, rest ...byte) []byte {
		body := []byte{codecVersion, 0, 0, 0}
		body = append(binary.AppendUvarint(body, flags), 0, 0)
		return append(binary.AppendUvarint(body, accounts), rest...)
	}
	rest := make([]byte, 9, 10) // operations to Configured, all empty
	for _, c := range []struct {
		name string
		body []byte
		fine bool
	}{
		{"as written", meta(1, math.MaxUint32, rest...), true},
		{"a byte too many", meta(1, 1, append(rest, 0)...), false},
		{"a byte too few", meta(1, 1, rest[1:]...), false},
		{"a flag that is not known", meta(2, 1, rest...), false},
		{"a number out of range", meta(1, math.MaxUint32+1, rest...), false},
		{"another version", append([]byte{codecVersion + 1}, meta(1, 1, rest...)[1:]...), false},
		{"no fields", nil, false},
	} {
		_, err := DecodeMeta(sealed(subjectOfMeta(), c.body))
		if c.fine && err != nil || !c.fine && !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// TestLengthsAreNotTrusted: a list that claims to be as long as the value could
// just hold is not allocated for before its elements are seen. It is serial,
// since it measures what everything allocates.
func TestLengthsAreNotTrusted(t *testing.T) {
	for s, fieldsBefore := range map[subject]int{subjectOfBlock(0): 1, subjectOfHour(0, 0): 2, subjectOfMeta(): 7} {
		body := append([]byte{codecVersion}, make([]byte, fieldsBefore)...)
		body = binary.AppendUvarint(body, 1<<20)
		body = append(body, bytes.Repeat([]byte{0xff}, 1<<20)...)
		value := sealed(s, body)
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		err := decodeAny(s, value)
		runtime.ReadMemStats(&after)
		if allocated := after.TotalAlloc - before.TotalAlloc; !errors.Is(err, ErrDamaged) || allocated > 100<<10 {
			t.Fatalf("%d bytes allocated, %v", allocated, err)
		}
	}
}

func sealed(s subject, body []byte) []byte {
	check := crc32.Update(uint32(s), castagnoli, body)
	return append(slices.Clone(body), byte(check), byte(check>>8), byte(check>>16), byte(check>>24))
}

func decodeAny(s subject, value []byte) error {
	switch s {
	case subjectOfBlock(0):
		_, err := DecodeBlock(0, value, nil)
		return err
	case subjectOfHour(0, 0):
		_, err := DecodeHour(0, 0, value)
		return err
	}
	_, err := DecodeMeta(value)
	return err
}

func BenchmarkHour(b *testing.B) {
	h := hourOf(7)
	value := AppendHour(nil, h)
	b.Run("encode", func(b *testing.B) {
		for b.Loop() {
			value = AppendHour(value[:0], h)
		}
		b.ReportMetric(float64(len(value))/float64(len(h.Charges)), "bytes/line")
	})
	b.Run("decode", func(b *testing.B) {
		for b.Loop() {
			if _, err := DecodeHour(h.Block, h.Start, value); err != nil {
				b.Fatal(err)
			}
		}
	})
}
