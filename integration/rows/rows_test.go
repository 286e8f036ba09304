package rows

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestParse(t *testing.T) {
	t.Parallel()
	l, err := Parse("row 6 byte flips: in files: rounds 1000 lost 0 doubled 2 wrong 13 seed 987 (4 KiB pages (ext4); 3 refused)\n")
	want := Line{6, "byte flips: in files", 1000, 0, 2, 13, 987, "4 KiB pages (ext4); 3 refused"}
	if err != nil || l != want || l.Clean() || l.Figures() != "doubled 2 wrong 13" {
		t.Errorf("%+v %v %q", l, err, l.Figures())
	}
	if l, err := Parse("row 1 kill -9: rounds 5 lost 0 doubled 0 wrong 0 seed 1"); err != nil || !l.Clean() || l.Name != "kill -9" {
		t.Errorf("%+v %v", l, err)
	}
	for _, bad := range []string{"", "row 1: rounds 5", "row 1 a: rounds x lost 0 doubled 0 wrong 0 seed 1"} {
		if l, err := Parse(bad); err == nil {
			t.Errorf("%q: %+v", bad, l)
		}
	}
}

// benchOf is a bench whose tests are a shell script.
func benchOf(t *testing.T, script string) Bench {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "integration"), 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(root, "tests")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+script), 0o755); err != nil {
		t.Fatal(err)
	}
	return Bench{Root: root, Tests: path}
}

func TestNames(t *testing.T) {
	t.Parallel()
	names, err := benchOf(t, "echo TestRow01Kill; echo TestRow12Backup").Names(t.Context())
	if err != nil || len(names) != 2 || names[1] != "TestRow01Kill" || names[12] != "TestRow12Backup" {
		t.Errorf("%v %v", names, err)
	}
	for _, bad := range []string{"echo TestRow01A; echo TestRow01B", "echo TestRow1", "exit 3"} {
		if names, err := benchOf(t, bad).Names(t.Context()); err == nil {
			t.Errorf("%s: %v", bad, names)
		}
	}
}

func TestRun(t *testing.T) {
	t.Parallel()
	const clean = "echo 'row 1 a: rounds 5 lost 0 doubled 0 wrong 0 seed 1' > $TALLYGATE_ROW_FILE; "
	for name, c := range map[string]struct {
		script, text string
		passed       bool
	}{
		"passed":         {clean, "row 1 a: rounds 5", true},
		"failed":         {clean + "exit 1", "row 1 a: rounds 5", false},
		"lost":           {"echo 'row 1 a: rounds 5 lost 1 doubled 0 wrong 0 seed 1' > $TALLYGATE_ROW_FILE", "lost 1", false},
		"no line":        {"exit 0", "no line", false},
		"no proper line": {"echo ok > $TALLYGATE_ROW_FILE", "no line of a row", false},
	} {
		b := benchOf(t, "echo says $MORE $2; "+c.script)
		log := filepath.Join(b.Root, "log")
		r, err := b.Run(t.Context(), "TestRow01A", log, "MORE=more")
		if err != nil || r.Passed != c.passed || !strings.Contains(r.Text, c.text) {
			t.Errorf("%s: %+v %v", name, r, err)
		}
		if text, err := os.ReadFile(log); err != nil || string(text) != "says more ^TestRow01A$\n" {
			t.Errorf("%s: log %q %v", name, text, err)
		}
	}
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	b := benchOf(t, clean+"exec sleep 60")
	if r, err := b.Run(ctx, "TestRow01A", filepath.Join(b.Root, "log")); err == nil {
		t.Errorf("broken off: %+v", r)
	}
}
