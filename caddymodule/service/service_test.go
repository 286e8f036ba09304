package service

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/meter"
	"github.com/tallygate/tallygate/meter/tally"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/pricebook"
)

var zone = time.FixedZone("+08:00", 8*3600)

const bookText = `currency: USD
pay_per_use:
  - operations: [recognition/image-tagging]
    free_per_month: 10
    tiers:
      - {up_to: 100, price: 0.0150}
      - {price: 0.0100}
packages:
  - {id: tagging-50, operation: recognition/image-tagging, calls: 50, valid: 1mo, price: 0.50}
subscriptions:
  - service: search
    operations: {search/search: search, search/add: add, search/delete: delete}
    delete_qps: 20
    rows:
      - {id: s100k-1, images: 100_000, qps: 1, price: 300.00}
`

func testConfig(t testing.TB, dir string) Config {
	book, err := pricebook.Parse("book.yaml", []byte(bookText))
	if err != nil {
		t.Fatal(err)
	}
	return Config{Dir: dir, Node: "n1", Zone: zone, Test: true, TestStart: time.Date(2026, 11, 30, 22, 30, 0, 0, zone),
		SyncInterval: time.Millisecond, Settings: Settings{Book: book, Policy: account.Policy{Law: account.Law{Grace: 3600, Retention: 3600}, Purchases: 1},
			FlushInterval: time.Hour, SealWait: time.Second}, Logger: testLogger(t)}
}

func open(t testing.TB, c Config) *Service {
	t.Helper()
	s, err := Open(c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { shut(t, s) })
	return s
}

// shut closes a service once.
func shut(t testing.TB, s *Service) {
	if s.life.Err() != nil {
		return
	}
	if err := s.Close(context.Background()); err != nil {
		t.Error(err)
	}
}

func do(t testing.TB, s *Service, id string, cmd account.Command) billing.Result {
	t.Helper()
	r, err := s.engine.Do(billing.Request{Account: id, Command: cmd})
	if err != nil {
		t.Fatalf("%s: %v", cmd.Type(), err)
	}
	return r
}

// customer opens an account with a key and some money.
func customer(t testing.TB, s *Service, id, amount string) meter.Key {
	t.Helper()
	do(t, s, id, &account.CreateAccount{Account: id})
	hash := sha256.Sum256([]byte("secret of " + id))
	do(t, s, id, &account.AddKey{Key: "k1", Kind: account.SecretKey, Hash: hex.EncodeToString(hash[:])})
	if amount != "" {
		do(t, s, id, &account.TopUp{Amount: amount, Reference: "wire"})
	}
	return find(t, s, id)
}

func find(t testing.TB, s *Service, id string) meter.Key {
	t.Helper()
	k, ok := s.meter.Identify(meter.Secret, sha256.Sum256([]byte("secret of "+id)))
	if !ok {
		t.Fatalf("the key of %s is unknown", id)
	}
	return k
}

// call makes n calls and returns how many were admitted, and the last reason.
func call(t testing.TB, s *Service, k meter.Key, operation string, n int) (admitted int, reason account.Kind) {
	number, ok := s.OperationNumber(operation)
	if !ok {
		t.Fatalf("no operation %s", operation)
	}
	for range n {
		h, v := s.meter.Admit(meter.Call{Key: k, Operation: number})
		if reason = v.Reason; reason == 0 {
			s.meter.Post(&h)
			admitted++
		}
	}
	return admitted, reason
}

func advance(t testing.TB, s *Service, to time.Time) {
	t.Helper()
	if err := s.Advance(t.Context(), to); err != nil {
		t.Fatal(err)
	}
}

func balance(t testing.TB, s *Service, id string) string {
	t.Helper()
	a, err := s.engine.Account(id)
	if err != nil {
		t.Fatal(err)
	}
	return s.engine.Currency.Format(a.Balance)
}

