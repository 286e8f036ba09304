package ledger

import (
	"bytes"
	"encoding/hex"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
)

// earlierMeta is a Meta as the first release wrote it, which knew no extras.
const earlierMeta = "0202696403555344055a6f6e652f01e2090a02020001618084b4ae0d80f8d20180f8d2010103028084b4ae0d04686173683556b400"

var metaBefore = Meta{ID: "id", Currency: "USD", Zone: "Zone/", Test: true, Created: 625, Folded: 10, Accounts: 2, Operations: []string{"", "a"},
	Settled: 1793491200, Policy: account.Policy{Law: account.Law{Grace: 1728000, Retention: 1728000, AllowInGrace: true}, EndOfDay: true, Realtime: true, Purchases: 2},
	Started: 1793491200, Configured: "hash"}

// What an earlier release wrote is read, and is written the same where nothing
// is new.
func TestEarlierMeta(t *testing.T) {
	t.Parallel()
	old, err := hex.DecodeString(earlierMeta)
	if err != nil {
		t.Fatal(err)
	}
	m, err := DecodeMeta(old)
	if err != nil || !reflect.DeepEqual(m, metaBefore) {
		t.Errorf("%+v, %v", m, err)
	}
	if again := AppendMeta(nil, metaBefore); !bytes.Equal(again, old) {
		t.Errorf("%x", again)
	}
}

// An extra of a later release is damage to this one, not silence.
func TestUnknownExtra(t *testing.T) {
	t.Parallel()
	later := subjectOfMeta().encode(nil, func(c *coder) {
		m := metaBefore
		m.Shortfalls = []Shortfall{{Input: 3, Start: 5, Length: 7,
			Shortfall: account.Shortfall{Damaged: 1, PowerLosses: 2, SyncInterval: time.Second, Accounts: []uint32{9}}}}
		m.walk(c)
		c.b = append(c.b, 200, 1)
	})
	if m, err := DecodeMeta(later); !errors.Is(err, ErrDamaged) {
		t.Errorf("%+v, %v", m, err)
	}
}
