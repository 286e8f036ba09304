package scale

import (
	"fmt"
	"math"
	"slices"

	"github.com/tallygate/tallygate/integration/bench/figure"
)

// measured is what was found with so many accounts.
type measured struct {
	accounts int
	rounds   []round
}

func (m measured) median(of func(round) float64) float64 {
	values := m.all(of)
	return values[len(values)/2]
}

// all are the values of the rounds, sorted.
func (m measured) all(of func(round) float64) (values []float64) {
	for _, r := range m.rounds {
		values = append(values, of(r))
	}
	slices.Sort(values)
	return values
}

// names of sizes in the names of figures.
var names = map[int]string{10_000: "10k", 100_000: "100k", 1_000_000: "1m"}

const largest = 1_000_000

// curve is a quantity by the number of accounts.
type curve struct {
	name, unit string
	sized      bool          // reported for every size, whose name it has
	budget     figure.Budget // of a million accounts
	of         func(round) float64
	method     string
}

var curves = []curve{
	{"rss_mib", "MiB", true, figure.AtMost(768), func(r round) float64 { return r.rss },
		"VmRSS with mapped files, in the middle of an hour in which all accounts made 2 calls, GOMEMLIMIT=" + memoryLimit},
	{"rss_mib_with_money_commands", "MiB", false, figure.Budget{}, func(r round) float64 { return r.rssPaid },
		fmt.Sprintf("the same after 5 s of %d top-ups/s of random accounts, whose pages of the ledger's mapped tables count as resident", payers*topupsPerSecond)},
	{"start_s", "s", true, figure.AtMost(3), func(r round) float64 { return r.start.Seconds() },
		"from exec after kill -9 in that hour until Caddy confirms that it serves"},
	{"close_s", "s", true, figure.AtMost(5), func(r round) float64 { return r.close.Seconds() },
		"that hour, 2 lines for each account: sealed, rated, debited, in the ledger; with traffic"},
	{"p99_ratio_during_close", "", false, figure.AtMost(1.5), round.p99Ratio,
		fmt.Sprintf("of %d calls/s of random accounts, during the close against those before", callers*callsPerSecond)},
	{"money_command_p99_ms_during_close", "ms", false, figure.AtMost(15), func(r round) float64 { return p99(r.moneyDuring) },
		fmt.Sprintf("of %d top-ups/s of random accounts over the admin API", payers*topupsPerSecond)},
	{"money_command_p99_ms_before_close", "ms", false, figure.Budget{}, func(r round) float64 { return p99(r.moneyBase) }, "the same before it"},
}

// report adds the figures of all sizes, and how they grow. The short form has one
// size, which the names' ends tell.
func report(to *figure.Report, grown []measured, short bool) {
	last := grown[len(grown)-1]
	for _, c := range curves {
		for _, m := range grown {
			f := c.figure(m)
			switch {
			case short && c.sized:
				f.Name = c.name + "_accounts"
			case c.sized:
				f.Name += "_" + names[m.accounts] + "_accounts"
			}
			if m.accounts == last.accounts || c.sized && !short {
				to.Add(f)
			}
		}
	}
	for _, c := range curves {
		if c.sized {
			to.Add(figure.Figure{Name: c.name + "_growth_exponent", Value: exponent(grown, c.of),
				Method: fmt.Sprintf("k in value = c × accounts^k, by least squares over %d sizes", len(grown))})
		}
	}
}

func (c curve) figure(m measured) figure.Figure {
	values := m.all(c.of)
	f := figure.Figure{Name: c.name, Value: m.median(c.of), Unit: c.unit, Low: values[0], High: values[len(values)-1],
		Method: fmt.Sprintf("%s; median, least and most of %d rounds", c.method, len(m.rounds))}
	if m.accounts == largest {
		f.Budget = c.budget
	}
	return f
}

// exponent fits value = c × accounts^exponent.
func exponent(grown []measured, of func(round) float64) float64 {
	var n, sx, sy, sxx, sxy float64
	for _, m := range grown {
		x, y := math.Log(float64(m.accounts)), math.Log(m.median(of))
		n, sx, sy, sxx, sxy = n+1, sx+x, sy+y, sxx+x*x, sxy+x*y
	}
	return (n*sxy - sx*sy) / (n*sxx - sx*sx)
}
