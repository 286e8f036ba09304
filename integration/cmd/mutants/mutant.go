package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mutant is a gateway that is broken in one way.
type mutant struct {
	name     string
	edits    []edit
	caughtBy []short // rows, in the order in which they are tried
}

// edit replaces a text in a file of the checkout that is in it once.
type edit struct{ file, find, replace string }

// short is a row in a form that is short and to the point. Zero rounds are the
// row's own short form.
type short struct {
	row    int
	rounds int
	places []string // row 1: kill at these places, and not at random unless rounds are given
}

// env tells the scenario.
func (s short) env() (env []string) {
	switch {
	case s.rounds > 0:
		env = append(env, "TALLYGATE_ROUNDS="+strconv.Itoa(s.rounds))
	case len(s.places) > 0:
		env = append(env, "TALLYGATE_ROUNDS=0")
	}
	if len(s.places) > 0 {
		env = append(env, "TALLYGATE_PLACES="+strings.Join(s.places, ","))
	}
	return env
}

// with is a form that does what both do.
func (s short) with(t short) short {
	all := short{row: t.row, rounds: max(s.rounds, t.rounds), places: slices.Concat(s.places, t.places)}
	slices.Sort(all.places)
	all.places = slices.Compact(all.places)
	return all
}

// overlay writes the mutated files, and for go build the file that names them.
// It is empty for no edits.
func (m mutant) overlay(root, folder string) (path string, err error) {
	if len(m.edits) == 0 {
		return "", nil
	}
	texts, err := m.apply(root)
	if err != nil {
		return "", err
	}
	replace := map[string]string{}
	for file, text := range texts {
		into := filepath.Join(folder, strings.ReplaceAll(file, "/", "-")+".mutated")
		if err := os.WriteFile(into, []byte(text), 0o644); err != nil {
			return "", err
		}
		replace[filepath.Join(root, file)] = into
	}
	list, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", err
	}
	path = filepath.Join(folder, "overlay.json")
	return path, os.WriteFile(path, list, 0o644)
}

// apply makes the edits. One that does not fit is an error, so that no mutant
// turns into the gateway as it is.
func (m mutant) apply(root string) (texts map[string]string, err error) {
	texts = map[string]string{}
	for _, e := range m.edits {
		text, ok := texts[e.file]
		if !ok {
			b, err := os.ReadFile(filepath.Join(root, e.file))
			if err != nil {
				return nil, fmt.Errorf("mutant %q: %w", m.name, err)
			}
			text = string(b)
		}
		if n := strings.Count(text, e.find); n != 1 {
			return nil, fmt.Errorf("mutant %q: %s has %d times, not once:\n%s\nadapt the mutant to the code: cmd/mutants/table.go", m.name, e.file, n, e.find)
		}
		texts[e.file] = strings.Replace(text, e.find, e.replace, 1)
	}
	return texts, nil
}
