package tally

import (
	"fmt"
	"maps"
	"os"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/account"
)

// The model is a map that a kill does not touch and a power loss sets back to
// no less than the last sync.
func TestModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		dir, err := os.MkdirTemp("", "tally")
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(dir)
		m := &model{cfg: Config{Dir: dir, SyncInterval: -1, boot: "0", datasync: noSync}}
		if m.f, err = Create(m.cfg, hour); err != nil {
			t.Fatal(err)
		}
		defer func() { m.f.crash() }()
		t.Repeat(map[string]func(*rapid.T){
			"":      m.check,
			"slot":  m.slot,
			"add":   m.add,
			"sync":  func(t *rapid.T) { mustSync(t, m.f); m.synced = maps.Clone(m.counted) },
			"kill":  func(t *rapid.T) { m.f.crash(); m.open(t) },
			"close": m.close,
			"power": m.losePower,
			"swap":  func(*rapid.T) { m.f.side.stale = true },
		})
	})
}

type model struct {
	cfg             Config
	f               *File
	boots           int
	slots           []uint32
	counted, synced map[uint32]uint64
}

func (m *model) slot(t *rapid.T) {
	if m.counted == nil {
		m.counted, m.synced = map[uint32]uint64{}, map[uint32]uint64{}
	}
	n := mustSlot(t, m.f, account.Line{Account: rapid.Uint32Range(0, 9).Draw(t, "account")})
	if _, ok := m.counted[n]; ok {
		t.Fatalf("slot %d was given out twice", n)
	}
	m.slots = append(m.slots, n)
	m.counted[n] = 0
}

func (m *model) add(t *rapid.T) {
	if len(m.slots) == 0 {
		t.Skip("no slot")
	}
	n := rapid.SampledFrom(m.slots).Draw(t, "slot")
	times := rapid.IntRange(1, 300).Draw(t, "times")
	add(m.f, n, times)
	m.counted[n] += uint64(times)
}

func (m *model) close(t *rapid.T) {
	if err := m.f.Close(); err != nil {
		t.Fatal(err)
	}
	m.synced = maps.Clone(m.counted)
	m.open(t)
}

func (m *model) losePower(t *rapid.T) {
	m.f.crash()
	m.boots++
	m.cfg.boot = fmt.Sprint(m.boots)
	if err := os.Truncate(m.f.path, mapHeaderBytes); err != nil {
		t.Fatal(err)
	}
	m.counted = maps.Clone(m.synced)
	m.open(t)
	m.slots = nil
	for n := range m.f.Each() {
		m.slots = append(m.slots, n)
	}
	// A slot whose line was never counted in a sync may be gone.
	maps.DeleteFunc(m.counted, func(n uint32, calls uint64) bool { return calls == 0 && m.gone(n) })
	m.synced = maps.Clone(m.counted)
}

func (m *model) gone(n uint32) bool {
	for _, s := range m.slots {
		if s == n {
			return false
		}
	}
	return true
}

func (m *model) open(t *rapid.T) {
	f, rep, err := Open(m.cfg, m.f.path)
	if err != nil {
		t.Fatal(err)
	}
	m.f = f
	if rep.LowerBound() || rep.Damaged != nil || rep.Faults != nil {
		t.Fatalf("report %+v", rep)
	}
	m.synced = maps.Clone(m.counted) // resuming writes everything anew
}

func (m *model) check(t *rapid.T) {
	got := map[uint32]uint64{}
	for n, c := range m.f.Each() {
		got[n] = c.Calls
	}
	if !maps.Equal(got, m.counted) {
		t.Fatalf("got %v, want %v", got, m.counted)
	}
}
