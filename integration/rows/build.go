// Package rows builds the gateway and the scenarios of this module, and runs rows
// of the table of faults with them: see row_test.go.
package rows

import (
	"context"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
)

// tags are those the product is built with.
const tags = "nobadger,nomysql,nopgx"

// Root is the folder of the checkout in which the program was started.
func Root() (string, error) {
	module, err := exec.Command("go", "env", "GOMOD").Output()
	path := strings.TrimSpace(string(module))
	if err != nil || filepath.Base(filepath.Dir(path)) != "integration" {
		return "", fmt.Errorf("start this in the folder integration of a checkout, not in a module at %q (%v)", path, err)
	}
	return filepath.Dir(filepath.Dir(path)), nil
}

// Build tags of the gateway beside those of the product.
const (
	Failpoints   = "failpoints"             // places to be killed at
	AdmissionLog = "tallygate_admissionlog" // every admission, by the gateway's own clock
)

// Gateway builds the gateway of a checkout into a file. overlay is a file for go
// build -overlay, or empty.
//
// What is built is the same for the same code: it does not carry the commit.
func Gateway(ctx context.Context, root, into, overlay string, more ...string) error {
	arguments := []string{"build", "-buildvcs=false", "-tags", strings.Join(append([]string{tags}, more...), ","), "-o", into}
	if overlay != "" {
		arguments = append(arguments, "-overlay", overlay)
	}
	return command(ctx, root, append(arguments, "./cmd/tallygate")...)
}

// Tests builds the scenarios into a file.
func Tests(ctx context.Context, root, into string) error {
	return command(ctx, filepath.Join(root, "integration"), "test", "-c", "-o", into, ".")
}

func command(ctx context.Context, dir string, arguments ...string) error {
	c := exec.CommandContext(ctx, "go", arguments...)
	c.Dir = dir
	if out, err := c.CombinedOutput(); err != nil {
		return fmt.Errorf("go %s: %w\n%s", strings.Join(arguments, " "), err, out)
	}
	return nil
}
