package inprocess

import (
	"bufio"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"
)

// results are what benchmarks printed: name without "Benchmark" and without the
// number of processors → unit → a value of each run.
type results map[string]map[string][]float64

var processors = regexp.MustCompile(`-\d+$`)

// add takes what `go test -bench` prints.
//
//	BenchmarkAdmitSettle/accounts=1-2   5223480   229.1 ns/op   0 B/op   0 allocs/op
func (r results) add(output io.Reader) error {
	lines := bufio.NewScanner(output)
	for lines.Scan() {
		fields := strings.Fields(lines.Text())
		if len(fields) < 4 || len(fields)%2 != 0 || !strings.HasPrefix(fields[0], "Benchmark") {
			continue
		}
		if _, err := strconv.ParseUint(fields[1], 10, 64); err != nil {
			continue // what a benchmark logged
		}
		name := processors.ReplaceAllString(strings.TrimPrefix(fields[0], "Benchmark"), "")
		for i := 2; i < len(fields); i += 2 {
			value, err := strconv.ParseFloat(fields[i], 64)
			if err != nil {
				return fmt.Errorf("%s: %q is no number", fields[0], fields[i])
			}
			if r[name] == nil {
				r[name] = map[string][]float64{}
			}
			r[name][fields[i+1]] = append(r[name][fields[i+1]], value)
		}
	}
	return lines.Err()
}

// of returns a benchmark's values in a unit, an error where there are none.
func (r results) of(name, unit string) ([]float64, error) {
	if values := r[name][unit]; len(values) > 0 {
		return values, nil
	}
	return nil, fmt.Errorf("no benchmark %s gave %s", name, unit)
}
