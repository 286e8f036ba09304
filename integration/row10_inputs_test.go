package integration

import (
	"bufio"
	"encoding/json"
	"io"
	"iter"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/ledger/journal"
)

func linesOf(t testing.TB, from io.Reader) iter.Seq[string] {
	return func(yield func(string) bool) {
		lines := bufio.NewScanner(from)
		for lines.Scan() {
			if !yield(lines.Text()) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			t.Error(err)
		}
	}
}

// inputs yields the journal of a gateway that does not run, oldest first.
func (r *rig) inputs() iter.Seq[journal.Record] {
	r.t.Helper()
	j, _, err := journal.Open(journal.Config{Dir: filepath.Join(r.Dir, "ledger", "journal")})
	if err != nil {
		r.t.Fatal(err)
	}
	return func(yield func(journal.Record) bool) {
		defer j.Close()
		for record, err := range j.Read(1) {
			if err != nil {
				r.t.Fatalf("reading the journal: %v", err)
			}
			if !yield(record) {
				return
			}
		}
	}
}

// checkInputs: no setting of a refused configuration ever became an input, those
// of accepted ones did.
func (r *rig) checkInputs(row *row) {
	r.t.Helper()
	policies, books := map[int64]int{}, 0
	for record := range r.inputs() {
		switch record.Kind {
		case "policy":
			var p struct{ Grace int64 }
			if err := json.Unmarshal(record.Payload, &p); err != nil {
				r.t.Fatal(err)
			}
			policies[p.Grace/int64(24*time.Hour/time.Second)]++
		case "pricebook":
			books++
			if strings.Contains(string(record.Payload), "refused") {
				row.fault(r.t, "journal record %d is the price book of a refused configuration", record.Seq)
			}
		}
	}
	if policies[77] > 0 || row.rounds > 5 && (policies[15] < 2 || policies[16] < 2) {
		row.fault(r.t, "policies by days of grace: %v; those with 15 and 16 were accepted, that with 77 never", policies)
	}
	if changes := max(0, row.rounds-2) / 10; books < 1+changes {
		row.fault(r.t, "%d price books in the journal, want one more for each of %d changes", books, changes)
	}
}
