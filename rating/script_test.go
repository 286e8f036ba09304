package rating

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/rating/pricebook"
)

// script runs the files of testdata, which say themselves what they mean. A
// line that is not indented is a command; the indented lines after it belong
// to it.
type script struct {
	book *pricebook.Book
	err  error // of the last command that computed something

	op     *pricebook.Operation // of the last calls or hours
	counts map[string]int64     // calls so far in the month
	debits []string             // of the last calls or hours

	accruals map[string]Accrual // of hours so far in the month
	use      TierUse            // of the same hours

	loc *time.Location
	at  time.Time

	statement Statement
}

type command struct {
	place string // file:line
	words []string
	block string // the indented lines, without the indent
}

func TestScripts(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"tiers.txt", "time.txt", "statement.txt"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := script{counts: map[string]int64{}, accruals: map[string]Accrual{}, loc: time.UTC}
			for _, c := range readScript(t, filepath.Join("testdata", name)) {
				if err := s.run(c); err != nil {
					t.Errorf("%s: %s: %v", c.place, strings.Join(c.words, " "), err)
				}
			}
		})
	}
}

func readScript(t *testing.T, path string) (commands []*command) {
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(data), "\n") {
		switch {
		case strings.HasPrefix(line, "\t"):
			commands[len(commands)-1].block += line[1:] + "\n"
		case line != "" && line[0] != '#':
			commands = append(commands, &command{place: fmt.Sprintf("%s:%d", path, i+1), words: strings.Fields(line)})
		}
	}
	return commands
}

func (s *script) run(c *command) error {
	if c.words[0] == "expect" {
		return s.expect(c)
	}
	if s.err != nil {
		return fmt.Errorf("unexpected error before it: %w", s.err)
	}
	switch c.words[0] {
	case "load":
		s.book, s.err = pricebook.Parse(c.place, []byte(c.block))
		s.newMonth()
	case "month":
		s.newMonth()
	case "calls":
		s.calls(c.words[1], c.words[2:])
	case "hours":
		s.err = s.hours(c.words[1], c.words[2:])
	case "zone":
		s.loc, s.err = zone(c.words[1])
	case "at":
		s.at, s.err = time.Parse(time.RFC3339, c.words[1])
	case "statement":
		s.build(c)
	default:
		return fmt.Errorf("no such command")
	}
	return nil
}

func (s *script) newMonth() {
	clear(s.counts)
	clear(s.accruals)
	s.use = TierUse{}
}

// hours settles periods one after the other, each written free/package/payg.
func (s *script) hours(name string, hours []string) (err error) {
	s.debits, s.op = nil, nil
	if op, ok := s.book.Operation(name); ok {
		s.op = op
	}
	for _, text := range hours {
		h := hourOf(text)
		before, err := s.accruals[name].Charge(s.book.Currency)
		if err != nil {
			return err
		}
		a, err := s.accruals[name].Add(s.op, h)
		if err != nil {
			return err
		}
		after, err := a.Charge(s.book.Currency)
		if err != nil {
			return err
		}
		s.accruals[name], s.debits = a, append(s.debits, s.book.Currency.Format(after-before))
		if err := s.use.Add(s.op, h); err != nil {
			return err
		}
	}
	return nil
}

// hourOf reads free/package/payg.
func hourOf(text string) Hour {
	n := strings.Split(text, "/")
	return Hour{uint64(number(n[0])), uint64(number(n[1])), uint64(number(n[2]))}
}

// calls settles counts one after the other.
func (s *script) calls(name string, counts []string) {
	op, ok := s.book.Operation(name)
	if !ok {
		s.err = fmt.Errorf("no operation %q", name)
		return
	}
	s.op, s.debits = op, nil
	for _, count := range counts {
		before := s.counts[name]
		after := before + number(count)
		amount, err := debit(op, s.book.Currency, before, after)
		if err != nil {
			s.err = err
			return
		}
		s.debits = append(s.debits, s.book.Currency.Format(amount))
		s.counts[name] = after
	}
}

