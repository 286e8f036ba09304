package integration

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/integration/harness"
	"github.com/tallygate/tallygate/ledger/backup"
)

// TestRow12Backup backs a gateway up while customers call and pay, in full and in
// increments, and restores it. The restored chain is the backup's; the restored
// gateway serves what the backed-up one did. A backup that was cut at any entry's
// end or elsewhere, changed, put in another order, or made of another ledger is
// refused, and so is one whose making was killed.
func TestRow12Backup(t *testing.T) {
	t.Parallel()
	row := newRow(t, 12, "backup", 1, 10)
	b := &backups{row: row}
	var all sync.Once
	for range row.rounds {
		b.round()
		all.Do(func() { b.checkForeign() })
	}
	row.note("%d backups of %d records, %d cuts and %d changes refused", b.made, b.records, b.cuts, b.changes)
	row.end()
}

// backups is the rounds of row 12.
type backups struct {
	*row
	*rig
	made, cuts, changes int
	records             uint64
	last                []string // files of the last round
	orders              string   // of the gateway, see package failpoint
}

func (b *backups) wrongf(format string, args ...any) {
	b.row.t.Helper()
	b.row.t.Errorf(format, args...)
	b.wrong++
}

// backup runs the command and gives the file.
func (b *backups) backup(name string, more ...string) string {
	b.row.t.Helper()
	out, err := b.Command(append([]string{"backup", "--address", b.Admin, "--to", name}, more...)...)
	if err != nil {
		b.row.t.Fatalf("backup %s: %v\n%s", name, err, out)
	}
	info, err := os.Stat(filepath.Join(b.Dir, name))
	if err != nil || info.Mode().Perm() != 0o600 {
		b.row.t.Fatalf("backup %s: %v, %v", name, info, err)
	}
	b.made++
	return name
}

func (b *backups) round() {
	b.orders = filepath.Join(b.row.t.TempDir(), "orders")
	b.rig = newRig(b.row.t, harness.Config{Binary: harness.FailpointBinary(b.row.t), Env: []string{"TALLYGATE_FAILPOINTS=" + b.orders}},
		map[string]any{"flush": "1s"})
	b.start()
	w := newKillTraffic(b.rig)
	defer w.end()
	w.gate.open()
	time.Sleep(500 * time.Millisecond)
	paid := w.caughtUp()
	first := b.backup("full.backup")
	eventually(b.row.t, "commands go on after a backup", time.Minute, paid)
	b.killedClients()
	b.killedGateway(w)
	files := []string{first, b.backup("one.backup", "--since", first)}
	time.Sleep(300 * time.Millisecond)
	files = append(files, b.backup("two.backup", "--since", files[1]))
	w.end()
	files = append(files, b.backup("three.backup", "--since", files[2], "--settle"))
	w.check("after the backups")
	w.checkBills()
	want := b.served(w)
	b.api(harness.Request{Path: "/tallygate/accounts/plain/topups", Header: once("after the backup"),
		Body: map[string]any{"amount": "1.00", "reference": "after the backup"}}, nil)
	b.checkChanges(files)
	b.checkOrder(files)
	b.restoreParts(files)
	if err := b.Stop(); err != nil {
		b.row.t.Fatal(err)
	}
	b.restored(w, files, want)
	b.last = files
}

// served is what the gateway says of accounts and money.
func (b *backups) served(w *killTraffic) map[string]string {
	b.row.t.Helper()
	all := map[string]string{}
	for _, account := range []string{"mixed", "plain", "search"} {
		month := w.usage(account).Month
		for _, path := range []string{"", "/usage", "/events", "/statements/" + month} {
			var answer any
			b.api(harness.Request{Path: "/tallygate/accounts/" + account + path}, &answer)
			if report, ok := answer.(map[string]any); ok { // when it was asked for
				delete(report, "as_of")
				delete(report, "settled_until")
			}
			text, err := json.Marshal(answer)
			if err != nil {
				b.row.t.Fatal(err)
			}
			all[account+path] = string(text)
		}
	}
	return all
}

// restored puts the restored ledger in the place of the one that is lost: the
// anchor keeps it out until it is removed, and then it serves what was served.
func (b *backups) restored(w *killTraffic, files []string, want map[string]string) {
	b.row.t.Helper()
	ledger := filepath.Join(b.Dir, "ledger")
	if err := os.Rename(ledger, ledger+".lost"); err != nil {
		b.row.t.Fatal(err)
	}
	out, err := b.Command(append([]string{"restore", "--to", "ledger"}, files...)...)
	if err != nil || !strings.Contains(out, "remove the anchor file") {
		b.row.t.Fatalf("restore: %v\n%s", err, out)
	}
	if err := b.Start(); err == nil || !strings.Contains(err.Error(), "remove the anchor") {
		b.wrongf("a restored ledger behind its anchor: %v", err)
		b.Kill()
	}
	if err := os.Remove(filepath.Join(b.Dir, "anchor.json")); err != nil {
		b.row.t.Fatal(err)
	}
	b.start()
	for path, was := range want {
		if is := b.served(w)[path]; is != was {
			b.wrongf("%s after the restore:\nwas %s\nis  %s", path, was, is)
		}
	}
	w.checkBills() // every command is answered again as it was
	if out, err := b.Command("verify", "--address", b.Admin); err != nil {
		b.wrongf("verify of a restored ledger: %v\n%s", err, out)
	}
	if _, err := b.Command("backup", "--address", b.Admin, "--since", files[3], "--to", "four.backup"); err != nil {
		b.wrongf("an increment of a restored ledger: %v", err)
	}
	if err := b.Stop(); err != nil {
		b.row.t.Fatal(err)
	}
}

