package scale

import (
	"context"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/tallygate/tallygate/integration/bench/origin"
	"github.com/tallygate/tallygate/integration/bench/subject"
	"github.com/tallygate/tallygate/integration/bench/world"
	"github.com/tallygate/tallygate/integration/process"
)

// site is a gateway on a ledger that world has filled.
type site struct {
	dir, binary string
	http, admin string
	gateway     *subject.Gateway // while it runs
	billed      uint64           // calls that reconcile has seen
}

// memoryLimit is what a gateway of a million accounts is to be given: with what the
// limit does not count, the mapped files, it stays within its budget.
const memoryLimit = "640MiB"

const caddyfile = `{
	admin %s
	auto_https off
	default_bind 127.0.0.1
	tallygate {
		ledger ./ledger
		pricebook ./book.yaml
		timezone %s
		node %s
		test_clock
	}
	log default {
		exclude http.handlers.reverse_proxy
	}
}
http://%s {
	meter {
		key header X-Api-Key
		operation %s POST %s
		operation %s POST %s
		success * {
			status 2xx
			member error_code absent
		}
	}
	reverse_proxy %s
}
`

func newSite(dir, binary, upstream string) (*site, error) {
	s := &site{dir: dir, binary: binary}
	var err error
	if s.http, err = process.FreeAddress(); err != nil {
		return nil, err
	}
	if s.admin, err = process.FreeAddress(); err != nil {
		return nil, err
	}
	for name, text := range map[string]string{
		"book.yaml": world.Book,
		"Caddyfile": fmt.Sprintf(caddyfile, s.admin, world.Zone, world.Node, s.http,
			world.Tagging, origin.Tagging, world.Detection, origin.Detection, upstream),
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			return nil, err
		}
	}
	return s, nil
}

// start returns how long it took until the gateway served.
func (s *site) start() (time.Duration, error) {
	began := time.Now()
	var err error
	s.gateway, err = subject.Start(s.binary, s.dir, s.admin, "GOMEMLIMIT="+memoryLimit)
	return time.Since(began), err
}

func (s *site) kill() {
	if s.gateway != nil {
		s.gateway.Kill()
		s.gateway = nil
	}
}

// now is the ledger's clock.
func (s *site) now(ctx context.Context) (time.Time, error) {
	var status struct{ Now time.Time }
	err := s.gateway.API(ctx, http.MethodGet, "/status", nil, &status)
	return status.Now, err
}

// rss is the process's resident memory in MiB, mapped files included.
func (s *site) rss() (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.gateway.PID))
	if err != nil {
		return 0, err
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kib, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 64)
			return kib / 1024, err
		}
	}
	return 0, fmt.Errorf("no VmRSS of process %d", s.gateway.PID)
}

// diskBytes is what the files below a folder take.
func diskBytes(dirs ...string) (total int64, err error) {
	for _, dir := range dirs {
		err = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			info, err := d.Info()
			if err == nil {
				total += info.Size()
			}
			return err
		})
		if err != nil {
			return 0, err
		}
	}
	return total, nil
}
