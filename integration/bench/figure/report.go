package figure

import (
	"fmt"
	"io"
	"sync"
	"text/tabwriter"
)

// Report collects figures. Its methods may be called concurrently.
type Report struct {
	mu      sync.Mutex
	figures []Figure
	suffix  string
}

// NewReport begins a report; the suffix is appended to every name.
func NewReport(suffix string) *Report { return &Report{suffix: suffix} }

// Add takes a figure.
func (r *Report) Add(f Figure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	f.Name += r.suffix
	r.figures = append(r.figures, f)
}

// Table writes what was measured, a row for each figure.
func (r *Report) Table(w io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "figure\tvalue\t90 % interval\tbudget\t\tmethod")
	for _, f := range r.figures {
		interval, verdict := "", ""
		if f.Low < f.High {
			interval = number(f.Low) + " – " + number(f.High)
		}
		switch {
		case f.Budget.Set && f.Budget.Met(f.Value):
			verdict = "met"
		case f.Budget.Set:
			verdict = "MISSED"
		}
		value := number(f.Value)
		if f.Unit != "" {
			value += " " + f.Unit
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\t%s\n", f.Name, value, interval, f.Budget, verdict, f.Method)
	}
	return t.Flush()
}

// Lines writes "name: value" for each figure, for programs to read.
func (r *Report) Lines(w io.Writer) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.figures {
		if _, err := fmt.Fprintf(w, "%s: %s\n", f.Name, number(f.Value)); err != nil {
			return err
		}
	}
	return nil
}

// Missed returns the figures that do not keep their budget.
func (r *Report) Missed() (missed []Figure) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.figures {
		if !f.Budget.Met(f.Value) {
			missed = append(missed, f)
		}
	}
	return missed
}
