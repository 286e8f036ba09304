package integration

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"
)

// commandLine runs the binary beside the gateway, as an operator does, and reads
// its JSON into out, unless that is nil. The text is what it printed.
func (s *scene) commandLine(out any, arguments ...string) (text string, err error) {
	s.t.Helper()
	at := 2 // flags go before what follows --
	if dashes := slices.Index(arguments, "--"); dashes >= 0 {
		at = dashes
	}
	text, err = s.Command(slices.Insert(slices.Clone(arguments), min(at, len(arguments)), "--address="+s.Admin, "--json")...)
	if err == nil && out != nil {
		err = json.Unmarshal([]byte(text), out)
	}
	return text, err
}

// quoted is what a preview says.
type quoted struct {
	Now, Later struct {
		At         time.Time
		Amount     string
		Balance    string
		Start, End time.Time
		Refused    *problem
	}
}

// sale is what a purchase says.
type sale struct {
	Amount, Balance string
	Start, End      time.Time
}

// buy previews a command on the command line, holds the preview against what it
// then does, with the quoted amount agreed, and gives the preview.
func (s *scene) buy(arguments ...string) (q quoted) {
	s.t.Helper()
	if text, err := s.commandLine(&q, append(arguments, "--preview")...); err != nil {
		s.t.Fatalf("%v --preview: %v: %s", arguments, err, text)
	}
	s.agree(q.Now.Amount, q.Now.Balance, q.Now.End, arguments...)
	return q
}

// agree does a command with no more than an amount agreed, which must be due.
func (s *scene) agree(amount, balance string, end time.Time, arguments ...string) {
	s.t.Helper()
	var b sale
	text, err := s.commandLine(&b, append(arguments, "--max-amount="+amount)...)
	if err != nil {
		s.t.Fatalf("%v: %v: %s", arguments, err, text)
	}
	if b.Amount != negated(amount) || b.Balance != balance || !b.End.Equal(end) {
		s.t.Errorf("%v: %+v, quoted were %s, %s and %s", arguments, b, amount, balance, end)
	}
	month := s.usage("acme").Month
	moves := s.statement("acme", month).Movements
	if last := moves[len(moves)-1]; last.Amount != negated(amount) {
		s.t.Errorf("%v: the movement is %+v, quoted were %s", arguments, last, amount)
	}
}

func negated(amount string) string {
	if positive, ok := strings.CutPrefix(amount, "-"); ok {
		return positive
	}
	return "-" + amount
}

// TestQuoteIsCharge: what the command line shows is what it then costs, now and
// five minutes on, and no more than what was agreed (D30, D34).
func TestQuoteIsCharge(t *testing.T) {
	t.Parallel()
	clock, at := testClock("2026-01-31T09:10:07+08:00")
	s := newScene(t, "", clock, at)
	s.account("acme", "90000.00")
	s.buy("package", "buy", "acme", "image-tagging-10k-1y")
	s.buy("package", "renew", "acme", "1")
	q := s.buy("subscription", "buy", "acme", "products", "s2500k-5", "--months=2")
	if want := "2026-03-31T09:10:07+08:00"; q.Now.Amount != "1600.00" || q.Now.End.Format(time.RFC3339) != want {
		t.Errorf("two months of 800.00: %+v, want until %s", q.Now, want)
	}
	s.buy("subscription", "renew", "acme", "products", "--row=s5m-5", "--months=3")
	s.advance("2026-02-11T17:23:41+08:00")
	s.buy("subscription", "change", "acme", "products", "s10m-10")

	// Five minutes later a downgrade credits less: what was agreed is not enough.
	s.advance("2026-02-11T17:30:00+08:00")
	change := []string{"subscription", "change", "acme", "products", "s2500k-10"}
	if text, err := s.commandLine(&q, append(change, "--preview")...); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	s.advance("2026-02-11T17:35:00+08:00")
	if q.Now.Amount == q.Later.Amount || q.Later.At.Sub(q.Now.At) != 5*time.Minute {
		t.Errorf("a proration stands still: %+v", q)
	}
	text, err := s.commandLine(nil, append(change, "--max-amount="+q.Now.Amount)...)
	if err == nil || !strings.Contains(text, strings.TrimPrefix(q.Later.Amount, "-")) {
		t.Errorf("with %s agreed: %v: %s, want a refusal that names %s", q.Now.Amount, err, text, q.Later.Amount)
	}
	s.agree(q.Later.Amount, q.Later.Balance, q.Later.End, change...)

	// And an upgrade costs what the preview said for then.
	upgrade := []string{"subscription", "change", "acme", "products", "s50m-10"}
	if text, err := s.commandLine(&q, append(upgrade, "--preview")...); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	s.advance("2026-02-11T17:40:00+08:00")
	s.agree(q.Later.Amount, q.Later.Balance, q.Later.End, upgrade...)
	s.quotedUse()
}

// quotedUse asks what a month of calls costs, makes them, and compares (D34).
func (s *scene) quotedUse() {
	s.t.Helper()
	key := s.account("user", "1.00")
	const calls = 1_137
	var answer struct {
		Calls struct {
			Plans []struct{ Package, Total string }
		}
		Subscription struct {
			ContactSales bool `json:"contact_sales"`
			Rows         []struct{ Row, Total string }
		}
	}
	s.do("POST", "/price", map[string]any{"calls": map[string]any{"operation": tagging, "profile": []int{calls}}}, &answer)
	for range calls {
		s.call(tag("user", key))
	}
	s.settle()
	if st := s.statement("user", "2026-02"); len(answer.Calls.Plans) == 0 || answer.Calls.Plans[0].Package != "" || answer.Calls.Plans[0].Total != st.Usage || st.Usage != "0.41" {
		s.t.Errorf("%d calls were quoted as %+v and charged %s, want 0.41", calls, answer.Calls.Plans, st.Usage)
	}
	s.do("POST", "/price", map[string]any{"subscription": map[string]any{"images": 2_500_001, "qps": 6, "months": 3}}, &answer)
	if rows := answer.Subscription.Rows; len(rows) == 0 || rows[0].Row != "s5m-10" || rows[0].Total != "8700.00" {
		s.t.Errorf("2,500,001 images at 6 a second for three months: %+v, want s5m-10 for 8700.00", rows)
	}
	s.do("POST", "/price", map[string]any{"subscription": map[string]any{"images": 50_000_001, "qps": 1}}, &answer)
	if !answer.Subscription.ContactSales {
		s.t.Errorf("beyond the table: %+v (D25)", answer.Subscription)
	}
}