func statement(t testing.TB, s *Service, id string, m rating.Month) rating.Statement {
	t.Helper()
	st, err := s.engine.Statement(id, m)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// TestFromCallsToBills takes an account over a month's end, into arrears and
// out of them, with a restart at every step.
func TestFromCallsToBills(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s := open(t, c)
	k := customer(t, s, "acme", "2.00")
	restart := func() {
		shut(t, s)
		s = open(t, c)
		k = find(t, s, "acme")
	}
	expect := func(want string) {
		t.Helper()
		if got := balance(t, s, "acme"); got != want {
			t.Fatalf("balance %s, want %s", got, want)
		}
	}
	if n, _ := call(t, s, k, "recognition/image-tagging", 60); n != 60 {
		t.Fatalf("%d calls admitted of 60", n)
	}
	expect("2.00") // nothing is debited before the hour is over
	restart()
	if n, _ := call(t, s, k, "recognition/image-tagging", 50); n != 50 { // 10 free, 100 to pay
		t.Fatalf("%d calls admitted of 50", n)
	}
	advance(t, s, time.Date(2026, 11, 30, 23, 0, 0, 0, zone))
	expect("0.50")
	restart()
	expect("0.50")
	call(t, s, k, "recognition/image-tagging", 51) // in the second tier: 0.51
	advance(t, s, time.Date(2026, 12, 1, 0, 0, 0, 0, zone))
	expect("-0.01")
	if _, reason := call(t, s, k, "recognition/image-tagging", 1); reason != account.InArrears {
		t.Fatalf("in debt after a settlement: %s, want arrears (D19)", reason)
	}
	restart()
	if _, reason := call(t, s, k, "recognition/image-tagging", 1); reason != account.InArrears {
		t.Fatalf("after a restart: %s, want arrears", reason)
	}
	do(t, s, "acme", &account.TopUp{Amount: "0.51", Reference: "wire 2"})
	if n, reason := call(t, s, k, "recognition/image-tagging", 11); n != 11 { // a new month: 10 free, 1 to pay
		t.Fatalf("after the top-up: %d calls, %s (D22)", n, reason)
	}
	advance(t, s, time.Date(2026, 12, 1, 5, 0, 0, 0, zone))
	expect("0.48") // 0.015 rounds to 0.02
	november, december := statement(t, s, "acme", 202611), statement(t, s, "acme", 202612)
	if november.Opening != "0.00" || november.Closing != "-0.01" || december.Opening != "-0.01" || december.Closing != "0.48" {
		t.Errorf("statements: %s → %s, %s → %s", november.Opening, november.Closing, december.Opening, december.Closing)
	}
	if november.Usage != "2.01" || december.Usage != "0.02" {
		t.Errorf("usage %s and %s, want 2.01 and 0.02", november.Usage, december.Usage)
	}
	if r := december.NotBilled; len(r) != 1 || r[0].Reason != "arrears" || r[0].Calls != 2 {
		t.Errorf("not billed in December: %+v", r)
	}
}

// TestRefoldGivesTheSameLedger throws the ledger away and folds the journal and
// the sealed files into a new one.
func TestRefoldGivesTheSameLedger(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s := open(t, c)
	for i := range 5 {
		id := fmt.Sprintf("customer-%d", i)
		k := customer(t, s, id, "20.00")
		do(t, s, id, &account.BuyPackage{Package: "tagging-50"})
		call(t, s, k, "recognition/image-tagging", 40*i)
	}
	advance(t, s, time.Date(2026, 12, 1, 0, 0, 0, 0, zone))
	texts := func() (all []string) {
		for i := range 5 {
			var b strings.Builder
			if err := statement(t, s, fmt.Sprintf("customer-%d", i), 202611).WriteTable(&b); err != nil {
				t.Fatal(err)
			}
			all = append(all, b.String())
		}
		return all
	}
	before := texts()
	shut(t, s)
	if err := os.RemoveAll(filepath.Join(c.Dir, "badger")); err != nil {
		t.Fatal(err)
	}
	s = open(t, c)
	for i, text := range texts() {
		if text != before[i] {
			t.Errorf("customer-%d was billed\n%s\nand is refolded to\n%s", i, before[i], text)
		}
	}
}

func TestPackageThenPayPerUse(t *testing.T) {
	s := open(t, testConfig(t, t.TempDir()))
	k := customer(t, s, "acme", "1.00")
	do(t, s, "acme", &account.BuyPackage{Package: "tagging-50"})
	call(t, s, k, "recognition/image-tagging", 10+50+3)
	advance(t, s, time.Date(2026, 12, 1, 0, 0, 0, 0, zone))
	got := map[string]int64{}
	for _, l := range statement(t, s, "acme", 202611).Lines {
		got[l.Funding] = l.Calls
	}
	if got["free:202611"] != 10 || got["package:1"] != 50 || got["payg"] != 3 {
		t.Errorf("lines %v", got)
	}
	if b := balance(t, s, "acme"); b != "0.45" { // 1.00 − 0.50 − 0.045
		t.Errorf("balance %s, want 0.45", b)
	}
}

func TestSubscriptionPaysForSearch(t *testing.T) {
	s := open(t, testConfig(t, t.TempDir()))
	k := customer(t, s, "acme", "300.00")
	if _, reason := call(t, s, k, "search/search", 1); reason != account.PaymentRequired {
		t.Fatalf("without a subscription: %s", reason)
	}
	do(t, s, "acme", &account.Subscribe{Instance: "shop", Row: "s100k-1", Months: 1})
	if n, reason := call(t, s, k, "search/search", 2); n != 1 || reason != account.RateLimited {
		t.Fatalf("%d calls admitted in a second at 1 QPS, then %s (D27)", n, reason)
	}
	advance(t, s, time.Date(2026, 12, 30, 22, 29, 59, 0, zone))
	if n, _ := call(t, s, k, "search/search", 1); n != 1 {
		t.Error("refused in the last second of the term")
	}
	advance(t, s, time.Date(2026, 12, 30, 22, 30, 0, 0, zone))
	if _, reason := call(t, s, k, "search/search", 1); reason != account.SubscriptionExpired {
		t.Errorf("at the end of the term: %s (D32)", reason)
	}
	advance(t, s, time.Date(2027, 1, 14, 22, 30, 0, 0, zone))
	if _, reason := call(t, s, k, "search/search", 1); reason != account.Released {
		t.Errorf("15 days after the term: %s (D32)", reason)
	}
}

func TestCommandsAreRememberedForEver(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s := open(t, c)
	customer(t, s, "acme", "")
	pay := func(amount string) (billing.Result, error) {
		return s.engine.Do(billing.Request{Key: "wire-4711", Account: "acme", Command: &account.TopUp{Amount: amount, Reference: "4711"}})
	}
	first, err := pay("10.00")
	if err != nil {
		t.Fatal(err)
	}
	check := func(when string) {
		t.Helper()
		again, err := pay("10.00")
		if err != nil || !again.Repeated || string(again.JSON) != string(first.JSON) {
			t.Errorf("%s: repeated %t, %s, %v; first %s", when, again.Repeated, again.JSON, err, first.JSON)
		}
		if _, err := pay("10.01"); !errors.Is(err, billing.ErrOtherContent) {
			t.Errorf("%s, other content: %v", when, err)
		}
		if b := balance(t, s, "acme"); b != "10.00" {
			t.Errorf("%s: balance %s", when, b)
		}
	}
	check("at once")
	advance(t, s, time.Date(2027, 12, 1, 0, 0, 0, 0, zone))
	check("after a year")
	shut(t, s)
	s = open(t, c)
	check("after a restart")
}

// TestSecondProcess: the folder belongs to one, and the message names it.
func TestSecondProcess(t *testing.T) {
	c := testConfig(t, t.TempDir())
	open(t, c)
	_, err := Open(c)
	if !errors.Is(err, journal.ErrLocked) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Fatalf("got %v, want one that names process %d", err, os.Getpid())
	}
}

