package main

import (
	"bufio"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/tallygate/tallygate/integration/rows"
)

// store keeps the results of one build, with one number of rounds and one seed,
// in a folder: rowNN.json and rowNN.log.
type store struct{ folder string }

func open(b rows.Bench, o options) (store, error) {
	hash := sha256.New()
	for _, path := range []string{b.Gateway, b.Failpoints} {
		f, err := os.Open(path)
		if err != nil {
			return store{}, err
		}
		_, err = io.Copy(hash, f)
		if err := errors.Join(err, f.Close()); err != nil {
			return store{}, err
		}
	}
	name := hex.EncodeToString(hash.Sum(nil)[:6])
	if o.rounds != "" {
		name += "-rounds" + o.rounds
	}
	if o.seed != "" {
		name += "-seed" + o.seed
	}
	s := store{filepath.Join(b.Root, "build", "torture", name)}
	if o.fresh {
		if err := os.RemoveAll(s.folder); err != nil {
			return s, err
		}
	}
	return s, os.MkdirAll(s.folder, 0o755)
}

func (s store) path(number int, suffix string) string {
	return filepath.Join(s.folder, fmt.Sprintf("row%02d%s", number, suffix))
}

// load is what is known of a row; false: it did not run to its end.
func (s store) load(number int) (r rows.Result, known bool, err error) {
	text, err := os.ReadFile(s.path(number, ".json"))
	if errors.Is(err, os.ErrNotExist) {
		return r, false, nil
	}
	if err == nil {
		err = json.Unmarshal(text, &r)
	}
	return r, err == nil, err
}

// save leaves the old result or the new one.
func (s store) save(number int, r rows.Result) error {
	text, err := json.MarshalIndent(r, "", "\t")
	if err != nil {
		return err
	}
	path := s.path(number, ".json")
	if err := os.WriteFile(path+".new", text, 0o644); err != nil {
		return err
	}
	return os.Rename(path+".new", path)
}

// make runs a row, unless it has passed before. An error means that it was
// broken off: then the next time begins it anew.
func (s store) make(ctx context.Context, b rows.Bench, o options, number int, test string) error {
	switch r, known, err := s.load(number); {
	case err != nil:
		return err
	case test == "":
		fmt.Printf("row %d is missing: there is no TestRow%02d… in integration/\n", number, number)
		return nil
	case known && r.Passed:
		fmt.Printf("row %d has passed before, on %s\n", number, r.Ended.Format(time.DateTime))
		return nil
	}
	env := []string{"TALLYGATE_LONG=1"}
	if o.rounds != "" {
		env = append(env, "TALLYGATE_ROUNDS="+o.rounds)
	}
	if o.seed != "" {
		env = append(env, "TALLYGATE_SEED="+o.seed)
	}
	log := s.path(number, ".log")
	stop := progress(number, log)
	r, err := b.Run(ctx, test, log, env...)
	stop()
	if err != nil {
		return err
	}
	fmt.Printf("%s, in %s\n", r.Text, r.Took.Round(time.Second))
	if !r.Passed {
		fmt.Printf("row %d FAILED: see %s\n", number, log)
	}
	return s.save(number, r)
}

// progress tells from time to time how long a row has run, and what it said
// last, until stop is called.
func progress(number int, log string) (stop func()) {
	began, tick, done := time.Now(), time.NewTicker(30*time.Second), make(chan struct{})
	fmt.Printf("row %d begins; its log is %s\n", number, log)
	go func() {
		for {
			select {
			case <-done:
				return
			case <-tick.C:
				fmt.Printf("row %d: %s  %s\n", number, time.Since(began).Round(time.Second), lastLine(log))
			}
		}
	}()
	return func() {
		tick.Stop()
		close(done)
	}
}

// lastLine is the last line of a file, or nothing.
func lastLine(path string) (last string) {
	f, err := os.Open(path)
	if err != nil {
		return ""
	}
	defer f.Close()
	if info, err := f.Stat(); err == nil && info.Size() > 4096 {
		if _, err := f.Seek(-4096, io.SeekEnd); err != nil {
			return ""
		}
	}
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if text := strings.TrimSpace(lines.Text()); text != "" {
			last = text
		}
	}
	return last[:min(len(last), 160)]
}
