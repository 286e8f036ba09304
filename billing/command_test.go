package billing

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"testing"

	"github.com/tallygate/tallygate/account"
)

// TestWhatWasAcceptedIsRemembered for ever: over a flush, a crash, a refold, the
// same question has the same answer, another one under its key is refused, and
// a refusal leaves nothing behind (D33).
func TestWhatWasAcceptedIsRemembered(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	create := func() Request { return Request{Key: "create", Account: "a", Command: &account.CreateAccount{}} }
	buy := func() Request {
		return Request{Key: "buy", Account: "a", Command: &account.BuyPackage{Package: "tagging-50"}}
	}
	created, err := r.Do(create())
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.Do(buy()); err == nil {
		t.Fatal("bought without money")
	}
	r.must(t, "a", &account.TopUp{Amount: "2.00", Reference: "r"})
	bought, err := r.Do(buy()) // the key of a refusal is free
	if err != nil || bought.Repeated {
		t.Fatal(bought, err)
	}
	again := func() {
		t.Helper()
		for want, req := range map[*Result]Request{&created: create(), &bought: buy()} {
			got, err := r.Do(req)
			if err != nil || !got.Repeated || string(got.JSON) != string(want.JSON) || got.Input != want.Input {
				t.Fatalf("%s again: %s, %v; want %s", req.Key, got.JSON, err, want.JSON)
			}
		}
		other := buy()
		other.Command = &account.BuyPackage{Package: "tagging-50", AutoRenew: true}
		if _, err := r.Do(other); !errors.Is(err, ErrOtherContent) {
			t.Fatalf("other content: %v", err)
		}
		other = buy()
		other.Account = "b"
		if _, err := r.Do(other); !errors.Is(err, ErrOtherContent) {
			t.Fatalf("other account: %v", err)
		}
		if a := r.account(t, "a"); a.Balance != 150 {
			t.Fatalf("balance %d", a.Balance)
		}
	}
	r.throughLife(t, again)
}

// TestContentStaysAsItIs: what is in the ledger is compared with it for ever.
func TestContentStaysAsItIs(t *testing.T) {
	got := content(Request{Key: "k", Account: "<a>", Command: &account.TopUp{Amount: "1.00", Reference: "wire"}})
	want := sha256.Sum256([]byte("top-up\n<a>\n" + `{"amount":"1.00","reference":"wire"}`))
	if !bytes.Equal(got, want[:]) {
		t.Errorf("%x, want %x", got, want)
	}
}

// TestACommandMayBeSentAgainAsItIs: what the gateway filled in is not part of
// what was asked.
func TestACommandMayBeSentAgainAsItIs(t *testing.T) {
	r := &rig{dir: t.TempDir(), config: book, now: november.UnixNano()}
	watcher := newListener()
	r.watcher = watcher
	r.open(t)
	defer func() { r.close(t) }()
	subscribe := func(c account.Command) Request { return Request{Key: c.Type(), Account: "a", Command: c} }
	for _, req := range []Request{subscribe(&account.CreateAccount{CreditLimit: "100.00"}),
		subscribe(&account.Subscribe{Instance: "shop", Row: "small", Months: 1}),
		subscribe(&account.ChangeSubscription{Instance: "shop", Row: "large"}),
		subscribe(&account.RenewSubscription{Instance: "shop", Months: 1})} {
		for again := range 2 {
			watcher.held["shop"]++
			if res, err := r.Do(req); err != nil || res.Repeated != (again == 1) {
				t.Errorf("%s, time %d: %+v, %v", req.Command.Type(), again, res, err)
			}
		}
	}
}

// TestNobodyTakesANumber: the number of a new account is the ledger's to give,
// whatever the command says.
func TestNobodyTakesANumber(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{})
	r.must(t, "a", &account.TopUp{Amount: "2.00", Reference: "r"})
	r.must(t, "thief", &account.CreateAccount{Account: "a", Number: 1})
	if a := r.account(t, "a"); a.ID != "a" || a.Balance != 200 {
		t.Errorf("%+v", a)
	}
	if thief := r.account(t, "thief"); thief.ID != "thief" || thief.Number != 2 || thief.Balance != 0 {
		t.Errorf("%+v", thief)
	}
	r.survives(t)
}

// TestPreviewChangesNothing, and what it says is then charged (D34).
func TestPreviewChangesNothing(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{Customer: "acme", CreditLimit: "100.00"})
	r.must(t, "a", &account.Subscribe{Instance: "shop", Row: "large", Months: 2})
	r.now += 10 * day * 1e9
	before, head := r.read(t), r.log.Head().Seq
	for range 2 {
		for _, c := range []account.Command{&account.BuyPackage{Package: "tagging-50"}, &account.ChangeSubscription{Instance: "shop", Row: "small"},
			&account.RenewSubscription{Instance: "shop", Months: 3}, &account.TopUp{Amount: "1.00", Reference: "r"}, trial("other")} {
			for _, at := range []int64{r.now, r.now + 300e9, r.now + 400*day*1e9} {
				_, _ = r.Preview("a", c, at)
			}
		}
	}
	if got := r.log.Head().Seq; got != head {
		t.Errorf("%d records", got-head)
	}
	before.equal(t, "after previews", r.read(t))
	change := &account.ChangeSubscription{Instance: "shop", Row: "small"}
	shown, err := r.Preview("a", change, r.now)
	if err != nil || len(shown.Movements) != 1 {
		t.Fatal(shown, err)
	}
	balance := r.account(t, "a").Balance
	r.must(t, "a", &account.ChangeSubscription{Instance: "shop", Row: "small"})
	if got := r.account(t, "a").Balance - balance; got != shown.Movements[0].Amount || got <= 0 {
		t.Errorf("moved %d, shown %d", got, shown.Movements[0].Amount)
	}
	r.must(t, "a", trial("tried"))
}

// unspeakable is a command whose answer cannot be written down.
type unspeakable struct{ account.TopUp }

func (c *unspeakable) Apply(a *account.Account, e account.Env) (account.Effects, error) {
	effects, err := c.TopUp.Apply(a, e)
	effects.Answer = func() {}
	return effects, err
}

// TestAnAnswerComesBeforeTheJournal: what the ledger could not remember of a
// command (D33) is refused before the command has happened. Else the journal
// would hold what no later start can fold.
func TestAnAnswerComesBeforeTheJournal(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{Account: "a"})
	head := r.log.Head()
	_, err := r.Do(Request{Key: "k", Account: "a", Command: &unspeakable{account.TopUp{Amount: "5.00", Reference: "r"}}})
	if err == nil || r.log.Head() != head || r.account(t, "a").Balance != 0 {
		t.Fatalf("%v, journal head %d, was %d", err, r.log.Head().Seq, head.Seq)
	}
	r.must(t, "a", &account.TopUp{Amount: "5.00", Reference: "r"})
	r.survives(t)
}
