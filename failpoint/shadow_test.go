//go:build failpoints

package failpoint

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// shade keeps the shadow of a new folder, as a process that starts.
func shade(t *testing.T) (dir string) {
	t.Helper()
	dir, shadow = t.TempDir(), t.TempDir()
	shadowOf = dir
	again()
	t.Cleanup(func() { shadow = "" })
	return dir
}

// again forgets what a process knows, as one that starts after it does.
func again() { durable, written, listings = index{}, map[string]extent{}, 0 }

func create(t *testing.T, path, text string) *os.File {
	t.Helper()
	f, err := os.Create(path)
	if err == nil {
		_, err = f.WriteString(text)
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f
}

func idOf(t *testing.T, path string) string {
	t.Helper()
	id, err := FileID(path)
	if err != nil {
		t.Fatal(err)
	}
	return id
}

// content is what the shadow has of a file, "-" for nothing.
func content(t *testing.T, id string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(shadow, "content", id))
	if os.IsNotExist(err) {
		return "-"
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// named is what the names that a cut would leave are.
func named(t *testing.T) (x index) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(shadow, "names.json"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &x); err != nil {
		t.Fatal(err)
	}
	return x
}

func TestContentIsAsOfTheLastSync(t *testing.T) {
	path := filepath.Join(shade(t), "file")
	f := create(t, path, "one")
	id := idOf(t, path)
	if got := content(t, id); got != "-" {
		t.Fatalf("before any sync: %q", got)
	}
	Synced(f)
	if _, err := f.WriteString(" two"); err != nil {
		t.Fatal(err)
	}
	if got := content(t, id); got != "one" {
		t.Fatalf("written and not synced: %q", got)
	}
	if err := os.Rename(path, path+"2"); err != nil {
		t.Fatal(err)
	}
	Synced(f)
	if got := content(t, id); got != "one two" {
		t.Fatalf("renamed and synced: %q", got)
	}
	if err := os.Remove(path + "2"); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(2); err != nil {
		t.Fatal(err)
	}
	Synced(f)
	if got := content(t, id); got != "on" {
		t.Fatalf("removed, cut short and synced: %q", got)
	}
	again()
	g := create(t, path, "another file of that name")
	if other := idOf(t, path); other == id {
		t.Fatal("a new file has the ID of one that was removed")
	}
	Synced(g)
	if got := content(t, id); got != "on" {
		t.Fatalf("after a sync of another file: %q", got)
	}
}

func TestWhatIsOutsideIsNoneOfIt(t *testing.T) {
	shade(t)
	path := filepath.Join(t.TempDir(), "file")
	f := create(t, path, "one")
	Wrote(f, 0, 3)
	Synced(f)
	SyncedDir(filepath.Dir(path), ReadNames(filepath.Dir(path)))
	SyncedSince(path, time.Now())
	if entries, err := os.ReadDir(shadow); err != nil || len(entries) != 0 {
		t.Fatalf("%v, %v", entries, err)
	}
}

// TestWhatWasWrittenIsCopied: where it is told of writes, a sync looks at those
// alone, and at all of the file the first time.
func TestWhatWasWrittenIsCopied(t *testing.T) {
	path := filepath.Join(shade(t), "file")
	f := create(t, path, strings.Repeat("a", 3*4096))
	id := idOf(t, path)
	write := func(at int64, text string) {
		if _, err := f.WriteAt([]byte(text), at); err != nil {
			t.Fatal(err)
		}
		Wrote(f, at, int64(len(text)))
	}
	write(5, "bcd")
	Synced(f)
	write(4000, "efg")
	write(9000, "hij")
	if got := content(t, id); strings.Contains(got, "efg") || !strings.Contains(got, "abcda") || len(got) != 3*4096 {
		t.Fatalf("%d bytes %q", len(got), got)
	}
	Synced(f)
	want, _ := os.ReadFile(path)
	if got := content(t, id); got != string(want) {
		t.Fatalf("differs: %q", got)
	}
	again()
	write(1, "klm")
	write(8000, "nop")
	SyncedTo(f, 6000)
	if got := content(t, id); got != "aklm"+string(want[4:]) {
		t.Fatalf("%d bytes %q", len(got), got)
	}
	SyncedTo(f, 10000)
	want, _ = os.ReadFile(path)
	if got := content(t, id); got != string(want) { // as long as an earlier sync left it
		t.Fatalf("%d bytes differ", len(got))
	}
	Synced(f)
	if got := content(t, id); got != string(want) {
		t.Fatalf("%d bytes: %q", len(got), got)
	}
}

// TestHoles: a file that was cut short and grew again has zeros where it had data.
func TestHoles(t *testing.T) {
	path := filepath.Join(shade(t), "file")
	f := create(t, path, strings.Repeat("a", 64<<10))
	Synced(f)
	if err := f.Truncate(0); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(1 << 20); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("b"), 512<<10); err != nil {
		t.Fatal(err)
	}
	Synced(f)
	want, _ := os.ReadFile(path)
	if got := content(t, idOf(t, path)); got != string(want) {
		t.Fatalf("%d bytes, %d are not zero", len(got), len(got)-bytes.Count([]byte(got), []byte{0}))
	}
}

