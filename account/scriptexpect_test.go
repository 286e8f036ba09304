package account_test

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// expectations are what a script may ask of an account. The answer is one line,
// or a block of lines: all that there are, so that what is left out fails.
//
//	expect balance acme 94.92
//	expect state acme grace
//	expect debits acme 0.08 0.07    every settlement since the last such line; none = no money moved
//	expect lines acme               every line settled since the last such line
//	expect movements acme           every movement since the last such line
//	expect events acme              every event since the last such line
//	expect packages acme            every term of a package that is remembered
//	expect terms acme               every term of a subscription that is remembered
//	expect limits acme              images and calls a second (search, add, delete) of every such term
//	expect images acme shop 100     what is held
//	expect statement acme 2027-01   the sums of a closed month
//	expect usage acme 2027-01       the lines of its usage, and what was not billed
//	expect offers search 60_000_000 images 5 qps    the rows that fit, cheapest first (D25)
//	expect refusal in arrears       part of what the last command was refused with
//	expect price 300.00             of the last preview; negative is a credit
//	expect nothing acme             no statement at all
var expectations = map[string]func(w *world, p *party, words []string) (got []string, err error){
	"balance":   func(w *world, p *party, _ []string) ([]string, error) { return one(w.money(p.Balance)) },
	"state":     func(w *world, p *party, _ []string) ([]string, error) { return one(string(p.StateAt(w.now))) },
	"debits":    func(w *world, p *party, _ []string) ([]string, error) { return one(w.showDebits(p)) },
	"lines":     func(w *world, p *party, _ []string) ([]string, error) { return w.showLines(p), nil },
	"movements": func(w *world, p *party, _ []string) ([]string, error) { return w.showMovements(p), nil },
	"events":    func(w *world, p *party, _ []string) ([]string, error) { return w.showEvents(p), nil },
	"packages":  func(w *world, p *party, _ []string) ([]string, error) { return w.showPackages(p), nil },
	"terms":     func(w *world, p *party, _ []string) ([]string, error) { return w.showTerms(p), nil },
	"limits":    func(_ *world, p *party, _ []string) ([]string, error) { return p.showLimits(), nil },
	"images":    (*world).showImages,
	"statement": (*world).showStatement,
	"usage":     (*world).showUsage,
	"nothing":   (*world).showNothing,
}

func one(s string) ([]string, error) { return []string{s}, nil }

// expect compares what a line says with what is so.
func (w *world) expect(l line) error {
	if len(l.words) < 3 {
		return fmt.Errorf("expect what?")
	}
	what, words := l.words[1], l.words[2:]
	switch what {
	case "refusal", "price":
		if l.block != nil {
			return fmt.Errorf("its answer stands in the line itself")
		}
	}
	switch what {
	case "refusal":
		return w.expectRefusal(strings.Join(words, " "))
	case "price":
		return w.expectPrice(words[0])
	case "offers":
		return w.expectOffers(words, l.block)
	}
	show, ok := expectations[what]
	if !ok {
		return fmt.Errorf("there is no such expectation")
	}
	p, err := w.party(words[0])
	if err != nil {
		return err
	}
	if err := w.lookAt(p); err != nil {
		return err
	}
	got, err := show(w, p, words[1:])
	if err != nil {
		return err
	}
	inline := strings.Join(words[1:], " ")
	switch {
	case inlined[what] && l.block != nil:
		return fmt.Errorf("its answer stands in the line itself")
	case inlined[what]:
		return compare(got, []string{inline})
	case inline != "" && what != "statement" && what != "usage":
		return fmt.Errorf("its answer stands below, indented")
	}
	return compare(got, l.block)
}

// inlined are the expectations whose answer stands in the line itself.
var inlined = map[string]bool{"balance": true, "state": true, "debits": true, "images": true, "nothing": true}

func compare(got, want []string) error {
	if slices.Equal(got, want) {
		return nil
	}
	return fmt.Errorf("\ngot\n\t%s\nwant\n\t%s", strings.Join(got, "\n\t"), strings.Join(want, "\n\t"))
}

