package account

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/rating/pricebook"
)

// TestTermsEndWithTheCalendar: no term ends later than RFC 3339 can write. An
// accepted command whose answer cannot be written would stop every fold of the
// journal.
func TestTermsEndWithTheCalendar(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ buy, renew Command }{
		"package":      {&BuyPackage{Package: "century"}, &RenewPackage{Package: 1}},
		"subscription": {&Subscribe{Instance: "shop", Row: "s1", Months: 36}, &RenewSubscription{Instance: "shop", Months: 36}},
	} {
		book := mustParse(strings.Replace(lifeBook, "packages:\n", "packages:\n  - {id: century, operation: r/graduated, calls: 1, valid: 100y, price: 0.01}\n", 1))
		l := newLife(DefaultPolicy)
		l.CreditLimit = 1_000_000_000_00
		e := l.env.at(lifeStart)
		e.Books = func(int64) *pricebook.Book { return book }
		_, err := Do(l.Account, c.buy, e)
		for n := 0; err == nil && n < 3000; n++ {
			trial := l.Clone()
			if _, err = Do(trial, c.renew, e); err == nil {
				l.Account = trial
			}
		}
		var no *Error
		if !errors.As(err, &no) || !strings.Contains(no.Text, "year 9998") {
			t.Fatalf("%s: %v", name, err)
		}
		end := int64(0)
		for _, p := range l.Packages {
			end = max(end, p.End)
		}
		for _, s := range l.Subscriptions {
			end = max(end, s.End)
		}
		if year := time.Unix(end, 0).UTC().Year(); year < 9800 || year > 9998 {
			t.Errorf("%s: the last term ends in %d", name, year)
		}
	}
}

// TestNoCommandBringsABalanceWhereSettlementsFail: one that does not fit could
// never be settled.
func TestNoCommandBringsABalanceWhereSettlementsFail(t *testing.T) {
	t.Parallel()
	for _, amount := range []string{"-92233720368547758.08", "-100000000000000.01", "100000000000000.01"} {
		l := newLife(DefaultPolicy)
		_, err := Do(l.Account, &Adjust{Amount: amount, Reason: "why", Reference: "r"}, l.env.at(lifeStart))
		if err == nil || !strings.Contains(err.Error(), "out of range") {
			t.Errorf("%s: %v", amount, err)
		}
	}
	l := newLife(DefaultPolicy)
	for _, amount := range []string{"-100000000000000.00", "0.01", "-0.01"} {
		if _, err := Do(l.Account, &Adjust{Amount: amount, Reason: "why", Reference: "r"}, l.env.at(lifeStart)); err != nil {
			t.Errorf("%s: %v", amount, err)
		}
	}
	period := Period{Start: lifeStart, End: lifeStart + 10, Month: 202701}
	counts := []Count{{Line{Account: 1, Operation: 1, Kind: PayPerUse}, 1000}}
	if _, _, err := l.Settle(period, counts, func(uint16) (*pricebook.Operation, bool) { return lifeRates.Operation("r/graduated") }, l.env.at(period.End)); err != nil {
		t.Errorf("settling: %v", err)
	}
}

// TestThousandsOfPackages: what is due next is found in one pass, also where the
// account has bought packages by the thousand. Settlements wait for it.
func TestThousandsOfPackages(t *testing.T) {
	t.Parallel()
	const n = 40_000
	l := newLife(DefaultPolicy)
	l.Balance = 1_000_00
	if _, err := Do(l.Account, &BuyPackage{Package: "tiny"}, l.env.at(lifeStart)); err != nil {
		t.Fatal(err)
	}
	for number := uint32(2); number <= n; number++ {
		p := l.Packages[0]
		p.Number, p.Chain = number, number
		l.Packages = append(l.Packages, p)
	}
	began := time.Now()
	if at, ok := l.NextDue(l.env); !ok || at != l.Packages[0].End-15*day {
		t.Errorf("due at %d", at)
	}
	if took := time.Since(began); took > time.Second {
		t.Errorf("%d packages take %v", n, took)
	}
}

// TestEmptyWordsAndAmounts: what is given must say something, counted as people
// count (D33, D36).
func TestEmptyWordsAndAmounts(t *testing.T) {
	t.Parallel()
	empty := ""
	for _, c := range []struct {
		command Command
		field   string
	}{
		{&TopUp{Amount: "1.00", Reference: "  "}, "reference"},
		{&TopUp{Amount: "1.00", Reference: strings.Repeat("汇", 201)}, "reference"},
		{&TopUp{Amount: "1.00", Reference: strings.Repeat("汇", 200)}, ""},
		{&Adjust{Amount: "1.00", Reason: "\t", Reference: "r"}, "reason"},
		{&ChangeAccount{CreditLimit: &empty}, "credit_limit"},
		{&ChangeAccount{LowBalance: &empty}, "low_balance"},
	} {
		l := newLife(DefaultPolicy)
		_, err := Do(l.Account, c.command, l.env.at(lifeStart))
		var no *Error
		if errors.As(err, &no) != (c.field != "") || no != nil && no.Field != c.field {
			t.Errorf("%s: %v, want a refusal of %q", c.command.Type(), err, c.field)
		}
	}
}
