package journal

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/tallygate/tallygate/durable"
	"github.com/tallygate/tallygate/failpoint"
)

// anchorEvery is how long a head may wait for the ones after it.
const anchorEvery = 500 * time.Millisecond

// anchor keeps the head in a file. Its zero-path form does nothing.
type anchor struct {
	path string

	mu   sync.Mutex
	want Head
	have Head
	err  error

	moved chan struct{} // holds a token while want is to be written
	stop  chan struct{}
	done  sync.WaitGroup
}

func startAnchor(path string, have, want Head) *anchor {
	a := &anchor{path: path, have: have, want: have, moved: make(chan struct{}, 1), stop: make(chan struct{})}
	if path != "" {
		a.done.Go(a.run)
	}
	a.move(want)
	return a
}

// move asks for a head to be written soon.
func (a *anchor) move(head Head) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.want == head {
		return
	}
	a.want = head
	select {
	case a.moved <- struct{}{}:
	default:
	}
}

func (a *anchor) state() (Head, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.have, a.err
}

// close writes the last head and ends the goroutine.
func (a *anchor) close() error {
	close(a.stop)
	a.done.Wait()
	return a.save()
}

func (a *anchor) run() {
	for {
		select {
		case <-a.stop:
			return
		case <-a.moved:
		}
		select {
		case <-a.stop:
			return
		case <-time.After(anchorEvery):
		}
		if a.save() != nil {
			select {
			case a.moved <- struct{}{}: // again
			default:
			}
		}
	}
}

func (a *anchor) save() error {
	a.mu.Lock()
	want, have := a.want, a.have
	a.mu.Unlock()
	if a.path == "" || want == have {
		return nil
	}
	err := writeAnchor(a.path, want)
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.err = err; err == nil {
		a.have = want
	}
	return err
}

type anchorFile struct {
	Seq  uint64 `json:"seq"`
	Hash string `json:"hash"`
}

// readAnchor returns the zero head where there is no file.
func readAnchor(path string) (Head, error) {
	if path == "" {
		return Head{}, nil
	}
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Head{}, nil
	}
	if err != nil {
		return Head{}, fmt.Errorf("journal: anchor: %w", err)
	}
	var file anchorFile
	d := json.NewDecoder(strings.NewReader(string(b)))
	d.DisallowUnknownFields()
	if err := d.Decode(&file); err != nil {
		return Head{}, badAnchor(path, err)
	}
	hash, err := hex.DecodeString(file.Hash)
	if err != nil || len(hash) != 32 || file.Seq == 0 {
		return Head{}, badAnchor(path, errors.New("want seq from 1 and hash of 64 hex digits"))
	}
	return Head{file.Seq, [32]byte(hash)}, nil
}

func badAnchor(path string, err error) error {
	return fmt.Errorf("journal: anchor %s does not say where the journal was: %w: restore it; or, to accept the journal as it is, remove it", path, err)
}

// writeAnchor replaces the file in one step.
func writeAnchor(path string, head Head) error {
	b, err := json.Marshal(anchorFile{head.Seq, hex.EncodeToString(head.Hash[:])})
	if err != nil {
		return fmt.Errorf("journal: anchor: %w", err)
	}
	dir := filepath.Dir(path)
	if _, err := os.Stat(dir); err != nil {
		if err := durable.MakeDir(dir); err != nil {
			return fmt.Errorf("journal: anchor: %w", err)
		}
	}
	temp := path + ".tmp"
	if err := writeSynced(temp, append(b, '\n')); err != nil {
		return fmt.Errorf("journal: anchor: %w", err)
	}
	failpoint.Hit("anchor/written")
	if err := os.Rename(temp, path); err != nil {
		return fmt.Errorf("journal: anchor: %w", err)
	}
	failpoint.Hit("anchor/renamed")
	if err := durable.SyncDir(dir); err != nil {
		return fmt.Errorf("journal: anchor: sync its folder: %w", err)
	}
	return nil
}

func writeSynced(path string, b []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		failpoint.Synced(f)
	}
	return errors.Join(err, f.Close())
}
