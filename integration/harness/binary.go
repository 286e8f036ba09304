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

// Binary is the path of the gateway's binary: TALLYGATE_BINARY if it is set,
// else one built from this checkout, once for each test process.
func Binary(t testing.TB) string {
	t.Helper()
	path, err := binary()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

var binary = sync.OnceValues(func() (string, error) {
	if path := os.Getenv("TALLYGATE_BINARY"); path != "" {
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
	build := exec.Command("go", "build", "-tags", "nobadger,nomysql,nopgx", "-o", path, "./cmd/tallygate")
	build.Dir = root
	if out, err := build.CombinedOutput(); err != nil {
		os.RemoveAll(folder)
		return "", fmt.Errorf("building the gateway in %s: %w\n%s", root, err, out)
	}
	built = folder
	return path, nil
})

// built is the folder of the binary that this process built.
var built string

// Main runs a package's tests and removes the binary that was built for them:
//
//	func TestMain(m *testing.M) { harness.Main(m) }
func Main(m *testing.M) {
	code := m.Run()
	if built != "" {
		os.RemoveAll(built)
	}
	os.Exit(code)
}
