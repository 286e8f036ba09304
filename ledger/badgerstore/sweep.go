package badgerstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// sweep removes the logs that a kill left between their creation and their first
// byte. They hold nothing, and Badger refuses to open them ("Create a new file").
func sweep(dir string) error {
	for _, pattern := range []string{"*.mem", "*.vlog"} {
		logs, err := filepath.Glob(filepath.Join(dir, pattern))
		if err != nil {
			return fmt.Errorf("ledger: %w", err)
		}
		for _, path := range logs {
			info, err := os.Stat(path)
			if err == nil && info.Size() == 0 {
				err = os.Remove(path)
			}
			if err != nil && !errors.Is(err, fs.ErrNotExist) {
				return fmt.Errorf("ledger: removing an empty log: %w", err)
			}
		}
	}
	return nil
}
