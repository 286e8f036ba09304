package money

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/dgraph-io/badger/v4"
	"github.com/dgraph-io/badger/v4/options"
)

// plain is what one would do without a journal: a balance of each account in
// Badger, and for each command a transaction of its own, synced.
type plain struct {
	db       *badger.DB
	accounts int
}

// valueSize is about what an account takes.
const valueSize = 200

// openPlain opens a Badger with the options of the product's ledger.
func openPlain(dir string, accounts int) (*plain, error) {
	db, err := badger.Open(badger.DefaultOptions(dir).WithLogger(nil).WithSyncWrites(true).WithNumVersionsToKeep(1).
		WithValueThreshold(1 << 20).WithMemTableSize(16 << 20).WithNumMemtables(2).WithValueLogFileSize(16 << 20).
		WithCompression(options.None).WithBlockCacheSize(0).WithMetricsEnabled(false))
	if err != nil {
		return nil, err
	}
	p := &plain{db, accounts}
	batch := db.NewWriteBatch()
	defer batch.Cancel()
	for i := range accounts {
		if err := batch.Set(plainKey(i), make([]byte, valueSize)); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	if err := batch.Flush(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return p, nil
}

func plainKey(i int) []byte { return fmt.Appendf(nil, "account-%d", i) }

// topUp adds to a balance at random. Where two meet, one does it again.
func (p *plain) topUp(random *rand.Rand) error {
	key := plainKey(random.IntN(p.accounts))
	for {
		err := p.db.Update(func(txn *badger.Txn) error {
			item, err := txn.Get(key)
			if err != nil {
				return err
			}
			value, err := item.ValueCopy(nil)
			if err != nil {
				return err
			}
			binary.LittleEndian.PutUint64(value, binary.LittleEndian.Uint64(value)+1)
			return txn.Set(key, value)
		})
		if !errors.Is(err, badger.ErrConflict) {
			return err
		}
	}
}
