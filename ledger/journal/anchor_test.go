package journal

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func anchoredConfig(t testing.TB) Config {
	t.Helper()
	return Config{
		Dir:         filepath.Join(t.TempDir(), "journal"),
		Anchor:      filepath.Join(t.TempDir(), "elsewhere", "anchor.json"),
		SegmentSize: testSegment,
	}
}

func TestAnchorFollowsHead(t *testing.T) {
	t.Parallel()
	cfg := anchoredConfig(t)
	j, report := mustOpen(t, cfg)
	if report.Anchor != (Head{}) {
		t.Fatalf("anchor of a new journal: %+v", report.Anchor)
	}
	for range 2 {
		mustAppend(t, j, 3, small)
		head, begin := j.Head(), time.Now()
		for {
			if on, err := readAnchor(cfg.Anchor); err != nil {
				t.Fatal(err)
			} else if on == head {
				break
			}
			if time.Since(begin) > 10*time.Second {
				t.Fatal("the anchor does not follow the head")
			}
			time.Sleep(time.Millisecond)
		}
	}
	mustAppend(t, j, 1, small)
	head := j.Head()
	mustClose(t, j)
	if on, err := readAnchor(cfg.Anchor); err != nil || on != head {
		t.Fatalf("anchor after Close is %+v, %v", on, err)
	}
	j, report = mustOpen(t, cfg)
	if got, err := j.Anchored(); report.Anchor != head || got != head || err != nil {
		t.Fatalf("anchor after opening is %+v, %v", got, err)
	}
}

func TestAnchorFailureShows(t *testing.T) {
	t.Parallel()
	cfg := anchoredConfig(t)
	if err := os.WriteFile(filepath.Dir(cfg.Anchor), nil, 0o600); err != nil { // a file where the folder should be
		t.Fatal(err)
	}
	j, _, err := Open(cfg)
	if err == nil {
		j.Close()
		t.Fatal("an anchor that cannot be read was taken for none")
	}
	cfg.Anchor = filepath.Join(t.TempDir(), "anchor.json")
	j, _ = mustOpen(t, cfg)
	if err := os.Mkdir(cfg.Anchor, 0o700); err != nil {
		t.Fatal(err)
	}
	mustAppend(t, j, 1, small)
	for begin := time.Now(); ; time.Sleep(time.Millisecond) {
		if _, err := j.Anchored(); err != nil {
			break
		}
		if time.Since(begin) > 10*time.Second {
			t.Fatal("the failure does not show")
		}
	}
	if err := j.Close(); err == nil {
		t.Error("Close hides that the anchor is not written")
	}
}

func TestAnchorRefuses(t *testing.T) {
	t.Parallel()
	cfg := anchoredConfig(t)
	j, _ := mustOpen(t, cfg)
	mustAppend(t, j, 60, small)
	older := copyDir(t, cfg.Dir)
	atCopy := j.Head()
	mustAppend(t, j, 60, small)
	mustClose(t, j)

	refused := func(what, dir string) {
		t.Helper()
		_, _, err := Open(Config{Dir: dir, Anchor: cfg.Anchor, SegmentSize: testSegment})
		if !errors.Is(err, ErrBehindAnchor) || !strings.Contains(err.Error(), "remove the anchor "+cfg.Anchor) {
			t.Errorf("%s: %v", what, err)
		}
	}
	refused("older copy", older)
	refused("no journal", t.TempDir())
	for _, n := range []int{110, 200} { // another history, longer or shorter
		other := filepath.Join(t.TempDir(), "other")
		k, _ := mustOpen(t, Config{Dir: other, SegmentSize: testSegment})
		mustAppend(t, k, n, func(i int) []byte { return small(i + 1) })
		mustClose(t, k)
		refused("another history", other)
	}

	// Ahead of the anchor is fine, in this segment or many before.
	for _, seq := range []uint64{1, 2, atCopy.Seq, 119} {
		j, _ := mustOpen(t, Config{Dir: cfg.Dir, SegmentSize: testSegment})
		for r, err := range j.Read(seq) {
			if err != nil {
				t.Fatal(err)
			}
			if err := writeAnchor(cfg.Anchor, Head{r.Seq, r.Hash}); err != nil {
				t.Fatal(err)
			}
			break
		}
		mustClose(t, j)
		j, report, err := Open(cfg)
		if err != nil || report.Anchor.Seq != seq {
			t.Fatalf("anchor at %d: %+v, %v", seq, report, err)
		}
		mustClose(t, j)
	}

	// Accepted on purpose.
	if err := os.Remove(cfg.Anchor); err != nil {
		t.Fatal(err)
	}
	j, _ = mustOpen(t, Config{Dir: older, Anchor: cfg.Anchor, SegmentSize: testSegment})
	mustClose(t, j)
	if on, err := readAnchor(cfg.Anchor); err != nil || on != atCopy {
		t.Errorf("the accepted journal's anchor is %+v, %v", on, err)
	}
}

// TestAnchorFlips: a changed anchor refuses, or says the same.
func TestAnchorFlips(t *testing.T) {
	t.Parallel()
	cfg := anchoredConfig(t)
	j, _ := mustOpen(t, cfg)
	mustAppend(t, j, 30, small)
	mustClose(t, j)
	whole, err := os.ReadFile(cfg.Anchor)
	if err != nil {
		t.Fatal(err)
	}
	want, _ := readAnchor(cfg.Anchor)
	for at := range whole {
		for bit := range 8 {
			b := append([]byte{}, whole...)
			b[at] ^= 1 << bit
			if err := os.WriteFile(cfg.Anchor, b, 0o600); err != nil {
				t.Fatal(err)
			}
			j, report, err := open(cfg, memoryDisk())
			if err != nil {
				continue
			}
			mustClose(t, j)
			if report.Anchor != want {
				t.Fatalf("byte %d bit %d: taken as %+v", at, bit, report.Anchor)
			}
		}
	}
}

func TestTornTailBelowAnchor(t *testing.T) {
	t.Parallel()
	cfg := anchoredConfig(t)
	j, _ := mustOpen(t, cfg)
	mustAppend(t, j, 5, small)
	mustClose(t, j)
	path := lastSegment(t, cfg.Dir)
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	end := len(strings.TrimRight(string(b), "\x00"))
	clear(b[end-5:])
	if _, _, err := reopenWith(t, cfg, path, b); !errors.Is(err, ErrDamaged) || !strings.Contains(err.Error(), "offset") {
		t.Fatalf("torn below the anchor: %v", err)
	}
}
