package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// TestRepairKilled kills repair and restore at each of their steps. A gateway that
// is started then serves what is right, or refuses and says what to do; the same
// command again ends it.
//
// TALLYGATE_ROUNDS kills everywhere so often, else a few places are drawn.
func TestRepairKilled(t *testing.T) {
	t.Parallel()
	seed := uint64(number(t, "TALLYGATE_SEED", int(time.Now().UnixNano()&0xffffff)))
	rounds := number(t, "TALLYGATE_ROUNDS", 0)
	t.Logf("TALLYGATE_SEED=%d", seed)
	d := newDamaged(t)
	places := slicesOf(repairPlaces, max(rounds, 1))
	if rounds == 0 {
		chance := rand.New(rand.NewPCG(seed, 0))
		chance.Shuffle(len(places), func(i, j int) { places[i], places[j] = places[j], places[i] })
		places = places[:4]
	}
	for _, p := range places {
		p.run(d, p.place)
	}
	t.Logf("%d kills", len(places))
}

type repairPlace struct {
	place string
	run   func(d *damaged, place string)
}

var repairPlaces = []repairPlace{
	{"repair/curing", (*damaged).fromBackup},
	{"repair/cured", (*damaged).fromBackup},
	{"repair/marked", (*damaged).fromBackup},
	{"repair/record", (*damaged).fromBackup},
	{"repair/built-journal", (*damaged).fromBackup},
	{"repair/swapping-journal", (*damaged).fromBackup},
	{"repair/swapped-journal", (*damaged).fromBackup},
	{"repair/folding", (*damaged).fromBackup},
	{"repair/folded", (*damaged).fromBackup},
	{"repair/built-badger", (*damaged).fromBackup},
	{"repair/swapping-badger", (*damaged).fromBackup},
	{"repair/swapped-badger", (*damaged).fromBackup},
	{"repair/swapped", (*damaged).fromBackup},
	{"repair/between", (*damaged).fromBackup},
	{"repair/exchanged", (*damaged).fromBackup},
	{"repair/lost", (*damaged).without},
	{"repair/folded", (*damaged).without},
	{"repair/swapped-badger", (*damaged).without},
	{"repair/fitting", (*damaged).cutOff},
	{"restore/record", (*damaged).restored},
	{"restore/read", (*damaged).restored},
	{"repair/folding", (*damaged).restored},
	{"restore/built", (*damaged).restored},
	{"restore/renamed", (*damaged).restored},
}

func slicesOf(list []repairPlace, times int) (all []repairPlace) {
	for range times {
		all = append(all, list...)
	}
	return all
}

// damaged is a gateway whose ledger is damaged anew for every kill.
type damaged struct {
	*rig
	t       *testing.T
	whole   string // a copy of the ledger, and of the anchor
	backup  string
	balance string
	sealed  string // name of a sealed file
}

func newDamaged(t *testing.T) *damaged {
	d := &damaged{t: t, rig: newRig(t, harness.Config{Binary: harness.FailpointBinary(t)}, nil), whole: filepath.Join(t.TempDir(), "ledger")}
	d.start()
	d.open("acme", "10.00")
	c := &customer{site: d.URL(), account: "acme", operation: "recognition/media-tagging", http: connections()}
	defer c.http.CloseIdleConnections()
	for range 3 {
		for range 20 {
			if a := c.call(); !a.ok() {
				t.Fatalf("%+v", a)
			}
		}
		d.settle()
	}
	d.balance = d.usage("acme").Balance
	d.backup = filepath.Join(d.Dir, "full.backup")
	if out, err := d.Command("backup", "--address", d.Admin, "--to", d.backup); err != nil {
		t.Fatal(err, out)
	}
	d.exits(2, fmt.Sprint("in process ", d.PID(), ": stop it first"))
	if err := d.Stop(); err != nil {
		t.Fatal(err)
	}
	copyFolder(t, filepath.Join(d.Dir, "ledger"), d.whole)
	d.exits(2, "", "--from", "none.backup")
	d.exits(0, "Done: ")
	copyFolder(t, filepath.Join(d.Dir, "anchor.json"), d.whole+".anchor")
	files, err := filepath.Glob(filepath.Join(d.whole, "usage", "*.usage"))
	if err != nil || len(files) < 3 {
		t.Fatal(files, err)
	}
	d.sealed = filepath.Base(files[1])
	return d
}

// exits runs a repair that must end with a status and say something.
func (d *damaged) exits(status int, says string, more ...string) {
	d.t.Helper()
	out, err := d.Command(append([]string{"repair", "--config", "Caddyfile"}, more...)...)
	is := 0
	if exit := new(exec.ExitError); errors.As(err, &exit) {
		is = exit.ExitCode()
	}
	if is != status || !strings.Contains(out, says) {
		d.t.Errorf("repair %v ends with %d, want %d: %s", more, is, status, out)
	}
}

func (d *damaged) path(name string) string { return filepath.Join(d.Dir, "ledger", name) }

// renew puts the whole ledger back.
func (d *damaged) renew() {
	d.t.Helper()
	for _, name := range []string{"ledger", "ledger.restoring", "anchor.json"} {
		if err := os.RemoveAll(filepath.Join(d.Dir, name)); err != nil {
			d.t.Fatal(err)
		}
	}
	copyFolder(d.t, d.whole, filepath.Join(d.Dir, "ledger"))
	copyFolder(d.t, d.whole+".anchor", filepath.Join(d.Dir, "anchor.json"))
}

