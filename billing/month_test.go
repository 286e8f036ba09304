package billing

import (
	"fmt"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/rating"
)

var december, february = november.AddDate(0, 1, 0), november.AddDate(0, 3, 0)

// withThreeBlocks has accounts up to number 130, and names those of three blocks.
func withThreeBlocks(t *testing.T, now time.Time) (r *rig, ids []string) {
	r = openRig(t, t.TempDir(), now)
	t.Cleanup(func() { r.close(t) })
	if err := r.SetPolicy(account.DefaultPolicy); err != nil {
		t.Fatal(err)
	}
	r.createMany(t, 130)
	for _, n := range []uint32{1, 64, 130} {
		ids = append(ids, r.numbered(t, n))
	}
	return r, ids
}

func months(records []account.StatementRecord) (list []uint32) {
	for _, s := range records {
		list = append(list, s.Month)
	}
	return list
}

// TestMonthsCloseInOrderAfterDowntime (D37, D13): each month with movements is
// closed once, at its own end, however late; a command that comes before that
// belongs to the month of its own instant.
func TestMonthsCloseInOrderAfterDowntime(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	last := december.Unix() - hour
	for _, id := range ids {
		r.must(t, id, &account.TopUp{Amount: "5.00", Reference: "november"})
	}
	r.crash(t)
	r.now = february.Add(90 * time.Minute).UnixNano()
	r.open(t)
	r.must(t, ids[0], &account.TopUp{Amount: "1.00", Reference: "before the close"})
	r.settle(t, last, payPerUse(1, 10), payPerUse(64, 10), payPerUse(130, 10))
	r.live(t, february.Unix()+hour)
	b := r.survives(t)
	for i, id := range ids {
		if got := months(b.Statements[id]); !reflect.DeepEqual(got, []uint32{202611}) {
			t.Errorf("%s: closed %v", id, got)
		}
		s := b.Bills[fmt.Sprint(id, " ", rating.Month(202611))]
		if !s.Closed || s.Number != account.StatementNumber(id, 1) || s.Credits != "5.00" || s.Closing != "4.85" {
			t.Errorf("%s: %+v", id, s)
		}
		events := kinds(b.Events[id], account.NoticeStatement)
		if len(events) != 1 {
			t.Errorf("%s: %d notices", id, len(events))
		}
		if open := b.Accounts[id].Months; (i == 0) != (len(open) == 1 && open[0] == account.OpenMonth{Month: 202702, Sum: 100}) {
			t.Errorf("%s: open months %v", id, open)
		}
	}
	if got := r.Meta().Settled; got != february.Unix() {
		t.Errorf("settled until %d", got)
	}
}

// TestMonthClosesInALedgerThatNeverSettled: a ledger knows since when there is
// something to close.
func TestMonthClosesInALedgerThatNeverSettled(t *testing.T) {
	r, ids := withThreeBlocks(t, november.AddDate(0, 0, 20))
	r.must(t, ids[1], &account.TopUp{Amount: "5.00", Reference: "r"})
	r.close(t)
	r.now = february.UnixNano()
	r.open(t)
	r.live(t, february.Unix())
	b := r.survives(t)
	if got := months(b.Statements[ids[1]]); !reflect.DeepEqual(got, []uint32{202611}) {
		t.Fatalf("closed %v", got)
	}
	if at := b.Events[ids[1]][0].At; at != december.Unix() {
		t.Errorf("the statement is of %d", at)
	}
}

// TestAClosedStatementNeverChanges over books, movements, calls, starts (D35,
// D37).
func TestAClosedStatementNeverChanges(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	id := ids[1]
	r.must(t, id, &account.TopUp{Amount: "5.00", Reference: "r"})
	r.must(t, id, &account.BuyPackage{Package: "tagging-50", AutoRenew: true})
	used := account.Count{Line: account.Line{Account: 64, Operation: 1, Kind: account.Package, Ref: 1}, Calls: 5}
	r.settle(t, november.Unix()+hour, used, payPerUse(64, 200))
	r.live(t, december.Unix())
	closed := func() string {
		t.Helper()
		s, err := r.Statement(id, 202611)
		if err != nil || !s.Closed {
			t.Fatalf("%+v, %v", s, err)
		}
		return fmt.Sprintf("%+v", s)
	}
	was := closed()
	same := func(after string) {
		t.Helper()
		if is := closed(); is != was {
			t.Fatalf("after %s the statement is\n%s\nand was\n%s", after, is, was)
		}
	}
	r.must(t, id, &account.TopUp{Amount: "7.00", Reference: "december"})
	same("a movement")
	cheaper := withBook(t, "currency: USD\npay_per_use:\n  - operations: [recognition/image-tagging]\n    tiers: [{price: 0.01}]\n")
	if _, err := r.SetPriceBook(cheaper); err != nil {
		t.Fatal(err)
	}
	same("a price book")
	r.settle(t, december.Unix(), used, payPerUse(64, 200))
	same("more calls")
	r.live(t, february.Unix())
	same("closing more")
	r.survives(t)
	same("a refold")
}

