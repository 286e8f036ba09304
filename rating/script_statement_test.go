package rating

import (
	"strings"
	"time"

	"github.com/tallygate/tallygate/rating/money"
	"github.com/tallygate/tallygate/rating/pricebook"
)

// build makes a statement of the indented lines.
func (s *script) build(c *command) {
	month, err := ParseMonth(c.words[1])
	if err != nil {
		s.err = err
		return
	}
	in := StatementInput{
		Number: "S-1", Account: c.words[2], Customer: c.words[2], Month: month, Currency: s.book.Currency,
		BookHashes: []string{"sha256:of-the-book"},
		Ops: func(name string) *pricebook.Operation {
			op, _ := s.book.Operation(name)
			return op
		},
	}
	in.TierUse, in.Packages = &TierUse{}, map[string]string{}
	for _, line := range strings.Split(strings.TrimSpace(c.block), "\n") {
		if err := in.add(strings.Fields(line)); err != nil {
			s.err = err
			return
		}
	}
	s.statement, s.err = Build(in)
}

func (in *StatementInput) add(w []string) error {
	switch w[0] {
	case "closed":
		in.Closed = true
	case "offer":
		in.Packages[w[1]] = strings.Join(w[2:], " ")
	case "hour":
		return in.TierUse.Add(in.Ops(w[1]), hourOf(w[2]))
	case "opening":
		in.Opening = in.amount(w[1])
	case "closing":
		in.Closing = in.amount(w[1])
	case "debited":
		in.DebitedUsage = in.amount(w[1])
	case "usage":
		in.Usage = append(in.Usage, Usage{w[1], w[2], uint64(number(w[3]))})
	case "not-billed":
		in.NotBilled = append(in.NotBilled, NotBilled{w[1], w[2], uint64(number(w[3]))})
	case "movement":
		at, err := time.Parse(time.RFC3339, w[1])
		if err != nil {
			panic(err)
		}
		in.Movements = append(in.Movements, Movement{at, w[2], strings.Join(w[5:], " "), w[4], in.amount(w[3])})
	default:
		panic("a statement has no " + w[0])
	}
	return nil
}

func (in *StatementInput) amount(s string) money.Amount {
	a, err := in.Currency.Parse(s)
	if err != nil {
		panic(err)
	}
	return a
}
