package harness

import (
	"testing"

	"github.com/tallygate/tallygate/integration/process"
)

// freeAddress is a loopback address that nobody listens on, given out once.
func freeAddress(t testing.TB) string {
	t.Helper()
	address, err := process.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return address
}

// FreePorts returns loopback addresses for programs that the test starts itself.
func FreePorts(t testing.TB, n int) (addresses []string) {
	for range n {
		addresses = append(addresses, freeAddress(t))
	}
	return addresses
}