// TestMonthEndThatDiedHalfway: a month's end that is in some blocks completes
// with the same result as one that was not interrupted.
func TestMonthEndThatDiedHalfway(t *testing.T) {
	var want books
	for _, die := range []bool{false, true} {
		r, ids := withThreeBlocks(t, november)
		for _, id := range ids {
			r.must(t, id, &account.TopUp{Amount: "5.00", Reference: "r"})
		}
		start := december.Unix() - hour
		r.now = december.Add(time.Minute).UnixNano()
		counts := []account.Count{payPerUse(1, 100), payPerUse(130, 100)}
		if die {
			r.appendPeriod(t, start, counts...)
			r.account(t, ids[1])
			r.must(t, ids[2], &account.TopUp{Amount: "1.00", Reference: "december"})
			if err := r.Flush(); err != nil {
				t.Fatal(err)
			}
			r.crash(t)
			r.open(t)
		} else {
			r.settle(t, start, counts...)
			r.must(t, ids[2], &account.TopUp{Amount: "1.00", Reference: "december"})
		}
		b := r.survives(t)
		r.verified(t)
		for _, id := range ids { // the file has no calls of the second
			if got := months(b.Statements[id]); !slices.Equal(got, []uint32{202611}) {
				t.Errorf("%s: closed %v", id, got)
			}
		}
		got := books{Accounts: map[string]account.Account{}}
		for _, a := range b.Accounts { // whose numbers createMany gives at random
			got.Accounts[fmt.Sprint(a.Number)] = account.Account{Balance: a.Balance, Closed: a.Closed, Months: a.Months, Usage: a.Usage, Statements: a.Statements}
		}
		if die {
			want.equal(t, "the end that died", got)
		}
		want = got
	}
}

// TestAccountsCreatedWhileAMonthCloses: one that comes between the record and
// its blocks has nothing to close, in the same block or a new one.
func TestAccountsCreatedWhileAMonthCloses(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.createMany(t, 62)
	old := r.numbered(t, 1)
	r.must(t, old, &account.TopUp{Amount: "5.00", Reference: "r"})
	r.now = december.Add(time.Minute).UnixNano()
	r.appendPeriod(t, december.Unix()-hour, payPerUse(1, 100))
	for _, id := range []string{"new", "newer", "newest"} { // 63, 64, 65
		r.must(t, id, &account.CreateAccount{})
		r.must(t, id, &account.TopUp{Amount: "1.00", Reference: "december"})
	}
	if err := r.applyPending(); err != nil {
		t.Fatal(err)
	}
	b := r.survives(t)
	if got := months(b.Statements[old]); len(got) != 1 {
		t.Errorf("the old account closed %v", got)
	}
	for _, id := range []string{"new", "newer", "newest"} {
		if a := b.Accounts[id]; len(b.Statements[id]) != 0 || len(a.Months) != 1 || a.Months[0].Month != 202612 {
			t.Errorf("%s: closed %v, open %v", id, months(b.Statements[id]), a.Months)
		}
	}
}

// TestHistoryThatWentAhead: a flush that was interrupted may have written the
// history of a block before the block itself. A statement shows what the block
// says.
func TestHistoryThatWentAhead(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	r.must(t, ids[0], &account.TopUp{Amount: "5.00", Reference: "r"})
	r.settle(t, november.Unix(), payPerUse(1, 100))
	was, err := r.Statement(ids[0], 202611)
	if err != nil {
		t.Fatal(err)
	}
	ahead := r.log.Head().Seq + 1
	if err := r.store.Commit(ledger.Step{
		Movements:  []account.Movement{{Account: 1, Number: 2, At: november.UnixNano(), Kind: account.MoveTopUp, Amount: 100}},
		Statements: []account.StatementRecord{{Account: 1, Number: 1, Month: 202611, Closing: 5}},
		Hours: []ledger.BlockHour{{Start: november.Unix() + hour, Length: hour, Input: ahead,
			Charges: []account.Charge{{Count: payPerUse(1, 10), Amount: 15}}}},
	}); err != nil {
		t.Fatal(err)
	}
	if is, err := r.Statement(ids[0], 202611); err != nil || !reflect.DeepEqual(is, was) {
		t.Errorf("the statement is\n%+v, %v\nand was\n%+v", is, err, was)
	}
}