// TestNamesAreAsOfTheFolderSync: what comes after the sync began is not in it.
func TestNamesAreAsOfTheFolderSync(t *testing.T) {
	dir := shade(t)
	sub := filepath.Join(dir, "sub")
	if err := os.Mkdir(sub, 0o700); err != nil {
		t.Fatal(err)
	}
	one, two := filepath.Join(sub, "one"), filepath.Join(sub, "two")
	f := create(t, one, "1")
	Synced(f) // before its name
	id := idOf(t, one)
	begun := ReadNames(sub)
	create(t, two, "2")
	SyncedDir(sub, begun)
	if x := named(t); len(x.Names) != 1 || x.Names["sub/one"] != id {
		t.Fatalf("%v", x.Names)
	}
	if err := os.Rename(one, filepath.Join(sub, "three")); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(two); err != nil {
		t.Fatal(err)
	}
	if x := named(t); x.Names["sub/one"] != id {
		t.Fatalf("before the next sync: %v", x.Names)
	}
	again() // another process goes on
	earlier, later := ReadNames(sub), ReadNames(sub)
	delete(earlier.ids, "three")
	SyncedDir(sub, later)
	SyncedDir(sub, earlier) // of two at once, the one that began later holds
	if x := named(t); len(x.Names) != 1 || x.Names["sub/three"] != id {
		t.Fatalf("%v", x.Names)
	}
	SyncedDir(dir, ReadNames(dir))
	if x := named(t); len(x.Names) != 2 || x.Names["sub"] != idOf(t, sub) || x.Names["sub/three"] != id {
		t.Fatalf("the folder above: %v", x.Names)
	}
}

// TestTree: names, contents and the manifest are of one time.
func TestTree(t *testing.T) {
	dir := shade(t)
	create(t, filepath.Join(dir, "MANIFEST"), "names 1.sst")
	table := create(t, filepath.Join(dir, "1.sst"), "table")
	log := create(t, filepath.Join(dir, "2.mem"), "log")
	SyncedTree(dir)
	tableID, logID := idOf(t, table.Name()), idOf(t, log.Name())
	if err := os.WriteFile(filepath.Join(dir, "MANIFEST"), []byte("names 3.sst"), 0o600); err != nil {
		t.Fatal(err)
	}
	os.Remove(table.Name())
	log.WriteString(" goes on")
	x := named(t)
	if string(x.Manifests["MANIFEST"]) != "names 1.sst" || x.Names["1.sst"] != tableID || x.Names["2.mem"] != logID {
		t.Fatalf("%v %s", x.Names, x.Manifests)
	}
	if got := content(t, tableID) + content(t, logID); got != "tablelog" {
		t.Fatalf("contents %q", got)
	}
	SyncedTree(dir)
	x = named(t)
	if _, there := x.Names["1.sst"]; there || string(x.Manifests["MANIFEST"]) != "names 3.sst" || content(t, logID) != "log goes on" {
		t.Fatalf("%v %s", x.Names, x.Manifests)
	}
}

// TestFolders: a folder that is synced as a file, has no content.
func TestFolders(t *testing.T) {
	dir := shade(t)
	f, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	Synced(f)
	if got := content(t, idOf(t, dir)); got != "-" {
		t.Errorf("%q", got)
	}
}

func TestSince(t *testing.T) {
	dir := shade(t)
	start := time.Unix(5, 7)
	SyncedSince(filepath.Join(dir, "x.tally"), start)
	SyncedSince(filepath.Join(dir, "x.tally"), start.Add(1))
	text, err := os.ReadFile(filepath.Join(shadow, "since.jsonl"))
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	if err != nil || len(lines) != 2 || lines[1] != `{"path":"x.tally","since":5000000008}` {
		t.Fatalf("%v %q", err, lines)
	}
}