// restoreParts restores as far as each backup: the chain is that of its trailer.
func (b *backups) restoreParts(files []string) {
	b.row.t.Helper()
	for n := 1; n <= len(files); n++ {
		folder := fmt.Sprintf("part-%d", n)
		out, err := b.Command(append([]string{"restore", "--json", "--to", folder}, files[:n]...)...)
		var made struct{ Head string }
		if err != nil || json.Unmarshal([]byte(out), &made) != nil {
			b.row.t.Fatalf("restore of %d: %v\n%s", n, err, out)
		}
		summary, err := readBackups(b.Dir, files[:n])
		if err != nil {
			b.row.t.Fatal(err)
		}
		if want := fmt.Sprintf("%d %s", summary.Head.Seq, hex.EncodeToString(summary.Head.Hash[:])); made.Head != want {
			b.wrongf("restored up to %s, the trailer says %s", made.Head, want)
		}
		b.records = max(b.records, summary.Head.Seq)
		if _, err := b.Command(append([]string{"restore", "--to", folder}, files[:n]...)...); err == nil {
			b.wrongf("restore wrote over a folder that is not empty")
		}
	}
}

// readBackups reads backups as restore does, and gives the last one's summary.
func readBackups(dir string, files []string) (s backup.Summary, err error) {
	var chain backup.Chain
	for _, name := range files {
		content, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			return s, err
		}
		if _, s, err = billing.ReadBackup(bytes.NewReader(content), &chain, billing.BackupVisitor{}); err != nil {
			return s, fmt.Errorf("%s: %w", name, err)
		}
	}
	return s, nil
}

// checkChanges cuts a file at every entry's end and at random places, and changes
// random bytes. Some of them go through the binary, too.
func (b *backups) checkChanges(files []string) {
	b.row.t.Helper()
	for _, name := range files {
		whole, err := os.ReadFile(filepath.Join(b.Dir, name))
		if err != nil {
			b.row.t.Fatal(err)
		}
		cuts := entryEnds(whole)
		if len(cuts) > 4000 { // reading all of a long one for each is quadratic
			b.chance.Shuffle(len(cuts), func(i, j int) { cuts[i], cuts[j] = cuts[j], cuts[i] })
			cuts = cuts[:4000]
		}
		for range 50 {
			cuts = append(cuts, b.chance.IntN(len(whole)))
		}
		for i, at := range cuts {
			b.refused(whole[:at], i < 2, "%s cut at %d of %d", name, at, len(whole))
			b.cuts++
		}
		for i := range 100 {
			at, by := b.chance.IntN(len(whole)), byte(1+b.chance.IntN(255))
			changed := bytes.Clone(whole)
			changed[at] ^= by
			b.refused(changed, i < 2, "%s with byte %d changed by %d", name, at, by)
			b.changes++
		}
		b.refused(append(bytes.Clone(whole), 0), true, "%s with a byte more", name)
	}
}

// entryEnds are the offsets at which a backup could have ended.
func entryEnds(whole []byte) (ends []int) {
	const magic, head, crc, digest = 8, 5, 4, 32
	for at := magic; at < len(whole)-digest; {
		ends = append(ends, at)
		size := int(whole[at+1]) | int(whole[at+2])<<8 | int(whole[at+3])<<16 | int(whole[at+4])<<24
		at += head + size + crc
	}
	return append(ends, len(whole)-digest)
}

func (b *backups) refused(content []byte, binary bool, format string, args ...any) {
	b.row.t.Helper()
	if _, _, err := billing.ReadBackup(bytes.NewReader(content), nil, billing.BackupVisitor{}); err == nil {
		b.wrongf(format+" is taken for whole", args...)
	}
	if !binary {
		return
	}
	name := filepath.Join(b.Dir, "changed.backup")
	if err := os.WriteFile(name, content, 0o600); err != nil {
		b.row.t.Fatal(err)
	}
	for _, arguments := range [][]string{{"backup", "verify", name}, {"restore", "--to", "changed", name}} {
		if out, err := b.Command(arguments...); err == nil {
			b.wrongf(format+": %v says %s", append(args, arguments, out)...)
		}
		b.nothingAt("changed")
	}
}

func (b *backups) nothingAt(folder string) {
	b.row.t.Helper()
	for _, name := range []string{folder, folder + ".restoring"} {
		if _, err := os.Stat(filepath.Join(b.Dir, name)); err == nil {
			b.wrongf("a refused restore left %s", name)
		}
	}
}

