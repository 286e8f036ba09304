package upstream

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"iter"
	"os"
	"time"
)

// Entry is one line of the truth log: what the upstream did with one call.
// The line of a success is written before its header leaves, so the successes
// in the log are never fewer than those anyone downstream can have seen (D2).
type Entry struct {
	Time      time.Time `json:"time"`
	Operation string    `json:"operation"` // such as "recognition/image-tagging"
	Success   bool      `json:"success"`
	Kind      string    `json:"kind,omitempty"` // why it failed: a vendor's code or the fault's name
	Status    int       `json:"status"`         // status sent; 0 if nothing was
	RequestID string    `json:"request_id,omitempty"`
	Instance  string    `json:"instance,omitempty"` // search: the index named in the request
	Project   string    `json:"project,omitempty"`  // recognition: {project_id} of the path
}

// truthLog appends entries, one write(2) each, so that lines of several
// goroutines or processes never mix. A nil log keeps nothing.
type truthLog struct{ file *os.File }

func openTruth(path string) (*truthLog, error) {
	if path == "" {
		return nil, nil
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_RDWR, 0o644)
	if err != nil {
		return nil, fmt.Errorf("opening the truth log: %w", err)
	}
	if err := endLastLine(file); err != nil {
		file.Close()
		return nil, fmt.Errorf("ending the last line of truth log %s: %w", path, err)
	}
	return &truthLog{file}, nil
}

// endLastLine keeps a line that a kill cut short from swallowing the next one.
func endLastLine(file *os.File) error {
	size, err := file.Seek(0, io.SeekEnd)
	if err != nil || size == 0 {
		return err
	}
	last := make([]byte, 1)
	if _, err := file.ReadAt(last, size-1); err != nil {
		return err
	}
	if last[0] != '\n' {
		_, err = file.Write([]byte("\n"))
	}
	return err
}

func (l *truthLog) append(e Entry) error {
	if l == nil {
		return nil
	}
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("encoding a truth entry: %w", err)
	}
	if _, err := l.file.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("writing the truth log: %w", err)
	}
	return nil
}

func (l *truthLog) close() error {
	if l == nil {
		return nil
	}
	return l.file.Close()
}

// Truth yields the entries of a truth log in the order they were written. A
// line cut short by a kill is passed over: its answer never left. It stops
// after yielding the first error.
func Truth(path string) iter.Seq2[Entry, error] {
	return func(yield func(Entry, error) bool) {
		file, err := os.Open(path)
		if err != nil {
			yield(Entry{}, fmt.Errorf("reading the truth log: %w", err))
			return
		}
		defer file.Close()
		lines := bufio.NewScanner(file)
		for lines.Scan() {
			var e Entry
			if json.Unmarshal(lines.Bytes(), &e) != nil {
				continue
			}
			if !yield(e, nil) {
				return
			}
		}
		if err := lines.Err(); err != nil {
			yield(Entry{}, fmt.Errorf("reading truth log %s: %w", path, err))
		}
	}
}

// Tally is what a truth log adds up to.
type Tally struct {
	Success map[string]int            // operation → complete successes
	Failed  map[string]map[string]int // operation → kind → calls
}

// Successes is the number of successes over all operations.
func (t Tally) Successes() int {
	sum := 0
	for _, n := range t.Success {
		sum += n
	}
	return sum
}

// ReadTally adds up the entries of a truth log that keep accepts; a nil keep
// accepts all. It is how one account, instance or span of time is singled out.
func ReadTally(path string, keep func(Entry) bool) (Tally, error) {
	t := Tally{Success: map[string]int{}, Failed: map[string]map[string]int{}}
	for e, err := range Truth(path) {
		switch {
		case err != nil:
			return Tally{}, err
		case keep != nil && !keep(e):
		case e.Success:
			t.Success[e.Operation]++
		default:
			if t.Failed[e.Operation] == nil {
				t.Failed[e.Operation] = map[string]int{}
			}
			t.Failed[e.Operation][e.Kind]++
		}
	}
	return t, nil
}
