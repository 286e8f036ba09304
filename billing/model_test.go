package billing

import (
	"os"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
)

// check holds all there is against the model and against what it was.
func (w *world) check(t tester) {
	t.Helper()
	w.checkDues(t)
	b := w.read(t)
	for id, m := range w.models {
		w.checkMoney(t, b, id, m)
		a := b.Accounts[id]
		for n, told := range w.listener.events[a.Number] {
			if int(n) > len(b.Events[id]) || b.Events[id][n-1] != told {
				t.Fatalf("%s: told of %+v, which is not in the ledger", id, told)
			}
		}
		if told := w.listener.accounts[a.Number]; told != nil && (told.Arrears != a.Arrears || told.Released != a.Released ||
			told.PackagesBought != a.PackagesBought || !reflect.DeepEqual(told.Instances, a.Instances)) {
			t.Fatalf("%s: told of\n%+v\nand is\n%+v", id, told, a)
		}
		for _, month := range a.Months {
			if month.Month < uint32(rating.MonthOf(w.SettledUntil(), time.UTC)) {
				t.Fatalf("%s: %d is not closed at %d", id, month.Month, w.SettledUntil())
			}
		}
	}
	for k, s := range b.Bills {
		if old, ok := w.closed[k]; ok && !reflect.DeepEqual(old, s) {
			t.Fatalf("the statement %s was\n%+v\nand is\n%+v", k, old, s)
		}
		if s.Closed {
			w.closed[k] = s
		}
	}
}

// checkDues: the index may be too early, and never too late.
func (w *world) checkDues(t tester) {
	t.Helper()
	env := w.Env()
	for block := range uint32(3) {
		b, err := w.blocks.lock(block)
		if err != nil {
			t.Fatal(err)
		}
		if at := b.nextDue(env); at != never && (int(block) >= len(w.dues.at) || w.dues.at[block] > at) {
			t.Fatalf("something is due in block %d at %d, and the index is %v", block, at, w.dues.at)
		}
		w.blocks.unlock(b)
	}
}

func (w *world) checkMoney(t tester, b books, id string, m *modelAccount) {
	t.Helper()
	op, _ := book.Operation("recognition/image-tagging")
	paid, want := money.Amount(0), b.Accounts[id].Balance
	for _, v := range b.Movements[id] {
		if want -= v.Amount; v.Kind == account.MoveTopUp || v.Kind == account.MoveAdjustment {
			paid += v.Amount
		}
	}
	for _, calls := range m.calls {
		charge, err := rating.Charge(op, book.Currency, calls)
		if err != nil {
			t.Fatal(err)
		}
		want += charge
	}
	if paid != m.paid || want != 0 {
		t.Fatalf("%s: %d paid in, the model %d; %d more on the balance than in the model", id, paid, m.paid, want)
	}
}

// TestEngineAgainstModel drives random commands, image changes, settlements and
// time over months, with crashes in the middle, restarts and refolds: balances
// are those of the model, every statement adds up, and nothing that was closed,
// answered or told changes.
func TestEngineAgainstModel(t *testing.T) {
	smallSteps(t)
	rapid.Check(t, func(rt *rapid.T) {
		dir, err := os.MkdirTemp(t.TempDir(), "")
		if err != nil {
			rt.Fatal(err)
		}
		defer os.RemoveAll(dir)
		w := newWorld(rt, dir)
		defer func() { w.close(rt) }()
		rt.Repeat(map[string]func(*rapid.T){
			"command":   w.command,
			"command 2": w.command,
			"command 3": w.command,
			"repeat":    w.repeat,
			"image":     w.image,
			"image 2":   w.image,
			"settle":    w.settlePeriod,
			"settle 2":  w.settlePeriod,
			"sleep":     w.sleep,
			"jump":      w.jump,
			"restart":   func(rt *rapid.T) { w.close(rt); w.open(rt); w.check(rt) },
			"crash": func(rt *rapid.T) {
				before := w.inMemory(rt)
				if rapid.Bool().Draw(rt, "flush") {
					w.flushSome(rt)
				}
				w.crash(rt)
				w.open(rt)
				if after := w.inMemory(rt); !reflect.DeepEqual(before, after) {
					rt.Fatalf("accounts before a crash:\n%q\nand after:\n%q", before, after)
				}
			},
			"refold": func(rt *rapid.T) { w.check(rt); w.survives(rt) },
			"check":  func(rt *rapid.T) { w.check(rt) },
			"look":   func(rt *rapid.T) { w.checkDues(rt) },
			"verify": func(rt *rapid.T) { w.verified(rt) },
		})
		w.check(rt)
		w.survives(rt)
	})
}

// inMemory are the accounts, encoded, without a flush.
func (w *world) inMemory(t tester) map[string]string {
	t.Helper()
	accounts := map[string]string{}
	for _, id := range w.ids {
		a := w.account(t, id)
		accounts[id] = string(ledger.AppendBlock(nil, ledger.Block{Number: ledger.BlockOf(a.Number), Accounts: []*account.Account{a}}))
	}
	return accounts
}