// TestSettleNow ends the hour early, and the rest of it is a period of its own.
func TestSettleNow(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s := open(t, c)
	k := customer(t, s, "acme", "10.00")
	for round := 1; round <= 3; round++ {
		call(t, s, k, "recognition/image-tagging", 20)
		if _, err := s.SettleNow(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if b := balance(t, s, "acme"); b != "9.25" { // 50 × 0.015
		t.Errorf("balance %s, want 9.25", b)
	}
	shut(t, s)
	s = open(t, c)
	call(t, s, find(t, s, "acme"), "recognition/image-tagging", 2)
	advance(t, s, time.Date(2026, 12, 1, 0, 0, 0, 0, zone))
	if b := balance(t, s, "acme"); b != "9.22" {
		t.Errorf("balance %s, want 9.22", b)
	}
}

// TestOpenCountsEndWithSettlement: between its settlement and the end of its
// counters a period is the ledger's alone.
func TestOpenCountsEndWithSettlement(t *testing.T) {
	s := open(t, testConfig(t, t.TempDir()))
	k := customer(t, s, "acme", "10.00")
	call(t, s, k, "recognition/image-tagging", 5)
	count := func() (n uint64) {
		a, err := s.engine.Account("acme")
		if err != nil {
			t.Fatal(err)
		}
		for _, calls := range s.OpenCounts(a.Number, 0) {
			n += calls
		}
		return n
	}
	s.settleLock.Lock() // the loop's turn is ours
	defer s.settleLock.Unlock()
	if _, err := s.meter.Roll(s.meter.Cut() * int64(time.Second)); err != nil {
		t.Fatal(err)
	}
	ended := s.meter.Ended()[0]
	counts, err := s.meter.Seal(t.Context(), ended, time.Second)
	if err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 5 {
		t.Errorf("%d calls are open before their settlement, want 5", n)
	}
	if err := s.engine.Settle(ended.Start, ended.Length, counts); err != nil {
		t.Fatal(err)
	}
	if n := count(); n != 0 {
		t.Errorf("%d calls are open after their settlement", n)
	}
}

// TestOpenCountsOfAMonth: until the old month's last period is settled, both
// months have open calls, each its own.
func TestOpenCountsOfAMonth(t *testing.T) {
	c := testConfig(t, t.TempDir())
	c.TestStart = time.Date(2026, 11, 30, 23, 59, 59, 0, zone)
	s := open(t, c)
	k := customer(t, s, "acme", "10.00")
	a, err := s.engine.Account("acme")
	if err != nil {
		t.Fatal(err)
	}
	december := time.Date(2026, 12, 1, 0, 0, 0, 0, zone)
	call(t, s, k, "recognition/image-tagging", 5)
	s.settleLock.Lock() // nothing is settled for now
	defer s.settleLock.Unlock()
	if err := s.clock.(*testClock).Set(december); err != nil {
		t.Fatal(err)
	}
	call(t, s, k, "recognition/image-tagging", 3)
	count := func(from int64) (n uint64) {
		for _, calls := range s.OpenCounts(a.Number, from) {
			n += calls
		}
		return n
	}
	if all, new := count(0), count(december.Unix()); all != 8 || new != 3 {
		t.Errorf("%d calls are open, %d of them in December; want 8 and 3", all, new)
	}
}

// TestPreparedCountersOfTheNextPeriod: a killed run leaves them; the present
// period goes on all the same.
func TestPreparedCountersOfTheNextPeriod(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s := open(t, c)
	customer(t, s, "acme", "10.00")
	call(t, s, find(t, s, "acme"), "recognition/image-tagging", 12)
	start, length, _ := s.period(s.Now().Unix())
	shut(t, s)
	f, err := tally.Create(tally.Config{Dir: filepath.Join(c.Dir, "tally")}, tally.Header{Node: "n1", Start: start + length, Length: 3600})
	if err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, c)
	h, v := s.meter.Admit(meter.Call{Key: find(t, s, "acme"), Operation: 1})
	if v.Reason != 0 || !v.At.Time().Equal(s.Now()) {
		t.Fatalf("%s at %s, the clock says %s", v.Reason, v.At.Time(), s.Now())
	}
	s.meter.Release(&h, account.FailedStatus)
	advance(t, s, time.Date(2026, 11, 30, 23, 0, 0, 0, zone))
	if b := balance(t, s, "acme"); b != "9.97" {
		t.Errorf("balance %s, want 9.97", b)
	}
}

func TestLedgerKeepsItsSettings(t *testing.T) {
	c := testConfig(t, t.TempDir())
	shut(t, open(t, c))
	for name, change := range map[string]func(*Config){
		"timezone": func(c *Config) { c.Zone = time.UTC },
		"test":     func(c *Config) { c.Test = false },
	} {
		other := c
		change(&other)
		if _, err := Open(other); !errors.Is(err, billing.ErrOtherLedger) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestChecksOfTheConfiguration(t *testing.T) {
	good := testConfig(t, t.TempDir())
	good.Reserve, good.Ballast = MinReserve, DefaultBallast
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}
	for want, change := range map[string]func(*Config){
		"flush_interval": func(c *Config) { c.FlushInterval = 7 * time.Minute },
		"seal_wait":      func(c *Config) { c.SealWait = -1 },
		"reserve":        func(c *Config) { c.Reserve = MinReserve - 1 },
		"ballast":        func(c *Config) { c.Ballast = MinBallast - 1 },
		"sync_interval":  func(c *Config) { c.SyncInterval = -1 },
		"arrears":        func(c *Config) { c.Policy.Grace = -1 },
		"node":           func(c *Config) { c.Node = "Gateway 1" },
		"anchor":         func(c *Config) { c.Anchor = filepath.Join(c.Dir, "anchor.json") },
	} {
		bad := good
		change(&bad)
		if err := bad.Check(); err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}

func TestRefusalIDs(t *testing.T) {
	s := open(t, testConfig(t, t.TempDir()))
	number, _ := s.OperationNumber("search/add")
	v := meter.Verdict{At: s.clock.Now(), Account: 7, Reason: account.RateLimited}
	id := s.RefusalID(v, number)
	r, err := s.DecodeRefusal(id)
	if err != nil || r.Account != 7 || r.Operation != "search/add" || r.Reason != "rate-limited" || !r.At.Equal(s.Now()) {
		t.Errorf("%+v, %v", r, err)
	}
	other := open(t, testConfig(t, t.TempDir()))
	if _, err := other.DecodeRefusal(id); !errors.Is(err, ErrRefusalID) {
		t.Errorf("another ledger decodes it: %v", err)
	}
}
