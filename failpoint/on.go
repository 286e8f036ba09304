//go:build failpoints

package failpoint

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"
)

// Enabled tells whether failpoints are compiled in.
const Enabled = true

var (
	mu      sync.Mutex
	control = os.Getenv("TALLYGATE_FAILPOINTS")
	read    time.Time // of the control file
	orders  map[string]order
	count   map[string]int // hits since the control file was read
	hits    = os.Getenv("TALLYGATE_HITS")
	seen    = map[string]bool{}
	wall    = os.Getenv("TALLYGATE_WALL")
)

// order is what happens at the hits from first on, times of them.
type order struct {
	kill         bool
	err          error
	first, times int
}

var errnos = map[string]error{"EIO": syscall.EIO, "ENOSPC": syscall.ENOSPC, "EROFS": syscall.EROFS,
	"EOPNOTSUPP": syscall.EOPNOTSUPP}

// Hit kills the process where the control file says so.
func Hit(name string) { _ = at(name) }

// Fail returns an error where the control file says so.
func Fail(name string) error { return at(name) }

func at(name string) error {
	if control == "" && hits == "" {
		return nil
	}
	mu.Lock()
	defer mu.Unlock()
	note(name)
	reread()
	o, ok := orders[name]
	if !ok {
		return nil
	}
	count[name]++
	if n := count[name]; n < o.first || n >= o.first+o.times {
		return nil
	}
	if o.kill {
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // nothing happens after it
	}
	return fmt.Errorf("failpoint %s: %w", name, o.err)
}

// note writes down that a place was reached.
func note(name string) {
	if hits == "" || seen[name] {
		return
	}
	seen[name] = true
	f, err := os.OpenFile(hits, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		panic(err)
	}
	fmt.Fprintln(f, name)
	f.Close()
}

// reread takes up a control file that has changed. One that is not there orders
// nothing.
func reread() {
	info, err := os.Stat(control)
	if err != nil {
		orders, read = nil, time.Time{}
		return
	}
	if info.ModTime().Equal(read) {
		return
	}
	read = info.ModTime()
	text, err := os.ReadFile(control)
	if err != nil {
		panic(err)
	}
	orders, count = map[string]order{}, map[string]int{}
	for _, line := range strings.Split(strings.TrimSpace(string(text)), "\n") {
		if line != "" {
			name, o := parse(line)
			orders[name] = o
		}
	}
}

func parse(line string) (name string, o order) {
	words := strings.Fields(line)
	bad := func() { panic("failpoint: cannot read the order " + strconv.Quote(line)) }
	if len(words) < 2 || len(words) > 4 {
		bad()
	}
	o = order{kill: words[1] == "kill", err: errnos[words[1]], first: 1, times: 1}
	if !o.kill && o.err == nil {
		bad()
	}
	for i, into := range []*int{&o.first, &o.times} {
		if len(words) > 2+i {
			n, err := strconv.Atoi(words[2+i])
			if err != nil {
				bad()
			}
			*into = n
		}
	}
	return words[0], o
}

// Shift is how far off the wall clock is, as the test wants.
func Shift() time.Duration {
	if wall == "" {
		return 0
	}
	text, err := os.ReadFile(wall)
	if err != nil {
		return 0
	}
	d, err := time.ParseDuration(strings.TrimSpace(string(text)))
	if err != nil {
		panic(err)
	}
	return d
}

// Boot names the running boot of the machine.
func Boot(id string) string {
	if other := os.Getenv("TALLYGATE_BOOT"); other != "" {
		return other
	}
	return id
}
