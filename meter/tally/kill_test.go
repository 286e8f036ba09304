package tally

import (
	"encoding/binary"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
)

// killDir makes the test binary count into that folder until it is killed.
const killDir = "TALLY_KILL_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killDir); dir != "" {
		countUntilKilled(dir)
	}
	os.Exit(m.Run())
}

// countUntilKilled counts in several goroutines, each with lines of its own,
// and tells stdout the account after every call that was counted.
func countUntilKilled(dir string) {
	cfg := Config{Dir: dir, SyncInterval: time.Millisecond}
	f, err := openOnly(cfg)
	if err != nil {
		panic(err)
	}
	slots := map[uint32]uint32{}
	for n, c := range f.Each() {
		slots[c.Account] = n
	}
	const workers, accounts = 4, 100_000
	var mu sync.Mutex
	for w := range uint32(workers) {
		go func() {
			for i := uint32(0); ; i++ {
				a := w + workers*(rand.Uint32N(1+min(i/4, accounts)))
				mu.Lock()
				n, ok := slots[a]
				if !ok {
					if n, err = f.Slot(account.Line{Account: a, Kind: account.PayPerUse}); err != nil {
						panic(err)
					}
					slots[a] = n
				}
				mu.Unlock()
				f.Add(n)
				os.Stdout.Write(binary.LittleEndian.AppendUint32(nil, a))
			}
		}()
	}
	select {}
}

func openOnly(cfg Config) (*File, error) {
	paths, err := List(cfg.Dir)
	if err != nil {
		return nil, err
	}
	if len(paths) == 0 {
		return Create(cfg, hour)
	}
	f, _, err := Open(cfg, paths[0])
	return f, err
}

// D2: whatever was acknowledged before the kill is counted, and nothing is
// counted that was not about to be acknowledged.
func TestKill(t *testing.T) {
	t.Parallel()
	const rounds, workers = 24, 4
	dir := t.TempDir()
	acked := map[uint32]uint64{}
	var total, inFlight uint64
	for round := range rounds {
		for _, a := range countAndKill(t, dir, rand.IntN(8_000*(round%6)+1)) {
			acked[a]++
			total++
		}
		inFlight += workers
		f, err := openOnly(Config{Dir: dir, SyncInterval: -1})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		if rep := f.report; rep.LowerBound() || rep.Faults != nil || rep.Damaged != nil || rep.PowerLosses > 0 {
			t.Fatalf("round %d: a kill is reported as damage: %+v", round, rep)
		}
		got := counts(f)
		f.crash()
		var sum uint64
		for line, calls := range got {
			if sum += calls; line.Kind != account.PayPerUse {
				t.Fatalf("round %d: line %+v was never counted", round, line)
			}
		}
		for a, want := range acked {
			if calls := got[account.Line{Account: a, Kind: account.PayPerUse}]; calls < want {
				t.Fatalf("round %d: account %d has %d calls, %d acknowledged", round, a, calls, want)
			}
		}
		if sum > total+inFlight {
			t.Fatalf("round %d: %d counted, %d acknowledged, at most %d under way", round, sum, total, inFlight)
		}
	}
	if total == 0 {
		t.Fatal("nothing was counted")
	}
}

// countAndKill runs the counting process, kills it after about so many calls,
// and returns the accounts it acknowledged. Zero kills it while it starts.
func countAndKill(t *testing.T, dir string, calls int) []uint32 {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), killDir+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	head := make([]byte, calls*4)
	n, _ := io.ReadFull(out, head)
	cmd.Process.Kill()
	rest, _ := io.ReadAll(out)
	cmd.Wait()
	all := append(head[:n], rest...)
	accounts := make([]uint32, len(all)/4)
	for i := range accounts {
		accounts[i] = binary.LittleEndian.Uint32(all[i*4:])
	}
	return accounts
}
