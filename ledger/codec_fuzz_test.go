package ledger

import (
	"bytes"
	"encoding/binary"
	"errors"
	"testing"

	"github.com/tallygate/tallygate/account"
)

// The fuzzers give their bytes a valid check, so that they get past it: what is
// then read must be readable again, or ErrDamaged.

func fuzz[T any](f *testing.F, s subject, seed []byte, decode func([]byte) (T, error), encode func([]byte, T) []byte) {
	f.Add(seed[:len(seed)-checkSize])
	f.Add([]byte{codecVersion})
	f.Fuzz(func(t *testing.T, body []byte) {
		if _, err := decode(body); err != nil && !errors.Is(err, ErrDamaged) {
			t.Fatal(err)
		}
		v, err := decode(sealed(s, body))
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		value := encode(nil, v)
		again, err := decode(value)
		if err != nil || !bytes.Equal(encode(nil, again), value) {
			t.Fatalf("%+v, read again: %+v, %v", v, again, err)
		}
	})
}

func FuzzBlock(f *testing.F) {
	a := account.Account{Number: 1, ID: "acme", Customer: "acme", Keys: []account.Key{{ID: "k1", Kind: account.SecretKey}},
		Arrears: 1, Instances: []account.Instance{{Name: "shop", ID: 1}}, Subscriptions: []account.BoughtSubscription{{Number: 1}}}
	fuzz(f, subjectOfBlock(0), AppendBlock(nil, Block{Folded: 1, Accounts: []*account.Account{&a}}),
		func(v []byte) (Block, error) { return DecodeBlock(0, v, nil) }, AppendBlock)
}

// FuzzBlockParts gives the terms their check and the state the name of them.
func FuzzBlockParts(f *testing.F) {
	seed := busyBlock(0)
	seed.Accounts = seed.Accounts[:2]
	state, terms := AppendBlockParts(nil, nil, seed)
	f.Add(state[:len(state)-checkSize-termsCheckSize], terms[:len(terms)-checkSize])
	f.Fuzz(func(t *testing.T, state, terms []byte) {
		terms = sealed(subjectOfTerms(0), terms)
		b, err := DecodeBlock(0, sealed(subjectOfBlock(0), binary.LittleEndian.AppendUint32(state, CheckOfTerms(terms))), terms)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Fatal(err)
			}
			return
		}
		state, terms = AppendBlockParts(nil, nil, b)
		again, err := DecodeBlock(0, state, terms)
		if err != nil || !bytes.Equal(AppendBlock(nil, again), AppendBlock(nil, b)) {
			t.Fatalf("%+v, read again: %+v, %v", b, again, err)
		}
	})
}

func FuzzHour(f *testing.F) {
	h := hourOf(0)
	h.Start = 0
	fuzz(f, subjectOfHour(0, 0), AppendHour(nil, h),
		func(v []byte) (BlockHour, error) { return DecodeHour(0, 0, v) }, AppendHour)
}

func FuzzMovement(f *testing.F) {
	fuzz(f, subjectOfMovement(1, 1), AppendMovement(nil, account.Movement{Account: 1, Number: 1, Kind: "top-up"}),
		func(v []byte) (account.Movement, error) { return DecodeMovement(1, 1, v) }, AppendMovement)
}

func FuzzAnswer(f *testing.F) {
	fuzz(f, subjectOfAnswer([32]byte{}), AppendAnswer(nil, Answer{JSON: []byte("{}")}),
		func(v []byte) (Answer, error) { return DecodeAnswer([32]byte{}, v) }, AppendAnswer)
}

func FuzzBook(f *testing.F) {
	fuzz(f, subjectOfBook(1), AppendBook(nil, PriceBook{Input: 1, From: 3600, Source: []byte("currency: USD")}),
		func(v []byte) (PriceBook, error) { return DecodeBook(1, v) }, AppendBook)
}

func FuzzMeta(f *testing.F) {
	fuzz(f, subjectOfMeta(), AppendMeta(nil, Meta{Operations: []string{"", "search/add"}}), DecodeMeta, AppendMeta)
}

func FuzzEvent(f *testing.F) {
	fuzz(f, subjectOfEvent(1, 1), AppendEvent(nil, account.Event{Account: 1, Number: 1, Kind: account.EventArrears, Subject: "package:1"}),
		func(v []byte) (account.Event, error) { return DecodeEvent(1, 1, v) }, AppendEvent)
}

func FuzzStatement(f *testing.F) {
	fuzz(f, subjectOfStatement(1, 202611), AppendStatement(nil, account.StatementRecord{Account: 1, Month: 202611, Number: 1, Closing: -5}),
		func(v []byte) (account.StatementRecord, error) { return DecodeStatement(1, 202611, v) }, AppendStatement)
}

func FuzzTrial(f *testing.F) {
	fuzz(f, subjectOfTrial("acme"), AppendTrial(nil, "acme", Trial{Account: 1, Input: 7}),
		func(v []byte) (Trial, error) { return DecodeTrial("acme", v) },
		func(dst []byte, t Trial) []byte { return AppendTrial(dst, "acme", t) })
}

func FuzzProduct(f *testing.F) {
	k := ProductKey{Account: 1, Instance: 1}
	fuzz(f, subjectOfProduct(k), AppendProduct(nil, k, Product{Generation: 7, Pictures: 2}),
		func(v []byte) (Product, error) { return DecodeProduct(k, v) },
		func(dst []byte, p Product) []byte { return AppendProduct(dst, k, p) })
}