func (w *world) expectRefusal(want string) error {
	err := w.refusal
	w.refusal = nil
	if err == nil || !strings.Contains(err.Error(), want) {
		return fmt.Errorf("got refusal: %v", err)
	}
	return nil
}

func (w *world) expectPrice(want string) error {
	if w.price == nil {
		return fmt.Errorf("there is no preview before it")
	}
	got := w.money(*w.price)
	w.price = nil
	return compare([]string{got}, []string{want})
}

// expectOffers reads "search 60_000_000 images 5 qps".
func (w *world) expectOffers(words, want []string) error {
	if len(words) != 5 {
		return fmt.Errorf("write expect offers search 100_000 images 5 qps")
	}
	images, err := number(words[1])
	if err != nil {
		return err
	}
	qps, err := number(words[3])
	if err != nil {
		return err
	}
	var got []string
	for _, r := range w.bookAt(w.now).Fit(words[0], images, int(qps)) {
		got = append(got, r.ID+" "+w.money(r.Price))
	}
	return compare(got, want)
}

func (w *world) money(a money.Amount) string { return w.currency().Format(a) }

// when shows an instant in the billing zone, seconds only where there are some.
func (w *world) when(unix int64) string {
	return strings.TrimSuffix(time.Unix(unix, 0).In(w.zone).Format(time.DateTime), ":00")
}

func (w *world) showDebits(p *party) string {
	var got []string
	lines := p.settled[p.debitsSeen:]
	p.debitsSeen = len(p.settled)
	for len(lines) > 0 {
		n := slices.IndexFunc(lines, func(s settledLine) bool { return s.period != lines[0].period })
		if n < 0 {
			n = len(lines)
		}
		var sum money.Amount
		for _, s := range lines[:n] {
			sum += s.Amount
		}
		got, lines = append(got, w.money(sum)), lines[n:]
	}
	return strings.Join(got, " ")
}

func (w *world) showLines(p *party) (got []string) {
	for _, s := range p.settled[p.linesSeen:] {
		got = append(got, fmt.Sprintf("%s %s %s %d %s",
			w.when(s.period.Start), w.operations[s.Operation-1], s.Funding(), s.Calls, w.money(s.Amount)))
	}
	p.linesSeen = len(p.settled)
	return got
}

func (w *world) showMovements(p *party) (got []string) {
	for _, m := range p.movements[p.moveSeen:] {
		got = append(got, fmt.Sprintf("%s %s %s %s: %s", w.when(m.At/1e9), m.Kind, w.money(m.Amount), m.Reference, m.Text))
	}
	p.moveSeen = len(p.movements)
	return got
}

func (w *world) showEvents(p *party) (got []string) {
	for _, e := range p.events {
		if w.noNotices && strings.HasPrefix(string(e.Kind), "notice-") {
			continue
		}
		got = append(got, strings.Join(strings.Fields(fmt.Sprintf("%s %s %s %s", w.when(e.At), e.Kind, e.Subject, e.Text)), " "))
	}
	p.events = nil
	return got
}

func (w *world) showPackages(p *party) (got []string) {
	for _, b := range p.Packages {
		renews := map[bool]string{true: ", renews itself"}[b.AutoRenew]
		got = append(got, fmt.Sprintf("package:%d %s %s to %s, %d of %d used%s",
			b.Number, b.Offer, w.when(b.Start), w.when(b.End), b.Used, b.Quota, renews))
	}
	return got
}

func (w *world) showTerms(p *party) (got []string) {
	for _, s := range p.Subscriptions {
		note := map[bool]string{true: ", trial"}[s.Trial] + map[bool]string{true: ", void"}[s.Void]
		got = append(got, fmt.Sprintf("subscription:%d %s %s %s to %s, costs %s%s",
			s.Number, s.Instance, s.Row, w.when(s.Start), w.when(s.End), w.money(s.Price), note))
	}
	return got
}

func (p *party) showLimits() (got []string) {
	for _, s := range p.Subscriptions {
		got = append(got, fmt.Sprintf("subscription:%d %d images, %d/%d/%d a second", s.Number, s.MaxImages, s.Search, s.Add, s.Delete))
	}
	return got
}

