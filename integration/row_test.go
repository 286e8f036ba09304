package integration

import (
	"fmt"
	"math/rand/v2"
	"os"
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
}

// newRow begins a row of so many rounds, in its short form and in its long one.
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
	return r
}

// note adds to the row's line.
func (r *row) note(format string, args ...any) {
	r.notes = append(r.notes, fmt.Sprintf(format, args...))
}

// end prints the row's line and fails the test where anything was lost, doubled
// or wrong.
func (r *row) end() {
	r.t.Helper()
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
