package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMutantsFit: every mutant can be made of the code as it is now.
func TestMutantsFit(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, m := range mutants {
		texts, err := m.apply("../../..")
		if err != nil {
			t.Error(err)
		}
		if len(texts) == 0 || len(m.caughtBy) == 0 || seen[m.name] {
			t.Errorf("mutant %q has no edits, or no rows, or the name of another", m.name)
		}
		seen[m.name] = true
	}
}

func TestEditsMustFit(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	if err := os.WriteFile(filepath.Join(root, "a.go"), []byte("one two two"), 0o644); err != nil {
		t.Fatal(err)
	}
	for find, want := range map[string]string{"one": "1 two two", "two": "", "three": ""} {
		texts, err := mutant{name: "m", edits: []edit{{"a.go", find, "1"}}}.apply(root)
		if (err == nil) != (want != "") || texts["a.go"] != want {
			t.Errorf("%s: %q %v", find, texts["a.go"], err)
		}
	}
	both := mutant{name: "m", edits: []edit{{"a.go", "one", "1"}, {"a.go", "1", "2"}}}
	path, err := both.overlay(root, root)
	if err != nil {
		t.Fatal(err)
	}
	list, err := os.ReadFile(path)
	if err != nil || !strings.Contains(string(list), `"`+filepath.Join(root, "a.go")+`":"`+filepath.Join(root, "a.go.mutated")+`"`) {
		t.Errorf("%s %v", list, err)
	}
	if text, err := os.ReadFile(filepath.Join(root, "a.go.mutated")); err != nil || string(text) != "2 two two" {
		t.Errorf("%q %v", text, err)
	}
}

func TestShortForms(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		s    short
		want []string
	}{
		{short{row: 6}, nil},
		{short{row: 2, rounds: 3}, []string{"TALLYGATE_ROUNDS=3"}},
		{short{row: 1, places: []string{"b", "a"}}, []string{"TALLYGATE_ROUNDS=0", "TALLYGATE_PLACES=b,a"}},
		{short{row: 1, places: []string{"b", "a"}}.with(short{row: 1, rounds: 2, places: []string{"b"}}), []string{"TALLYGATE_ROUNDS=2", "TALLYGATE_PLACES=a,b"}},
	} {
		if got := c.s.env(); !slices.Equal(got, c.want) {
			t.Errorf("%+v: %v, want %v", c.s, got, c.want)
		}
	}
}
