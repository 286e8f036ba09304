package intent

import (
	"errors"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"github.com/tallygate/tallygate/account"
)

// TestSyncThatFailsWhileTheFileGrows takes with it what others have written: the
// kernel tells of it once, so they write the file anew.
func TestSyncThatFailsWhileTheFileGrows(t *testing.T) {
	t.Parallel()
	for _, during := range []bool{false, true} { // another's sync
		l, _ := open(t, filepath.Join(t.TempDir(), "intents"))
		must[uint64](t)(l.Begin(change(1, account.ImageAdded), false))
		_, number, err := l.begin(entry{change(2, account.ImageAdded), false})
		if err != nil {
			t.Fatal(err)
		}
		l.room = l.size
		before := l.file
		grow := func() {
			l.fsync = func(*os.File) error { return syscall.EIO }
			if _, _, err := l.begin(entry{change(3, account.ImageAdded), false}); !errors.Is(err, syscall.EIO) {
				t.Error(err)
			}
			l.fsync = (*os.File).Sync
		}
		if during {
			l.fsync = func(f *os.File) error { grow(); return f.Sync() }
		} else {
			grow()
		}
		if err := l.sync(number); err != nil {
			t.Fatal(err)
		}
		if l.file == before || l.stale {
			t.Errorf("during a sync %t: the file was not written anew", during)
		}
	}
}