// checkOrder gives backups twice, in another order, and with one left out.
func (b *backups) checkOrder(f []string) {
	b.row.t.Helper()
	for _, c := range []struct {
		files []string
		why   string
	}{
		{[]string{f[1]}, "give the full backup first"},
		{[]string{f[1], f[0]}, "give the full backup first"},
		{[]string{f[0], f[2]}, "give the increment between them"},
		{[]string{f[0], f[2], f[1]}, "give the increment between them"},
		{[]string{f[0], f[1], f[1]}, "each once"},
		{[]string{f[0], f[0]}, "one full backup"},
	} {
		out, err := b.Command(append([]string{"restore", "--to", "swapped"}, c.files...)...)
		if err == nil || !strings.Contains(out, c.why) {
			b.wrongf("restore of %v: %v\n%s", c.files, err, out)
		}
		b.nothingAt("swapped")
	}
}

// checkForeign mixes backups of two ledgers.
func (b *backups) checkForeign() {
	b.row.t.Helper()
	other := newRig(b.row.t, harness.Config{}, nil)
	other.start()
	other.open("acme", "10.00")
	for i, f := range b.last {
		out, err := other.Command("backup", "--address", other.Admin, "--since", filepath.Join(b.Dir, f), "--to", "mixed.backup")
		if err == nil || !strings.Contains(out, "make a full backup") {
			b.wrongf("an increment since backup %d of another ledger: %v\n%s", i, err, out)
		}
	}
	if out, err := other.Command("backup", "--address", other.Admin, "--to", "other.backup"); err != nil {
		b.row.t.Fatal(err, out)
	}
	out, err := b.Command("restore", "--to", "mixed", filepath.Join(other.Dir, "other.backup"), b.last[1])
	if err == nil || !strings.Contains(out, "another ledger") {
		b.wrongf("an increment of another ledger: %v\n%s", err, out)
	}
	b.nothingAt("mixed")
}

// killedGateway kills the gateway in the middle of a backup, of which nothing is
// left.
func (b *backups) killedGateway(w *killTraffic) {
	b.row.t.Helper()
	b.order(b.orders, fmt.Sprint("backup/record", " kill ", 1+b.chance.IntN(20)))
	out, err := b.Command("backup", "--address", b.Admin, "--to", "broken.backup")
	if err == nil {
		b.wrongf("a backup of a gateway that was killed says %s", out)
	}
	left, err := filepath.Glob(filepath.Join(b.Dir, "broken.backup*"))
	if err != nil || len(left) > 0 {
		b.wrongf("a backup that broke off left %v, %v", left, err)
	}
	b.Kill()
	w.gate.shut()
	if err := os.Remove(b.orders); err != nil {
		b.row.t.Fatal(err)
	}
	b.start()
	w.check("after a kill in a backup")
	w.gate.open()
}

// killedClients kills the command before and after the file gets its name: no other
// is taken for a backup.
func (b *backups) killedClients() {
	b.row.t.Helper()
	for _, where := range []string{"backup/written", "backup/renamed"} {
		orders := filepath.Join(b.Dir, "client-orders")
		b.order(orders, where+" kill")
		out, err := b.WithEnv("TALLYGATE_FAILPOINTS="+orders).Command("backup", "--address", b.Admin, "--to", "killed.backup")
		if err == nil {
			b.wrongf("a backup that was killed at %s says %s", where, out)
		}
		_, err = os.Stat(filepath.Join(b.Dir, "killed.backup"))
		if there := err == nil; there != (where == "backup/renamed") {
			b.wrongf("killed at %s: a file is there: %t", where, there)
		}
	}
	if _, err := readBackups(b.Dir, []string{"killed.backup"}); err != nil {
		b.wrongf("a backup that was killed after it got its name: %v", err)
	}
	if err := os.Remove(filepath.Join(b.Dir, "killed.backup")); err != nil && !errors.Is(err, os.ErrNotExist) {
		b.row.t.Fatal(err)
	}
}

func (b *backups) order(path, text string) {
	b.row.t.Helper()
	if err := os.WriteFile(path, []byte(text+"\n"), 0o600); err != nil {
		b.row.t.Fatal(err)
	}
}

// TestBackupInterrupted: nothing is left of a backup that its operator ends.
func TestBackupInterrupted(t *testing.T) {
	t.Parallel()
	slow := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Write([]byte("TGBACKU\x01"))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	}))
	defer slow.Close()
	dir := t.TempDir()
	client := exec.Command(harness.Binary(t), "backup", "--address", strings.TrimPrefix(slow.URL, "http://"), "--to", filepath.Join(dir, "slow.backup"))
	client.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir+"/caddy", "XDG_CONFIG_HOME="+dir+"/caddy")
	if err := client.Start(); err != nil {
		t.Fatal(err)
	}
	files := func() []string {
		found, _ := filepath.Glob(filepath.Join(dir, "slow.backup*"))
		return found
	}
	eventually(t, "the backup begins", time.Minute, func() bool { return len(files()) == 1 })
	if err := client.Process.Signal(os.Interrupt); err != nil {
		t.Fatal(err)
	}
	if err := client.Wait(); err == nil || len(files()) > 0 {
		t.Errorf("it ended with %v and left %v", err, files())
	}
}
