package badgerstore

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallygate/tallygate/ledger"
)

// residentTables is how many KiB of tables are in memory.
func residentTables(t *testing.T, dir string) (kib int) {
	t.Helper()
	maps, err := os.ReadFile("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	table := false
	for line := range strings.Lines(string(maps)) {
		fields := strings.Fields(line)
		if strings.Contains(fields[0], "-") {
			table = len(fields) > 5 && strings.HasPrefix(fields[5], dir) && strings.HasSuffix(fields[5], ".sst")
		} else if table && fields[0] == "Rss:" {
			n := 0
			if _, err := fmt.Sscan(fields[1], &n); err != nil {
				t.Fatal(err)
			}
			kib += n
		}
	}
	return kib
}

// TestLetGo: tables leave memory, and are read as before.
func TestLetGo(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, Config{Dir: history(t, 3).folder(t)})
	<-s.merging
	if n, err := holdsSteps(s); n != 120 || err != nil {
		t.Fatalf("step %d, %v", n, err)
	}
	if residentTables(t, s.cfg.Dir) == 0 {
		t.Fatal("no table was in memory")
	}
	for tries := 0; residentTables(t, s.cfg.Dir) > 0; tries++ { // the purge may read again
		if err := s.letGo(); err != nil || tries == 5 {
			t.Fatalf("%d KiB of tables are in memory after %d times, %v", residentTables(t, s.cfg.Dir), tries, err)
		}
	}
	if n, err := holdsSteps(s); n != 120 || err != nil {
		t.Errorf("step %d, %v", n, err)
	}
}

// TestLetGoBesideMerges: pages are let go of all the time while tables are written,
// merged and unmapped. Nothing else may lose its memory.
func TestLetGoBesideMerges(t *testing.T) {
	t.Parallel()
	s := mustOpen(t, Config{Dir: t.TempDir()})
	stop := make(chan struct{})
	var running sync.WaitGroup
	running.Go(func() {
		for {
			select {
			case <-stop:
				return
			default:
			}
			if err := s.letGo(); err != nil {
				t.Error(err)
				return
			}
		}
	})
	const answers, size = 400, 1 << 19
	answer := func(n int) ledger.Answer {
		return ledger.Answer{Key: [32]byte{byte(n), byte(n >> 8)}, Input: uint64(n), JSON: bytes.Repeat([]byte{byte(n*7 + 1)}, size)}
	}
	for n := range answers {
		if err := s.Commit(ledger.Step{Answers: []ledger.Answer{answer(n)}}); err != nil {
			t.Fatal(err)
		}
	}
	close(stop)
	running.Wait()
	for n := range answers {
		if a, err := s.Answer(answer(n).Key); err != nil || !bytes.Equal(a.JSON, answer(n).JSON) {
			t.Fatalf("answer %d: %v", n, err)
		}
	}
	if levels := s.db.Levels(); levels[len(levels)-1].NumTables == 0 {
		t.Error("nothing was merged")
	}
	for range 100 { // what was read goes by itself, in the main: other tests map files too
		if residentTables(t, s.cfg.Dir) < answers*size>>10/2 {
			return
		}
		time.Sleep(letGoEvery / 10)
	}
	t.Errorf("%d KiB of tables stay in memory", residentTables(t, s.cfg.Dir))
}