func (d *damaged) flip(name string, at int) {
	d.t.Helper()
	content, err := os.ReadFile(d.path(name))
	if err != nil {
		d.t.Fatal(err)
	}
	content[at] ^= 1
	if err := os.WriteFile(d.path(name), content, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// killed runs a command that is killed at a place, and looks what a gateway does
// then; the command again must end well, or say that something is gone.
func (d *damaged) killed(place string, gone bool, balances []string, command ...string) {
	d.t.Helper()
	orders := filepath.Join(d.Dir, "orders")
	order := place + " kill\n"
	if place == "repair/between" || place == "repair/exchanged" { // as on a file system that exchanges nothing in one step
		order += "repair/exchange" + " EOPNOTSUPP 1 9\n"
	}
	if err := os.WriteFile(orders, []byte(order), 0o600); err != nil {
		d.t.Fatal(err)
	}
	out, err := d.WithEnv("TALLYGATE_FAILPOINTS=" + orders).Command(command...)
	if err == nil || !strings.Contains(err.Error(), "killed") {
		d.t.Fatalf("%s: %v ended by itself: %v\n%s", place, command, err, out)
	}
	if command[0] == "repair" { // of a folder that is not there a gateway would begin a new one
		d.servesOrRefuses(place, balances)
	}
	out, err = d.Command(command...)
	switch {
	case command[0] == "restore" && (err == nil) == (place == "restore/renamed"), // then it is there already
		command[0] == "repair" && (!strings.Contains(out, "Done: ") || err != nil && !gone):
		d.t.Fatalf("%s: again: %v\n%s", place, err, out)
	}
}

func (d *damaged) servesOrRefuses(place string, balances []string) {
	d.t.Helper()
	if err := d.Start(); err != nil {
		if text := err.Error(); !strings.Contains(text, "tallygate repair") {
			d.t.Errorf("%s: refused without a way out: %v", place, err)
		}
		return
	}
	d.serves(place+", in the middle", balances)
	d.Kill()
}

func (d *damaged) serves(when string, balances []string) {
	d.t.Helper()
	is := d.usage("acme").Balance
	for _, b := range balances {
		if b == is {
			return
		}
	}
	d.t.Errorf("%s: balance %s, want one of %v", when, is, balances)
}

func (d *damaged) ends(place, balance string) {
	d.t.Helper()
	d.start()
	d.serves(place, []string{balance})
	if out, err := d.Command("verify", "--address", d.Admin); err != nil {
		d.t.Errorf("%s: %v\n%s", place, err, out)
	}
	d.Kill()
}

// fromBackup has damage in journal, database and a sealed file.
func (d *damaged) fromBackup(place string) {
	d.renew()
	d.flip("journal/00000000000000000001.journal", 2000)
	d.flip(filepath.Join("usage", d.sealed), 30)
	if err := os.Remove(d.path("badger/MANIFEST")); err != nil {
		d.t.Fatal(err)
	}
	d.killed(place, false, []string{d.balance}, "repair", "--config", "Caddyfile", "--from", d.backup)
	d.ends(place, d.balance)
}

// without has a sealed file less, and gives up its 20 calls of 0.00125.
func (d *damaged) without(place string) {
	d.renew()
	for _, name := range []string{"badger/MANIFEST", filepath.Join("usage", d.sealed)} {
		if err := os.Remove(d.path(name)); err != nil {
			d.t.Fatal(err)
		}
	}
	d.exits(1, "--without "+d.sealed)
	cheaper := "9.95" // 40 calls of 60
	d.killed(place, true, []string{cheaper}, "repair", "--config", "Caddyfile", "--without", d.sealed)
	d.exits(0, "passed over since an earlier repair")
	d.ends(place, cheaper)
}

// cutOff loses the end of the journal, with an account that has calls in the open
// counters: nobody is billed for them.
func (d *damaged) cutOff(place string) {
	d.renew()
	journal := filepath.Join("journal", "00000000000000000001.journal")
	before, err := os.ReadFile(d.path(journal))
	if err != nil {
		d.t.Fatal(err)
	}
	d.start()
	d.open("newcomer", "5.00")
	c := &customer{site: d.URL(), account: "newcomer", operation: "recognition/media-tagging", http: connections()}
	defer c.http.CloseIdleConnections()
	for range 9 {
		if a := c.call(); !a.ok() {
			d.t.Fatalf("%+v", a)
		}
	}
	d.Kill()
	d.flip(journal, len(bytes.TrimRight(before, "\x00"))+60)
	d.killed(place, true, []string{d.balance}, "repair", "--config", "Caddyfile", "--cut-journal")
	if err := os.Remove(filepath.Join(d.Dir, "anchor.json")); err != nil { // as the message says
		d.t.Fatal(err)
	}
	d.ends(place, d.balance)
}

// restored has nothing but the backup.
func (d *damaged) restored(place string) {
	d.renew()
	if err := errors.Join(os.RemoveAll(d.path("")), os.Remove(filepath.Join(d.Dir, "anchor.json"))); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.t.Fatal(err)
	}
	d.killed(place, false, nil, "restore", "--to", "ledger", d.backup)
	if _, err := os.Stat(filepath.Join(d.Dir, "ledger.restoring")); err == nil {
		d.t.Errorf("%s: what was built is still there", place)
	}
	d.ends(place, d.balance)
}
