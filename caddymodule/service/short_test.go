package service

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/meter/tally"
)

// TestShortTallyWithoutCounts: counters that have nothing left of what they may
// have counted are no empty ones, and the period's statements say so. Those made
// ahead counted nothing, whatever became of them.
func TestShortTallyWithoutCounts(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s := open(t, c)
	start, length, _ := s.period(s.Now().Unix())
	shut(t, s)
	next, err := tally.Create(tally.Config{Dir: filepath.Join(c.Dir, "tally"), SyncInterval: c.SyncInterval},
		tally.Header{Node: c.Node, Start: start + length, Length: length}) // as a kill leaves it
	if err == nil {
		err = next.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(c.Dir, "tally", "*.tally"))
	if err != nil || len(files) != 2 {
		t.Fatal(files, err)
	}
	for _, f := range files {
		info, err := os.Stat(f)
		if err == nil {
			err = os.Truncate(f, info.Size()-1)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s = open(t, c)
	advance(t, s, time.Unix(start+2*length, 0))
	short := s.engine.Meta().Shortfalls
	if len(short) != 1 || short[0].Start != start || short[0].Length != length || short[0].Damaged == 0 {
		t.Errorf("lower bounds %+v, want the hour at %d", short, start)
	}
}

// TestUnmeteredWhileStopping: calls that end after the gateway began to stop are
// recorded, too.
func TestUnmeteredWhileStopping(t *testing.T) {
	c := testConfig(t, t.TempDir())
	s := open(t, c)
	s.stop()
	s.stopped.Wait()
	s.lost.note(account.Line{Account: 7, Operation: 1, Kind: account.PayPerUse}, errors.New("no counters"))
	if err := s.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(filepath.Join(c.Dir, "unmetered"))
	if err != nil || !strings.Contains(string(text), `"account_number":7`) || !strings.Contains(string(text), `"calls":1`) {
		t.Errorf("%q, %v", text, err)
	}
}
