package billing

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/account"
)

// TestBlocksStayWithinAValue of the store: a larger one could not be folded, and
// all commands would be refused for good.
func TestBlocksStayWithinAValue(t *testing.T) {
	old := blockBytes
	blockBytes = 20_000
	t.Cleanup(func() { blockBytes = old })
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	r.createMany(t, 3)
	var err error
	added := 0
	for n := 0; err == nil && n < 200; n++ {
		_, err = r.Do(Request{Account: fmt.Sprintf("a%d", n%3), Command: &account.AddKey{Key: fmt.Sprint(n), Kind: account.SecretKey,
			Hash: fmt.Sprintf("%064x", n+1), Label: strings.Repeat("é", 100)}})
		added = n
	}
	var no *account.Error
	if !errors.As(err, &no) || no.Why != account.Conflict || added < 20 {
		t.Fatalf("after %d keys: %v", added, err)
	}
	r.must(t, "a1", &account.TopUp{Amount: "5.00", Reference: "r"}) // what does not grow goes on
	r.must(t, "a1", &account.RevokeKey{Key: "1"})
	r.must(t, "a1", &account.BuyPackage{Package: "tagging-50"})
	r.survives(t)
}
