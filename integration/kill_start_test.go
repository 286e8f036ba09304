package integration

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/tallygate/tallygate/integration/harness"
)

// TestStartAfterKillWhileALogBegins: a kill may come between the creation of a
// log of the database and its first byte. The next start must pass over it.
func TestStartAfterKillWhileALogBegins(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"00099.mem", "000099.vlog"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := newRig(t, harness.Config{}, nil)
			r.start()
			r.open("acme", "10.00")
			r.Kill()
			if err := os.WriteFile(filepath.Join(r.Dir, "ledger", "badger", name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
			r.start()
			if balance := r.usage("acme").Balance; balance != "10.00" {
				t.Errorf("balance %s after the start", balance)
			}
		})
	}
}
