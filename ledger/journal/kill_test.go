package journal

import (
	"bufio"
	"encoding/hex"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
)

const childVariable = "TALLYGATE_JOURNAL_CHILD"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childVariable); dir != "" {
		if err := appendForEver(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
		os.Exit(1)
	}
	os.Exit(m.Run())
}

func killConfig(dir string) Config {
	return Config{Dir: dir + "/journal", Anchor: dir + "/anchor.json", SegmentSize: 64 << 10}
}

// appendForEver prints what is acknowledged, one line a record.
func appendForEver(dir string) error {
	j, _, err := Open(killConfig(dir))
	if err != nil {
		return err
	}
	failed := make(chan error)
	for c := range 8 {
		go func() {
			for i := 0; ; i++ {
				p, err := j.Append(int64(i), "command", make([]byte, rand.IntN(2000)))
				if err != nil {
					failed <- err
				}
				r, err := p.Wait()
				if err != nil {
					failed <- err
				}
				os.Stdout.WriteString(fmt.Sprintf("%d %x %d\n", r.Seq, r.Hash, c))
			}
		}()
	}
	return <-failed
}

// TestKill kills a process at 20 random moments of its appending: what it
// acknowledged is there, and the chain goes on.
func TestKill(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	acknowledged := map[uint64]string{}
	for round := range 20 {
		if err := killOnce(dir, 1+rand.IntN(400), acknowledged); err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		j, _, err := Open(killConfig(dir))
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		found := 0
		for r, err := range j.Read(1) {
			if err != nil {
				t.Fatalf("round %d: %v", round, err)
			}
			if hash, ok := acknowledged[r.Seq]; ok {
				if found++; hash != hex.EncodeToString(r.Hash[:]) {
					t.Fatalf("round %d: record %d is not the one acknowledged", round, r.Seq)
				}
			}
		}
		if found != len(acknowledged) {
			t.Fatalf("round %d: %d of %d acknowledged records are there", round, found, len(acknowledged))
		}
		mustClose(t, j)
	}
}

// killOnce kills the child after so many lines, and reads on to the end of
// what it had printed.
func killOnce(dir string, lines int, acknowledged map[uint64]string) error {
	child := exec.Command(os.Args[0])
	child.Env = append(os.Environ(), childVariable+"="+dir)
	var complaint strings.Builder
	child.Stderr = &complaint
	out, err := child.StdoutPipe()
	if err != nil {
		return err
	}
	if err := child.Start(); err != nil {
		return err
	}
	var once sync.Once
	kill := func() { once.Do(func() { child.Process.Signal(syscall.SIGKILL) }) }
	defer kill()
	scan := bufio.NewScanner(out)
	for n := 0; scan.Scan(); n++ {
		var seq uint64
		var hash string
		var client int
		if _, err := fmt.Sscan(scan.Text(), &seq, &hash, &client); err != nil {
			break // the line that was being printed
		}
		if acknowledged[seq] != "" {
			return fmt.Errorf("record %d acknowledged twice", seq)
		}
		acknowledged[seq] = hash
		if n >= lines {
			kill()
		}
	}
	err = child.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		return fmt.Errorf("child ended with %v: %s", err, complaint.String())
	}
	return scan.Err()
}
