package power

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	pageSize   = 4096
	sectorSize = 512
)

// regime says which of a file's newer pages were written back: each with a
// probability, of those from lo to hi per mille of its pages.
type regime struct {
	share  float64
	lo, hi int
}

// regime draws one: none, few, half, nearly all, all; a beginning, an end.
func (c *cut) regime() regime {
	r := regime{hi: 1000, share: []float64{0, 0.05, 0.5, 0.95, 1, 1, 1}[c.chance.IntN(7)]}
	if r.share == 1 {
		switch at := c.chance.IntN(1001); c.chance.IntN(3) {
		case 0:
			r.hi = at
		case 1:
			r.lo = at
		}
	}
	return r
}

// file writes a file, or makes a folder, as the cut leaves it.
func (c *cut) file(path, id string) error {
	to := filepath.Join(c.out, path)
	var live []byte
	lives := false
	for name, other := range c.live.Names { // whatever it is called by now
		if other != id {
			continue
		}
		b, err := read(filepath.Join(c.dir, name))
		if errors.Is(err, errFolder) {
			return os.MkdirAll(to, 0o700)
		}
		if err != nil {
			return err
		}
		live, lives = b, true
	}
	durable, err := os.ReadFile(filepath.Join(c.shadow, "content", id))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil && !lives { // a folder that was removed
		return os.MkdirAll(to, 0o700)
	}
	c.report.Files++
	return write(to, c.content(path, durable, live, lives))
}

func (c *cut) content(path string, durable, live []byte, lives bool) []byte {
	name := filepath.Base(path)
	switch {
	case !lives:
		return durable
	case !badger(path):
		return c.mix(durable, live)
	case !c.newer[filepath.Dir(path)] && name == manifest:
		return c.durable.Manifests[path]
	case !c.newer[filepath.Dir(path)] && len(live) == 0: // emptied after the manifest
		return durable
	case c.newer[filepath.Dir(path)] && (name == manifest || name == "KEYREGISTRY" || strings.HasSuffix(name, ".sst")):
		return live
	}
	return c.mix(durable, live)
}

// mix puts newer pages into what is durable.
func (c *cut) mix(durable, live []byte) []byte {
	b := make([]byte, c.size(len(durable), len(live)))
	copy(b, durable)
	var newer []int // offsets
	for at := 0; at < min(len(b), len(live)); at += pageSize {
		if end := min(at+pageSize, len(b), len(live)); !bytes.Equal(b[at:end], live[at:end]) {
			newer = append(newer, at)
		}
	}
	r := c.regime()
	if c.all != nil {
		r = *c.all
	}
	for i, at := range newer {
		if i*1000 < r.lo*len(newer) || i*1000 >= r.hi*len(newer) || c.chance.Float64() >= r.share {
			c.report.Left++
			continue
		}
		c.report.Newer++
		torn := c.chance.IntN(8) == 0
		if torn {
			c.report.Torn++
		}
		for end := min(at+pageSize, len(b), len(live)); at < end; at += sectorSize {
			if !torn || c.chance.IntN(2) == 0 {
				copy(b[at:min(at+sectorSize, end)], live[at:])
			}
		}
	}
	return b
}

// size draws the size that a file has: the old one, the new one, or between.
func (c *cut) size(was, is int) int {
	switch kind := c.chance.IntN(3); {
	case kind == 0:
		return was
	case kind == 1 && is > was:
		return min(is, (was+c.chance.IntN(is-was+1)+pageSize-1)/pageSize*pageSize)
	}
	return is
}
