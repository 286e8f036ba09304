package usage

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"path/filepath"
	"slices"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/durable"
	"github.com/tallygate/tallygate/failpoint"
)

// File is a sealed hour in memory, checked as a whole when it was opened. It
// may be read from any number of goroutines.
type File struct {
	info   Info
	shapes []shape
	index  []entry
}

// Write seals an hour: it adds up equal lines, leaves out those without
// calls, and returns when the file in dir, which must exist, is durable. rows
// is sorted in place.
// To seal the same content again is fine and returns the same Info; other
// content for the same node and start is ErrConflict.
func Write(dir string, h Header, rows []account.Count) (Info, error) {
	b, info, err := encode(h, rows)
	if err != nil {
		return Info{}, fmt.Errorf("usage: seal %s: %w", h.Name(), err)
	}
	path := filepath.Join(dir, info.Name)
	old, err := os.ReadFile(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		err = replace(path, b)
	case err == nil && !bytes.Equal(old, b):
		err = fmt.Errorf("%w: compare %s with the journal", ErrConflict, path)
	case err == nil: // whoever put it there may not have made it durable
		err = errors.Join(syncPath(path), durable.SyncDir(dir))
	}
	if err != nil {
		return Info{}, fmt.Errorf("usage: seal %s: %w", info.Name, err)
	}
	return info, nil
}

// replace writes a file that is there as a whole or not at all.
func replace(path string, b []byte) error {
	temp := path + ".tmp"
	f, err := os.OpenFile(temp, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	if err = failpoint.Fail("seal/write"); err == nil {
		_, err = f.Write(b)
	}
	if err == nil {
		err = f.Sync()
	}
	if err == nil {
		failpoint.Synced(f)
		failpoint.Hit("seal/written")
	}
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(temp, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temp))
	}
	failpoint.Hit("seal/renamed")
	return durable.SyncDir(filepath.Dir(path))
}

func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	if err = f.Sync(); err == nil {
		failpoint.Synced(f)
	}
	return errors.Join(err, f.Close())
}

// Open reads a file and checks all of it: magic, name, every CRC, the
// SHA-256, the order of the lines, and the sums.
func Open(path string) (*File, error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("usage: %w", err)
	}
	f, err := decode(b)
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrDamaged, path, err)
	}
	if name := filepath.Base(path); name != f.info.Name {
		return nil, fmt.Errorf("%w: %s: name: the content is that of %s", ErrDamaged, path, f.info.Name)
	}
	return f, nil
}

// Info identifies and totals the file.
func (f *File) Info() Info {
	info := f.info
	info.Header.Operations = slices.Clone(info.Header.Operations)
	return info
}

// Blocks yields the numbers of the blocks that have lines, ascending.
func (f *File) Blocks() iter.Seq[uint32] {
	return func(yield func(uint32) bool) {
		for _, e := range f.index {
			if !yield(e.number) {
				return
			}
		}
	}
}

// Block returns the lines of accounts n*BlockAccounts and on, sorted; nil
// where there are none.
func (f *File) Block(n uint32) []account.Count { return f.AppendBlock(nil, n) }

// AppendBlock appends what Block returns.
func (f *File) AppendBlock(counts []account.Count, n uint32) []account.Count {
	i, ok := slices.BinarySearchFunc(f.index, n, func(e entry, n uint32) int { return int(e.number) - int(n) })
	if !ok {
		return counts
	}
	return f.appendLines(counts, f.index[i])
}

// appendLines decodes a block, which total has found good.
func (f *File) appendLines(counts []account.Count, e entry) []account.Count {
	counts, err := e.appendLines(counts, f.shapes)
	if err != nil {
		panic(fmt.Sprintf("usage: block %d changed after it was checked: %v", e.number, err))
	}
	return counts
}

// All yields every line, sorted.
func (f *File) All() iter.Seq[account.Count] {
	return func(yield func(account.Count) bool) {
		var lines []account.Count
		for _, e := range f.index {
			lines = f.appendLines(lines[:0], e)
			for _, c := range lines {
				if !yield(c) {
					return
				}
			}
		}
	}
}

// total decodes every block.
func (f *File) total() (sum Sum, err error) {
	var lines []account.Count
	for _, e := range f.index {
		if lines, err = e.appendLines(lines[:0], f.shapes); err != nil {
			return sum, fmt.Errorf("block %d: %w", e.number, err)
		}
		for _, c := range lines {
			if err := sum.add(c); err != nil {
				return sum, fmt.Errorf("block %d: %w", e.number, err)
			}
		}
	}
	return sum, nil
}