// TestAClockThatWentBack over a restart: what comes then belongs to the open
// month, and no price book takes force in hours that are settled (D35, D37).
func TestAClockThatWentBack(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	r.must(t, ids[0], &account.TopUp{Amount: "5.00", Reference: "r"})
	r.live(t, december.Unix()+hour)
	was, err := r.Statement(ids[0], 202611)
	if err != nil || !was.Closed {
		t.Fatal(was, err)
	}
	r.crash(t)
	r.now = december.Add(-90 * time.Minute).UnixNano()
	r.open(t)
	r.must(t, ids[0], &account.TopUp{Amount: "1.00", Reference: "r"})
	r.must(t, ids[0], &account.BuyPackage{Package: "tagging-50", AutoRenew: true})
	if from := r.named(t, tagging(t, "0.01")); from != december.AddDate(0, 1, 0).Unix() {
		t.Errorf("a book from %d", from)
	}
	r.live(t, february.Unix())
	if is, err := r.Statement(ids[0], 202611); err != nil || !reflect.DeepEqual(is, was) {
		t.Errorf("the statement is\n%+v, %v\nand was\n%+v", is, err, was)
	}
	b := r.survives(t)
	if got := months(b.Statements[ids[0]]); !slices.Equal(got[:2], []uint32{202611, 202612}) {
		t.Errorf("closed %v", got)
	}
}

// TestBooksOfAStatement are those that were in force in the month, and no others.
func TestBooksOfAStatement(t *testing.T) {
	r, ids := withThreeBlocks(t, november)
	r.must(t, ids[0], &account.TopUp{Amount: "5.00", Reference: "r"})
	first, never, second := offering(t, "0.60"), offering(t, "0.70"), offering(t, "0.80")
	r.named(t, first)
	r.now += 24 * hour * 1e9
	r.named(t, never)
	r.named(t, second)
	r.now = december.Add(-time.Minute).UnixNano()
	r.named(t, never) // from December on
	s, err := r.Statement(ids[0], 202611)
	if want := []string{book.Hash, first.Hash, second.Hash}; err != nil || !slices.Equal(s.BookHashes, want) {
		t.Errorf("%v, %v; want %v", s.BookHashes, err, want)
	}
}

// TestWhatIsDueInAMonthComesBeforeItsEnd (D13): a renewal of the month's last
// hour, in an account that has no calls in it, is in that month's statement, also
// where the gateway was down when it was due.
func TestWhatIsDueInAMonthComesBeforeItsEnd(t *testing.T) {
	for _, counts := range [][]account.Count{nil, {payPerUse(64, 100)}} {
		r, ids := withThreeBlocks(t, november.Add(30*time.Minute))
		id, none := ids[0], "0.00"
		r.must(t, id, &account.ChangeAccount{CreditLimit: &none})
		r.must(t, id, &account.TopUp{Amount: "0.50", Reference: "r"})
		r.must(t, id, &account.BuyPackage{Package: "tagging-50", AutoRenew: true})
		r.live(t, december.Add(-90*time.Minute).Unix())
		r.must(t, id, &account.TopUp{Amount: "0.50", Reference: "in time"})
		r.crash(t)
		r.now = december.Add(10 * time.Minute).UnixNano()
		r.open(t)
		r.settle(t, december.Unix()-hour, counts...)
		r.live(t, february.Unix())
		b := r.survives(t)
		if got := months(b.Statements[id]); !slices.Equal(got, []uint32{202611}) {
			t.Errorf("closed %v", got)
		}
		if s := b.Bills[fmt.Sprint(id, " ", rating.Month(202611))]; s.Purchases != "1.00" || s.Closing != "0.00" {
			t.Errorf("%+v", s)
		}
	}
}

// TestAMonthInWhichNothingHappened has no number, and is closed all the same once
// it is settled: nothing comes into it any more (D37).
func TestAMonthInWhichNothingHappened(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.must(t, "a", &account.CreateAccount{})
	r.must(t, "a", &account.TopUp{Amount: "5.00", Reference: "r"})
	r.live(t, december.AddDate(0, 1, 0).Unix()-hour)
	for n, want := range []bool{false, true} {
		s, err := r.Statement("a", 202612)
		if err != nil || s.Closed != want || s.Number != "" || s.Opening != "5.00" || s.Closing != "5.00" {
			t.Errorf("%d: %+v, %v", n, s, err)
		}
		r.live(t, december.AddDate(0, 1, 0).Unix())
	}
	if s, err := r.Statement("a", 202701); err != nil || s.Closed {
		t.Errorf("the running month is closed: %v", err)
	}
}
