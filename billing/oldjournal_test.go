package billing

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"flag"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"
)

// Journals that releases have written stand in testdata/journals, a folder for each
// release: journal/, usage/, and digests.txt of what they fold to. Every later build
// must fold them to the same.
//
//	go test ./billing -run OldJournals -update-journals
//
// writes one for thisRelease, where there is none yet. What a release has added,
// inputs or commands, goes into liveRichly (oldworld_test.go); then name the release.
const thisRelease = "0.1"

var updateJournals = flag.Bool("update-journals", false, "write the journal of this release, which must not be there yet")

const journalsDir = "testdata/journals"

// oldSegment keeps segments, which are filled with zeros, small.
const oldSegment = 16 << 10

func TestOldJournals(t *testing.T) {
	t.Parallel()
	if *updateJournals {
		writeJournal(t, filepath.Join(journalsDir, thisRelease))
	}
	releases, err := os.ReadDir(journalsDir)
	if err != nil || len(releases) == 0 {
		t.Fatal("no journals of releases", err)
	}
	for _, release := range releases {
		t.Run(release.Name(), func(t *testing.T) {
			t.Parallel()
			dir := filepath.Join(journalsDir, release.Name())
			want, err := os.ReadFile(filepath.Join(dir, "digests.txt"))
			if err != nil {
				t.Fatal(err)
			}
			have := refoldDigests(t, dir)
			w, h := strings.Split(string(want), "\n"), strings.Split(have, "\n")
			for i := range min(len(w), len(h)) {
				if w[i] != h[i] {
					t.Fatalf("line %d of the digests: the release has\n%s\nand this build\n%s", i+1, w[i], h[i])
				}
			}
			if len(w) != len(h) {
				t.Errorf("the release has %d digests, this build %d", len(w), len(h))
			}
		})
	}
}

// refoldDigests folds a copy of a release's files into a fresh ledger.
func refoldDigests(t *testing.T, dir string) string {
	t.Helper()
	copied := t.TempDir()
	for _, part := range []string{"journal", "usage"} {
		if err := os.CopyFS(filepath.Join(copied, part), os.DirFS(filepath.Join(dir, part))); err != nil {
			t.Fatal(err)
		}
	}
	r := &rig{dir: copied, config: richBook(t, richText), segment: oldSegment}
	r.openFiles(t)
	first := r.log.Head()
	for rec, err := range r.log.Read(1) {
		if err != nil {
			t.Fatal(err)
		}
		r.now = max(r.now, rec.At)
	}
	r.openEngine(t) // every settlement is held against the hash that the journal has of it
	defer func() { r.close(t) }()
	return digestsOf(t, r, first)
}

// writeJournal is refused where the release has one: it would no longer be what
// that release wrote.
func writeJournal(t *testing.T, dir string) {
	t.Helper()
	if _, err := os.Stat(dir); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("%s is there: a release's journal is never written again; name the next release", dir)
	}
	r := liveRichly(t, t.TempDir())
	head := r.log.Head()
	digests := digestsOf(t, r, head)
	r.close(t)
	for _, part := range []string{"journal", "usage"} {
		if err := os.CopyFS(filepath.Join(dir, part), os.DirFS(filepath.Join(r.dir, part))); err != nil {
			t.Fatal(err)
		}
	}
	spare, err := filepath.Glob(filepath.Join(dir, "journal", "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range spare {
		if filepath.Ext(path) != ".journal" {
			err = errors.Join(err, os.Remove(path)) // locks and segments to come
		}
	}
	if err = errors.Join(err, os.WriteFile(filepath.Join(dir, "digests.txt"), []byte(digests), 0o644)); err != nil {
		t.Fatal(err)
	}
}

// TestOldJournalsHaveEverything: a kind of input or a command that no release's
// journal has could change its meaning unseen.
func TestOldJournalsHaveEverything(t *testing.T) {
	t.Parallel()
	found := map[string]bool{}
	releases, err := os.ReadDir(journalsDir)
	if err != nil {
		t.Fatal(err)
	}
	for _, release := range releases {
		copied := t.TempDir()
		if err := os.CopyFS(copied, os.DirFS(filepath.Join(journalsDir, release.Name()))); err != nil {
			t.Fatal(err)
		}
		r := &rig{dir: copied, segment: oldSegment}
		r.openFiles(t)
		for rec, err := range r.log.Read(1) {
			if err != nil {
				t.Fatal(err)
			}
			found[rec.Kind] = true
			if rec.Kind != inputCommand {
				found[rec.Kind+" "+members(t, rec.Payload)] = true
				continue
			}
			in, err := decode[commandInput](rec.Seq, rec.Payload)
			if err != nil {
				t.Fatal(err)
			}
			found["command "+in.Type] = true
		}
		if err := errors.Join(r.log.Close(), r.store.Close()); err != nil {
			t.Fatal(err)
		}
	}
	kinds, commands := namesIn(t, "inputs.go", "input"), namesIn(t, "../account/command.go", "commands")
	if len(kinds) < 10 || len(commands) < 15 {
		t.Fatalf("the sources name %q and %q", kinds, commands)
	}
	for _, kind := range kinds {
		if !found[kind] {
			t.Errorf("no journal has an input of kind %q: let liveRichly have one, name the next release and write its journal", kind)
		}
	}
	for _, command := range commands {
		if !found["command "+command] {
			t.Errorf("no journal has the command %q: let liveRichly give it, name the next release and write its journal", command)
		}
	}
	for _, special := range []string{"damaged", "power_losses", "configured"} {
		if !slices.ContainsFunc(slices.Collect(keys(found)), func(name string) bool { return strings.Contains(name, " "+special+" ") }) {
			t.Errorf("no journal has an input with %q", special)
		}
	}
}

func keys(m map[string]bool) func(func(string) bool) {
	return func(yield func(string) bool) {
		for k := range m {
			if !yield(k) {
				return
			}
		}
	}
}

// members are the names of what a payload has.
func members(t *testing.T, payload []byte) (names string) {
	var m map[string]json.RawMessage
	if err := json.Unmarshal(payload, &m); err != nil {
		t.Fatal(err)
	}
	for name := range m {
		names += " " + name + " "
	}
	return names
}

// namesIn are the texts of constants whose name begins with a word, or the keys of
// the map of that name, in a source file.
func namesIn(t *testing.T, path, word string) (names []string) {
	t.Helper()
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	text := func(e ast.Expr) {
		if l, ok := e.(*ast.BasicLit); ok && l.Kind == token.STRING {
			name, err := strconv.Unquote(l.Value)
			if err != nil {
				t.Fatal(err)
			}
			names = append(names, name)
		}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		spec, ok := n.(*ast.ValueSpec)
		if !ok || !strings.HasPrefix(spec.Names[0].Name, word) {
			return true
		}
		for _, v := range spec.Values {
			text(v)
			if c, ok := v.(*ast.CompositeLit); ok {
				for _, e := range c.Elts {
					text(e.(*ast.KeyValueExpr).Key)
				}
			}
		}
		return true
	})
	return names
}

// renderings are a statement in its three forms.
func renderings(t *testing.T, r *rig, id string, month time.Time) []byte {
	t.Helper()
	s, err := r.Statement(id, r.monthOf(month))
	if err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	asJSON, err := json.Marshal(s)
	if err = errors.Join(err, s.WriteTable(&b), s.WriteCSV(&b)); err != nil {
		t.Fatal(err)
	}
	b.Write(asJSON)
	return b.Bytes()
}

func short(hash []byte) string { return hex.EncodeToString(hash[:12]) }
