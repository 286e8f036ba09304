// The scenarios of this package run the gateway's real binary between the
// vendors' clients and a sample of their services, and hold what it counted,
// charged and refused against what both ends saw.
package integration

import (
	"testing"

	"github.com/tallygate/tallygate/integration/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }
