// Package ledgertest checks that a backend keeps every promise of package
// ledger. A backend's own test is
//
//	func TestMain(m *testing.M)          { ledgertest.Main(m, open) }
//	func TestConformance(t *testing.T)   { ledgertest.Run(t, open) }
//	func TestKill(t *testing.T)          { ledgertest.Kill(t, 20, open) }
//
// with an open that makes or reopens the ledger in a folder.
package ledgertest

import (
	"testing"

	"github.com/tallygate/tallygate/ledger"
)

// Open makes or reopens the ledger in a folder.
type Open func(dir string) (ledger.Store, error)

// Run runs the suite, each case on ledgers of its own.
func Run(t *testing.T, open Open) {
	for _, c := range []struct {
		name string
		run  func(*bench)
	}{
		{"empty ledger", emptyLedger},
		{"history", history},
		{"history with reopening", historyWithReopening},
		{"repeated steps change nothing", repeatedSteps},
		{"stale step changes nothing", staleStep},
		{"equal folded is no going back", equalFolded},
		{"keys move and go", keysMoveAndGo},
		{"hours are ordered and half-open", hoursInOrder},
		{"blocks are ordered", blocksInOrder},
		{"movements are ordered", movementsInOrder},
		{"events are ordered", eventsInOrder},
		{"statements are ordered", statementsInOrder},
		{"a deleted product hides its pictures", deletedProducts},
		{"pictures while products are deleted", picturesWhileProductsGo},
		{"iteration stops and commits inside", iterationAndCommit},
		{"reads see whole steps", readsBesideCommits},
		{"commits at once", commitsAtOnce},
		{"values are the caller's", nothingShared},
		{"large step", largeStep},
		{"closed", closedLedger},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			b := &bench{T: t, open: open, dir: t.TempDir()}
			b.reopen()
			defer func() {
				if b.store != nil {
					b.must(b.store.Close())
				}
			}()
			c.run(b)
		})
	}
}

// bench is a ledger under test.
type bench struct {
	*testing.T
	open  Open
	dir   string
	store ledger.Store
}

func (b *bench) must(err error) {
	b.Helper()
	if err != nil {
		b.Fatal(err)
	}
}

func (b *bench) commit(s ledger.Step) {
	b.Helper()
	b.must(b.store.Commit(s))
}

// reopen closes the ledger, where it is open, and opens it.
func (b *bench) reopen() {
	b.Helper()
	if b.store != nil {
		b.must(b.store.Close())
	}
	b.store = nil
	s, err := b.open(b.dir)
	b.must(err)
	b.store = s
}

// holds fails unless the ledger holds exactly what the model does.
func (b *bench) holds(m *model) {
	b.Helper()
	b.must(m.compare(b.store))
}
