package integration

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"

	sealed "github.com/tallygate/tallygate/ledger/usage"
)

// checkSealed walks the journal of the stopped gateway: periods follow each
// other without an overlap, each has the sealed file that its record names, no
// other is there, and their sum is what the statements bill.
func (r *rig) checkSealed(w *killTraffic) {
	r.t.Helper()
	dir := filepath.Join(r.Dir, "ledger", "usage")
	var until int64
	var billed uint64
	files := map[string]bool{}
	for record := range r.inputs() {
		if record.Kind != "period" {
			continue
		}
		var p struct {
			Start, Length int64
			File          string
			Hash          []byte
		}
		if err := json.Unmarshal(record.Payload, &p); err != nil {
			r.t.Fatal(err)
		}
		if p.Start < until || files[p.File] {
			w.row.double(r.t, 1, "journal record %d seals %+v, but all until %d was sealed before", record.Seq, p, until)
		}
		if until = p.Start + p.Length; p.File == "" {
			continue
		}
		files[p.File] = true
		f, err := sealed.Open(filepath.Join(dir, p.File))
		if err != nil {
			r.t.Fatal(err)
		}
		if hash := f.Info().Hash; !bytes.Equal(hash[:], p.Hash) {
			w.row.fault(r.t, "sealed file %s is not the one that journal record %d names", p.File, record.Seq)
		}
		billed += f.Info().Sum.Billed
	}
	there, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil {
		r.t.Fatal(err)
	}
	for _, path := range there {
		if name := filepath.Base(path); strings.HasSuffix(name, ".usage") && !files[name] {
			w.row.fault(r.t, "no journal record names sealed file %s", name)
		}
	}
	if billed != w.billed {
		w.row.fault(r.t, "the sealed files have %d billed calls, the statements %d", billed, w.billed)
	}
	r.t.Logf("%d sealed files", len(files))
}
