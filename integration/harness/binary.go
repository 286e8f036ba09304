package harness

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// tags are those the product is built with.
const tags = "nobadger,nomysql,nopgx"

// Binary is the path of the gateway's binary: TALLYGATE_BINARY if it is set,
// else one built from this checkout, once for each test process.
func Binary(t testing.TB) string {
	t.Helper()
	return path(t, binary)
}

// AdmissionLogBinary is like Binary, for a build that writes every admission to
// the file that the gateway's environment names in TALLYGATE_ADMISSION_LOG, by
// the gateway's own clock. TALLYGATE_ADMISSION_BINARY replaces it.
func AdmissionLogBinary(t testing.TB) string {
	t.Helper()
	return path(t, admissionLogBinary)
}

// FailpointBinary is like Binary, for a build that can be killed, or whose disk
// can fail, at named places: see package failpoint. TALLYGATE_FAILPOINT_BINARY
// replaces it.
func FailpointBinary(t testing.TB) string {
	t.Helper()
	return path(t, failpointBinary)
}

func path(t testing.TB, of func() (string, error)) string {
	t.Helper()
	path, err := of()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var (
	binary = sync.OnceValues(func() (string, error) {
		return build("TALLYGATE_BINARY", tags)
	})
	admissionLogBinary = sync.OnceValues(func() (string, error) {
		return build("TALLYGATE_ADMISSION_BINARY", tags+",tallygate_admissionlog")
	})
	failpointBinary = sync.OnceValues(func() (string, error) {
		return build("TALLYGATE_FAILPOINT_BINARY", tags+",failpoints")
	})
)

// build makes a binary of the checkout, unless the environment names one.
func build(instead, tags string) (string, error) {
	if path := os.Getenv(instead); path != "" {
		return filepath.Abs(path)
	}
	module, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		return "", fmt.Errorf("finding the checkout: %w", err)
	}
	root := filepath.Dir(filepath.Dir(strings.TrimSpace(string(module))))
	folder, err := os.MkdirTemp("", "tallygate-binary-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(folder, "tallygate")
	compile := exec.Command("go", "build", "-tags", tags, "-o", path, "./cmd/tallygate")
	compile.Dir = root
	if out, err := compile.CombinedOutput(); err != nil {
		os.RemoveAll(folder)
		return "", fmt.Errorf("building the gateway in %s: %w\n%s", root, err, out)
	}
	built.Lock()
	built.folders = append(built.folders, folder)
	built.Unlock()
	return path, nil
}

// built are the folders of the binaries that this process built.
var built struct {
	sync.Mutex
	folders []string
}

// Main runs a package's tests and removes the binaries that were built for them:
//
//	func TestMain(m *testing.M) { harness.Main(m) }
func Main(m *testing.M) {
	code := m.Run()
	for _, folder := range built.folders {
		os.RemoveAll(folder)
	}
	os.Exit(code)
}
