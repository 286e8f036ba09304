package main

import (
	"fmt"
	"io"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"time"

	"github.com/tallygate/tallygate/integration/rows"
)

// report prints a line for each row, and the table of RELIABILITY.md. It returns
// whether every row has passed.
func report(w io.Writer, root string, s store, wanted []int) (passed bool, err error) {
	passed = true
	var lines, table, failed strings.Builder
	var ended time.Time
	var took time.Duration
	for _, number := range wanted {
		r, known, err := s.load(number)
		if err != nil {
			return false, err
		}
		switch {
		case !known:
			r.Text = fmt.Sprintf("row %d is missing: there is no TestRow%02d… in integration/", number, number)
		case !r.Passed:
			fmt.Fprintf(&failed, "row %d FAILED: see %s\n", number, s.path(number, ".log"))
		}
		passed = passed && r.Passed
		fmt.Fprintln(&lines, r.Text)
		if r.Ended.After(ended) {
			ended = r.Ended
		}
		took += r.Took
		fmt.Fprintln(&table, cells(number, r))
	}
	fmt.Fprintf(w, "\n%s%s\n", lines.String(), failed.String())
	fmt.Fprintf(w, "%s, %s in all. %s.\n\n", ended.Format(time.DateOnly), took.Round(time.Second), machine(root))
	fmt.Fprintln(w, "| row | fault | rounds | lost | doubled | wrong | seed | |\n|--:|---|--:|--:|--:|--:|--:|---|")
	fmt.Fprint(w, table.String())
	return passed, nil
}

// cells is a row of the table.
func cells(number int, r rows.Result) string {
	l, err := rows.Parse(r.Text)
	if err != nil {
		return fmt.Sprintf("| %d | | | | | | | %s |", number, strings.ReplaceAll(r.Text, "|", "/"))
	}
	notes := l.Notes
	if !r.Passed {
		notes = strings.TrimSuffix("FAILED; "+notes, "; ")
	}
	return fmt.Sprintf("| %d | %s | %d | %d | %d | %d | %d | %s |", number, l.Name, l.Rounds, l.Lost, l.Doubled, l.Wrong, l.Seed,
		strings.ReplaceAll(notes, "|", "/"))
}

// machine is where the rows ran, and what: processor, file system, kernel,
// commit.
func machine(root string) string {
	cpu := field("/proc/cpuinfo", "model name")
	kernel, err := os.ReadFile("/proc/sys/kernel/osrelease")
	if err != nil {
		kernel = []byte("(unknown kernel)")
	}
	commit, err := exec.Command("git", "-C", root, "describe", "--always", "--dirty", "--exclude=*").Output()
	if err != nil {
		commit = []byte("(unknown)")
	}
	return fmt.Sprintf("%d × %s, %s, Linux %s, %s, commit %s", runtime.NumCPU(), cpu, fileSystem(os.TempDir()),
		strings.TrimSpace(string(kernel)), runtime.Version(), strings.TrimSpace(string(commit)))
}

// field is the value of the first line "name : value" of a file.
func field(path, name string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return "(unknown)"
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == name {
			return strings.TrimSpace(value)
		}
	}
	return "(unknown)"
}

// fileSystem is that of a folder: the mount with the longest path above it.
func fileSystem(folder string) string {
	text, err := os.ReadFile("/proc/mounts")
	if err != nil {
		return "(unknown file system)"
	}
	kind, longest := "(unknown file system)", -1
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) < 3 || len(f[1]) < longest {
			continue
		}
		if above := strings.TrimSuffix(f[1], "/"); folder == f[1] || strings.HasPrefix(folder, above+"/") {
			kind, longest = f[2], len(f[1])
		}
	}
	return kind
}