func (w *world) showImages(p *party, words []string) ([]string, error) {
	inst := p.InstanceNamed(words[0])
	if inst == nil {
		return nil, fmt.Errorf("there is no instance %q", words[0])
	}
	return one(fmt.Sprintf("%s %d", words[0], inst.Images+inst.Uncertain))
}

func (w *world) showNothing(p *party, _ []string) ([]string, error) {
	if len(p.statements) > 0 {
		return nil, fmt.Errorf("there are %d statements", len(p.statements))
	}
	return one("")
}

// showStatement shows the sums of a closed month, those that are not zero.
func (w *world) showStatement(p *party, words []string) ([]string, error) {
	s, err := w.statement(p, words)
	if err != nil {
		return nil, err
	}
	got := []string{s.Number, "opening " + s.Opening}
	for _, row := range [][2]string{{"paid in", s.Credits}, {"adjusted", s.Adjustments}, {"bought", s.Purchases}, {"used", s.Usage}} {
		if strings.Trim(row[1], "0.") != "" {
			got = append(got, row[0]+" "+row[1])
		}
	}
	return append(got, "closing "+s.Closing), nil
}

// showUsage shows the lines of a month, with the bands that explain them.
func (w *world) showUsage(p *party, words []string) (got []string, err error) {
	s, err := w.statement(p, words)
	if err != nil {
		return nil, err
	}
	for _, l := range s.Lines {
		text := fmt.Sprintf("%s %s %d", l.Operation, l.Funding, l.Calls)
		for i, b := range l.Bands {
			text += map[bool]string{true: " = ", false: " + "}[i == 0] + fmt.Sprintf("%d × %s", b.Calls, b.Price)
		}
		got = append(got, text+" = "+l.Amount)
	}
	for _, n := range s.NotBilled {
		got = append(got, fmt.Sprintf("%s refused %s %d", n.Operation, n.Reason, n.Calls))
	}
	return got, nil
}

// statement builds a closed month's statement, which proves that its lines come
// to what was debited hour by hour (D12).
func (w *world) statement(p *party, words []string) (rating.Statement, error) {
	month, err := rating.ParseMonth(strings.Join(words, " "))
	if err != nil {
		return rating.Statement{}, err
	}
	i := slices.IndexFunc(p.statements, func(s account.StatementRecord) bool { return s.Month == uint32(month) })
	if i < 0 {
		return rating.Statement{}, fmt.Errorf("the month is not closed, or has no statement")
	}
	rec := p.statements[i]
	start, _ := rating.MonthBounds(month, w.zone)
	in := rating.StatementInput{Number: account.StatementNumber(p.ID, rec.Number), Closed: true, Account: p.ID, Customer: p.Customer,
		Month: month, Currency: w.currency(), Opening: rec.Opening, Closing: rec.Closing, TierUse: p.tierUse[uint32(month)],
		Ops: func(name string) *pricebook.Operation { op, _ := w.bookAt(start).Operation(name); return op }}
	w.addSettled(&in, p)
	for _, m := range p.movements {
		if rating.MonthOf(m.At/1e9, w.zone) == month {
			in.Movements = append(in.Movements, rating.Movement{Kind: m.Kind, Text: m.Text, Ref: m.Reference, Amount: m.Amount})
		}
	}
	for _, r := range p.refused {
		if r.month == uint32(month) {
			in.NotBilled = append(in.NotBilled, rating.NotBilled{Operation: w.operations[r.Operation-1], Reason: r.Kind.String(), Calls: r.calls})
		}
	}
	return rating.Build(in)
}

func (w *world) addSettled(in *rating.StatementInput, p *party) {
	for _, s := range p.settled {
		if s.period.Month != uint32(in.Month) {
			continue
		}
		in.Usage = append(in.Usage, rating.Usage{Operation: w.operations[s.Operation-1], Funding: s.Funding(), Calls: s.Calls})
		in.DebitedUsage += s.Amount
		in.Movements = append(in.Movements, rating.Movement{Kind: rating.MovementUsage, Amount: -s.Amount})
	}
}
