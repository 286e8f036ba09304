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
		block := blockOf(b, n)
		block.TermsStand = n%2 == 0 // where the block is there: else a store has to find that out
		s.Blocks = append(s.Blocks, block)
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
		s.Books = append(s.Books, ledger.PriceBook{Input: n, From: int64(n) * 3600, Scheduled: n%2 == 0, Source: []byte("currency: USD\n")})
	}
	for range r.IntN(3) {
		s.Keys[hashOf(r.Uint64N(10))] = r.Uint32N(3)
	}
	addMore(&s, n, r)
	return s
}

// addMore adds what happens to accounts besides movements. All pictures are of
// the generation that step n makes the present one.
func addMore(s *ledger.Step, n uint64, r *rand.Rand) {
	for range r.IntN(3) {
		s.Events = append(s.Events, account.Event{Account: 1 + r.Uint32N(5), Number: uint32(n), At: 1_790_000_000 + r.Int64N(1000),
			Kind: account.NoticeExpiry, Subject: "package:3", Text: "in 3 days"})
	}
	if r.IntN(2) == 0 {
		s.Statements = append(s.Statements, account.StatementRecord{Account: 1 + r.Uint32N(5), Number: uint32(n), Month: 202601 + r.Uint32N(12),
			Opening: money.Amount(r.Int64N(1000) - 500), Closing: money.Amount(r.Int64N(1000) - 500)})
		s.Trials = map[string]ledger.Trial{fmt.Sprintf("customer-%d", r.Uint32N(4)): {Account: uint32(n), Input: n}}
	}
	s.Products, s.Pictures = map[ledger.ProductKey]ledger.Product{}, map[ledger.PictureKey]bool{}
	for range r.IntN(3) {
		k, generation := productOf(1+r.Uint32N(2), 1+r.Uint32N(2), r.Uint64N(3)), n-n%7
		s.Products[k] = ledger.Product{Generation: generation, Pictures: r.Uint64N(100)}
		for range r.IntN(4) {
			s.Pictures[pictureOf(k, generation, r.Uint64N(4))] = r.IntN(3) > 0
		}
	}
}

func productOf(number, instance uint32, product uint64) ledger.ProductKey {
	k := ledger.ProductKey{Account: number, Instance: instance}
	hash := hashOf(product)
	copy(k.Product[:], hash[:])
	return k
}

func pictureOf(k ledger.ProductKey, generation, picture uint64) ledger.PictureKey {
	p := ledger.PictureKey{ProductKey: k, Generation: generation}
	hash := hashOf(picture)
	copy(p.Picture[:], hash[:])
	return p
}

func metaOf(n uint64) *ledger.Meta {
	return &ledger.Meta{ID: "0123456789abcdef", Currency: "USD", Zone: "Asia/Shanghai", Folded: n, Accounts: uint32(n),
		Operations: []string{"", "recognition/image-tagging", "search/add"}, Settled: int64(n) * 3600,
		Policy: account.DefaultPolicy, Created: 1_790_000_000, Started: 1_790_000_000 + int64(n), Configured: "sha256:00"}
}

// blockOf is the state of a block after input n.
func blockOf(number uint32, n uint64) ledger.Block {
	b := ledger.Block{Number: number, Folded: n}
	for i := range uint32(3) {
		a := &account.Account{Number: number*ledger.BlockSize + i, ID: fmt.Sprintf("a-%d-%d", number, i), Customer: "acme",
			Created: 1_790_000_000, Balance: money.Amount(n) * 100, Movements: uint32(n)}
		a.Usage = []account.OperationUsage{{Operation: 1, Month: 202611, Free: 1000, PayPerUse: n, Debited: money.Amount(n)}}
		a.Keys = []account.Key{{ID: "k1", Kind: account.SecretKey, Hash: hashOf(uint64(a.Number)), Created: 1_790_000_000}}
		a.Months = []account.OpenMonth{{Month: 202611, Sum: money.Amount(n)}}
		a.Instances = []account.Instance{{Name: "shop", ID: 1, Images: int64(n)}, {Name: "other", ID: 2}}
		a.Subscriptions = []account.BoughtSubscription{{Number: 1, Instance: "shop", Row: "s1", Months: 1, Price: 300_00}}
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