func (s *script) expect(c *command) error {
	what, want := c.words[1], strings.Join(c.words[2:], " ")
	if what == "error" {
		err := s.err
		s.err = nil
		if err == nil || !strings.Contains(err.Error(), want) {
			return fmt.Errorf("got %v", err)
		}
		return nil
	}
	if s.err != nil {
		err := s.err
		s.err = nil
		return err
	}
	got, err := s.answer(what, c)
	if c.block != "" || what == "bands" || what == "tiers" {
		want = c.block
	}
	if err != nil || got != want {
		return fmt.Errorf("got %s, %v", got, err)
	}
	return nil
}

func (s *script) answer(what string, c *command) (string, error) {
	switch what {
	case "charge":
		amount, err := Charge(s.op, s.book.Currency, s.counts[s.op.Name])
		return s.book.Currency.Format(amount), err
	case "accrued":
		a := s.accruals[s.op.Name]
		amount, err := a.Charge(s.book.Currency)
		return fmt.Sprintf("%s for %d of %d", s.book.Currency.Format(amount), a.PayPerUse, a.Successful), err
	case "tiers":
		return s.tiers()
	case "debits":
		return strings.Join(s.debits, " "), nil
	case "bands":
		return s.bands()
	case "table":
		var b strings.Builder
		err := s.statement.WriteTable(&b)
		return b.String(), err
	case "csv":
		var b strings.Builder
		err := s.statement.WriteCSV(&b)
		if strings.Count(b.String(), "\r\n") != strings.Count(b.String(), "\n") {
			return "", fmt.Errorf("a line does not end with CR LF")
		}
		return strings.ReplaceAll(b.String(), "\r\n", "\n"), err
	case "json":
		data, err := json.MarshalIndent(s.statement, "", "  ")
		return string(data) + "\n", err
	}
	return s.answerTime(what, c)
}

func (s *script) bands() (string, error) {
	bands, err := Bands(s.op, 0, s.counts[s.op.Name])
	var b strings.Builder
	for _, band := range bands {
		fmt.Fprintf(&b, "%d–%d: %d × %s = %s\n", band.From, band.To, band.Calls, band.Price, band.Exact)
	}
	return b.String(), err
}

func (s *script) tiers() (string, error) {
	bands, err := s.use.bands(s.op, int64(s.accruals[s.op.Name].PayPerUse))
	var b strings.Builder
	for _, band := range bands {
		fmt.Fprintf(&b, "%d–%d: %d × %s = %s\n", band.From, band.To, band.Calls, band.Price, band.Exact)
	}
	return b.String(), err
}

func (s *script) answerTime(what string, c *command) (string, error) {
	show := func(unix int64) string { return time.Unix(unix, 0).In(s.loc).Format(time.RFC3339) }
	now := s.at.Unix()
	switch what {
	case "month":
		m := MonthOf(now, s.loc)
		if start, end := MonthBounds(m, s.loc); now < start || now >= end {
			return "", fmt.Errorf("%s is not within %s to %s", show(now), show(start), show(end))
		}
		return m.String(), nil
	case "hour":
		return show(HourStart(now, s.loc)) + " " + show(HourEnd(now, s.loc)), nil
	case "period":
		interval, err := time.ParseDuration(c.words[2])
		if err != nil {
			return "", err
		}
		return fmt.Sprint(c.words[2], " ", show(PeriodStart(now, interval, s.loc)), " ", show(PeriodEnd(now, interval, s.loc))), CheckInterval(interval)
	case "in":
		months := number(strings.TrimRight(c.words[2], "moy"))
		if strings.HasSuffix(c.words[2], "y") {
			months *= 12
		}
		return c.words[2] + " " + AddMonths(s.at, int(months), s.loc).Format(time.RFC3339), nil
	case "end_of_day":
		return EndOfDay(s.at, s.loc).Format(time.RFC3339), nil
	}
	return "", fmt.Errorf("nothing is known of %q", what)
}

// number reads 10_000.
func number(s string) (n int64) {
	if _, err := fmt.Sscanf(strings.ReplaceAll(s, "_", ""), "%d", &n); err != nil {
		panic(fmt.Sprintf("%q is no number: %v", s, err))
	}
	return n
}

// zone reads +08:00 or an IANA name.
func zone(name string) (*time.Location, error) {
	if t, err := time.Parse("-07:00", name); err == nil {
		_, offset := t.Zone()
		return time.FixedZone(name, offset), nil
	}
	return time.LoadLocation(name)
}
