package rating

import (
	"flag"
	"testing"
)

// TestMain checks each property 10,000 times, unless -rapid.checks says otherwise.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "10000"); err != nil {
		panic(err)
	}
	m.Run()
}
