package ledgertest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/rating/money"
)

// stepOf is step n of a history that is always the same. It works on few
// blocks, periods and keys, so that most of what it writes was there before.
func stepOf(n uint64) ledger.Step {
	r := rand.New(rand.NewPCG(n, 4711))
	s := ledger.Step{Meta: metaOf(n), Accounts: map[string]uint32{}, Keys: map[[32]byte]uint32{}}
	first := r.Uint32N(4)
	for b := first; b <= first+r.Uint32N(3); b++ {
		s.Blocks = append(s.Blocks, blockOf(b, n))
		s.Hours = append(s.Hours, hourOf(b, 3600*(r.Int64N(8)-2), n))
	}
	for range r.IntN(3) {
		s.Movements = append(s.Movements, movementOf(1+r.Uint32N(5), uint32(n), r))
	}
	if r.IntN(2) == 0 {
		s.Answers = append(s.Answers, ledger.Answer{Key: hashOf(n), Content: hashOf(n + 1), Input: n, JSON: []byte(`{"ok":true}`)})
		s.Accounts[fmt.Sprintf("account-%d", n)] = uint32(n)
	}
	if r.IntN(8) == 0 {
		s.Books = append(s.Books, ledger.PriceBook{Input: n, From: int64(n) * 3600, Source: []byte("currency: USD\n")})
	}
	for range r.IntN(3) {
		s.Keys[hashOf(r.Uint64N(10))] = r.Uint32N(3)
	}
	return s
}

func metaOf(n uint64) *ledger.Meta {
	return &ledger.Meta{ID: "0123456789abcdef", Currency: "USD", Zone: "Asia/Shanghai", Folded: n, Accounts: uint32(n),
		Operations: []string{"", "recognition/image-tagging", "search/add"}, Settled: int64(n) * 3600,
		Policy: account.DefaultPolicy}
}

// blockOf is the state of a block after input n.
func blockOf(number uint32, n uint64) ledger.Block {
	b := ledger.Block{Number: number, Folded: n}
	for i := range uint32(3) {
		a := &account.Account{Number: number*ledger.BlockSize + i, ID: fmt.Sprintf("a-%d-%d", number, i), Customer: "acme",
			Created: 1_790_000_000, Balance: money.Amount(n) * 100, Movements: uint32(n)}
		a.Usage = []account.OperationUsage{{Operation: 1, Month: 202611, Free: 1000, PayPerUse: n, Debited: money.Amount(n)}}
		a.Keys = []account.Key{{ID: "k1", Kind: account.SecretKey, Hash: hashOf(uint64(a.Number)), Created: 1_790_000_000}}
		b.Accounts = append(b.Accounts, a)
	}
	return b
}

func hourOf(block uint32, start int64, n uint64) ledger.BlockHour {
	h := ledger.BlockHour{Block: block, Start: start, Length: 3600, Input: n}
	for i := range uint32(3) {
		line := account.Line{Account: block*ledger.BlockSize + i, Operation: 1, Kind: account.PayPerUse}
		h.Charges = append(h.Charges, account.Charge{Count: account.Count{Line: line, Calls: n}, Amount: money.Amount(n)})
	}
	return h
}

func movementOf(number, movement uint32, r *rand.Rand) account.Movement {
	return account.Movement{Account: number, Number: movement, At: 1_790_000_000_000_000_000 + r.Int64N(1e9), Kind: "top-up",
		Text: "top-up", Reference: "wire 4711", Amount: money.Amount(r.Int64N(10_000)), Balance: money.Amount(r.Int64N(10_000) - 5_000)}
}

func hashOf(n uint64) [32]byte {
	return sha256.Sum256(binary.BigEndian.AppendUint64(nil, n))
}
