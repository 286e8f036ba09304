package badgerstore

import (
	"testing"

	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/ledgertest"
)

func open(dir string) (ledger.Store, error) { return Open(Config{Dir: dir}) }

func TestMain(m *testing.M) { ledgertest.Main(m, open) }

func TestConformance(t *testing.T) {
	t.Parallel()
	ledgertest.Run(t, open)
}

func TestKill(t *testing.T) {
	ledgertest.Kill(t, 25, open)
}
