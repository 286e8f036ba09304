package harness

import (
	"fmt"
	"math/rand/v2"
	"net"
	"sync"
	"testing"
)

// Ports below the range from which the kernel takes those of outgoing
// connections: none of these can take a port between two runs of a gateway.
const (
	portMin = 12000
	portMax = 32000
)

// taken are the ports this test process gave out.
var taken sync.Map

// freeAddress is a loopback address that nobody listens on, given out once.
func freeAddress(t testing.TB) string {
	t.Helper()
	for range 1000 {
		address := fmt.Sprintf("127.0.0.1:%d", portMin+rand.IntN(portMax-portMin))
		if _, used := taken.LoadOrStore(address, true); used {
			continue
		}
		if listener, err := net.Listen("tcp", address); err == nil {
			listener.Close()
			return address
		}
	}
	t.Fatalf("no free port between %d and %d", portMin, portMax)
	return ""
}

// FreePorts returns loopback addresses for programs that the test starts itself.
func FreePorts(t testing.TB, n int) (addresses []string) {
	for range n {
		addresses = append(addresses, freeAddress(t))
	}
	return addresses
}
