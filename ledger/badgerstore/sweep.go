package badgerstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
)

// sweep removes the logs that a kill left between their creation and their first
// byte. They hold nothing, and Badger refuses to open them ("Create a new file").
func sweep(dir string) error {
	logs, err := glob(dir, "*.mem", "*.vlog")
	if err != nil {
		return err
	}
	for _, path := range logs {
		info, err := os.Stat(path)
		if err == nil && info.Size() == 0 {
			err = os.Remove(path)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return fmt.Errorf("removing an empty log: %w", err)
		}
	}
	return nil
}
