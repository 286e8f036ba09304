package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
)

// row is one line of the table of faults: what happened in all its rounds. Each
// row is one test, TestRow followed by its number in two digits and a name.
//
//	TALLYGATE_LONG=1    the long form
//	TALLYGATE_ROUNDS=N  no more rounds than that
//	TALLYGATE_SEED=N    the rounds of another run
type row struct {
	t      *testing.T
	number int
	name   string
	long   bool
	seed   uint64
	chance *rand.Rand

	rounds  int // to make; rounds that have been made are counted by the test
	lost    int // counts or money that somebody was told of, and that are gone
	doubled int // counts or money that are there more often than they happened
	wrong   int // anything else that was served and is not so, or a promise that was not kept
	notes   []string
	ended   bool
}

// number is a setting of the environment, to repeat or to prolong a test.
func number(t *testing.T, name string, otherwise int) int {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatalf("%s: %v", name, err)
	}
	return n
}

// newRow begins a row of so many rounds, in its short form and in its long one.
// A test that breaks off ends its row all the same, as a failed one.
func newRow(t *testing.T, no int, name string, short, long int) *row {
	t.Helper()
	r := &row{t: t, number: no, name: name, long: os.Getenv("TALLYGATE_LONG") != "",
		seed: uint64(number(t, "TALLYGATE_SEED", int(time.Now().UnixNano()&0xffffff))), rounds: short}
	if r.long {
		r.rounds = long
	}
	r.rounds = min(r.rounds, number(t, "TALLYGATE_ROUNDS", r.rounds))
	r.chance = rand.New(rand.NewPCG(r.seed, uint64(no)))
	t.Logf("row %d %s: %d rounds, TALLYGATE_SEED=%d", no, name, r.rounds, r.seed)
	t.Cleanup(func() {
		if !r.ended {
			r.fault(t, "the test broke off")
			r.end()
		}
	})
	return r
}

// note adds to the row's line.
func (r *row) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// lose, double and fault fail the test and count in the row, if it is one of a
// row: counts or money that are gone, that are there too often, and anything else.
func (r *row) lose(t testing.TB, n int, format string, args ...any) {
	t.Helper()
	t.Errorf("lost %d: %s", n, fmt.Sprintf(format, args...))
	if r != nil {
		r.lost += n
	}
}

func (r *row) double(t testing.TB, n int, format string, args ...any) {
	t.Helper()
	t.Errorf("doubled %d: %s", n, fmt.Sprintf(format, args...))
	if r != nil {
		r.doubled += n
	}
}

func (r *row) fault(t testing.TB, format string, args ...any) {
	t.Helper()
	t.Errorf("wrong: %s", fmt.Sprintf(format, args...))
	if r != nil {
		r.wrong++
	}
}

// end prints the row's line and fails the test where anything was lost, doubled
// or wrong. The line of a test that failed never says that nothing was.
func (r *row) end() {
	r.t.Helper()
	r.ended = true
	if r.t.Failed() && r.lost+r.doubled+r.wrong == 0 {
		r.wrong = 1
	}
	line := fmt.Sprintf("row %d %s: rounds %d lost %d doubled %d wrong %d seed %d", r.number, r.name, r.rounds, r.lost, r.doubled, r.wrong, r.seed)
	if len(r.notes) > 0 {
		line += " (" + strings.Join(r.notes, "; ") + ")"
	}
	r.t.Log(line)
	if path := os.Getenv("TALLYGATE_ROW_FILE"); path != "" {
		if err := os.WriteFile(path, []byte(line+"\n"), 0o644); err != nil {
			r.t.Error(err)
		}
	}
	if r.lost+r.doubled+r.wrong > 0 || r.t.Failed() {
		r.t.Errorf("the row failed: %s", line)
	}
}
