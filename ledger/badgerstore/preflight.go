package badgerstore

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
	"github.com/dgraph-io/badger/v4/table"
	"github.com/dgraph-io/ristretto/v2/z"

	"github.com/tallygate/tallygate/ledger"
)

// What Badger does with damaged files as it opens them cannot be taken back: it
// panics in goroutines of its own, leaves a table out, deletes those that a cut
// MANIFEST does not name, and its compaction copies what it can still read of a
// table, as if that were all. So the files are looked at before it sees them.

// tableFile is a table that the MANIFEST names.
type tableFile struct {
	id   uint64
	path string
	size int64
}

// preflight looks at a folder that Badger is about to open. It returns the
// tables, newest first.
func preflight(cfg Config) ([]tableFile, error) {
	if err := sweep(cfg.Dir); err != nil {
		return nil, err
	}
	tables, err := manifest(cfg)
	if err != nil {
		return nil, err
	}
	logs, err := glob(cfg.Dir, "*.mem", "*.vlog")
	if err != nil {
		return nil, err
	}
	for _, path := range logs {
		if err := boundLog(path); err != nil {
			return nil, err
		}
	}
	return tables, nil
}

func glob(dir string, patterns ...string) (paths []string, err error) {
	for _, pattern := range patterns {
		some, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return nil, err
		}
		paths = append(paths, some...)
	}
	return paths, nil
}

// manifest reads which tables there are. A MANIFEST is the first thing that
// Badger makes in a folder.
func manifest(cfg Config) (tables []tableFile, err error) {
	f, err := os.Open(filepath.Join(cfg.Dir, badger.ManifestFilename))
	if errors.Is(err, fs.ErrNotExist) {
		if left, err := glob(cfg.Dir, "*.sst", "*.mem", "*.vlog"); err != nil || len(left) > 0 {
			return nil, cmp.Or(err, fmt.Errorf("%w: %s has no MANIFEST and %d files that it must name", ledger.ErrDamaged, cfg.Dir, len(left)))
		}
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	defer caught(&err)
	m, _, err := badger.ReplayManifestFile(f, 0, badgerOptions(cfg))
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ledger.ErrDamaged, f.Name(), err)
	}
	for id := range m.Tables {
		t := tableFile{id: id, path: table.NewFilename(id, cfg.Dir)}
		info, err := os.Stat(t.path)
		if err != nil {
			return nil, fmt.Errorf("%w: a table is missing: %w", ledger.ErrDamaged, err)
		}
		t.size = info.Size()
		tables = append(tables, t)
	}
	slices.SortFunc(tables, func(a, b tableFile) int { return cmp.Compare(b.id, a.id) })
	return tables, nil
}

// verifyFirst verifies tables up to so many bytes and the indexes of the others,
// which Badger reads as it opens. It returns those others.
func verifyFirst(tables []tableFile, bytes int64) (later []tableFile, err error) {
	for i, t := range tables {
		if bytes -= t.size; bytes < 0 && later == nil {
			later = tables[i:]
		}
		if err := t.verify(later == nil); err != nil {
			return nil, err
		}
	}
	return later, nil
}

// verify reads a table and holds every byte of it against its checksum, or its
// index only.
func (t tableFile) verify(whole bool) (err error) {
	defer func() {
		if err != nil {
			err = fmt.Errorf("%w: table %s: %w", ledger.ErrDamaged, t.path, err)
		}
	}()
	defer caught(&err)
	f, err := z.OpenMmapFile(t.path, os.O_RDONLY, 0)
	if err != nil {
		return err
	}
	opened, err := table.OpenTable(f, table.Options{ReadOnly: true, ChkMode: options.NoVerification, Compression: options.None})
	if err != nil {
		return err
	}
	defer opened.Close(-1)
	if whole {
		return opened.VerifyChecksum()
	}
	return nil
}
