package usage

import (
	"crypto/sha256"
	"fmt"
	"path/filepath"

	"github.com/tallygate/tallygate/account"
)

// Parse checks the content of a file as Open does.
func Parse(name string, b []byte) (Info, error) {
	f, err := decode(b)
	if err != nil {
		return Info{}, fmt.Errorf("%w: %s: %w", ErrDamaged, name, err)
	}
	if name != f.info.Name {
		return Info{}, fmt.Errorf("%w: %s: name: the content is that of %s", ErrDamaged, name, f.info.Name)
	}
	return f.info, nil
}

// Encode gives the bytes that Write would write. rows is sorted in place.
func Encode(h Header, rows []account.Count) ([]byte, Info, error) { return encode(h, rows) }

// Put writes content that was a file's before, durably, over whatever has its
// name in dir.
func Put(dir, name string, b []byte) error {
	if _, err := Parse(name, b); err != nil {
		return err
	}
	if err := replace(filepath.Join(dir, name), b); err != nil {
		return fmt.Errorf("usage: write %s: %w", name, err)
	}
	return nil
}

// Hash is what the journal names a file by.
func Hash(b []byte) [32]byte { return sha256.Sum256(b) }
