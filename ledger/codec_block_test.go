package ledger

import (
	"bytes"
	"testing"

	"github.com/tallygate/tallygate/account"
)

// TestDecodedAccountsAreApart: what is appended to a list of an account does not
// reach into another's, although they stand in one slab.
func TestDecodedAccountsAreApart(t *testing.T) {
	t.Parallel()
	value := AppendBlock(nil, busyBlock(7))
	b, err := DecodeBlock(7, value)
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range b.Accounts {
		_ = append(a.Months, account.OpenMonth{})
		_ = append(a.Usage, account.OperationUsage{})
		_ = append(a.Packages, account.BoughtPackage{})
		_ = append(a.Subscriptions, account.BoughtSubscription{})
		_ = append(a.Instances, account.Instance{})
		_ = append(a.Rows, account.OwnRow{})
		_ = append(a.Keys, account.Key{})
	}
	if !bytes.Equal(AppendBlock(nil, b), value) {
		t.Fatal("an append has changed another account")
	}
}

// TestDecodeBlockAllocates: a start decodes every block there is. It is serial,
// since it counts what everything allocates.
func TestDecodeBlockAllocates(t *testing.T) {
	value := AppendBlock(nil, busyBlock(7))
	if n := testing.AllocsPerRun(10, func() { DecodeBlock(7, value) }); n > 20 {
		t.Fatalf("%.0f allocations for a block", n)
	}
}
