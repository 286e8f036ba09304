package integration

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// growth is what must not grow with every reload.
type growth struct{ files, goroutines int }

func (r *rig) growth() growth {
	r.t.Helper()
	return growth{files: r.handles(""), goroutines: r.metric("go_goroutines")}
}

// handles is how many open files of the gateway end so.
func (r *rig) handles(end string) (n int) {
	r.t.Helper()
	dir := fmt.Sprintf("/proc/%d/fd", r.PID())
	entries, err := os.ReadDir(dir)
	if err != nil {
		r.t.Fatal(err)
	}
	for _, e := range entries {
		target, err := os.Readlink(filepath.Join(dir, e.Name()))
		if err == nil && strings.HasSuffix(target, end) { // else closed meanwhile
			n++
		}
	}
	return n
}

// metric reads a metric without labels from the admin endpoint.
func (r *rig) metric(name string) int {
	r.t.Helper()
	response, err := http.Get("http://" + r.Admin + "/metrics")
	if err != nil {
		r.t.Fatal(err)
	}
	defer response.Body.Close()
	for line := range linesOf(r.t, response.Body) {
		if value, ok := strings.CutPrefix(line, name+" "); ok {
			n, err := strconv.ParseFloat(value, 64)
			if err != nil {
				r.t.Fatalf("metric %s: %v", name, err)
			}
			return int(n)
		}
	}
	r.t.Fatalf("there is no metric %s", name)
	return 0
}
