package integration

import (
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestPlugin builds Caddy with our module as a third party's and lets it check
// the example.
func TestPlugin(t *testing.T) {
	binary := filepath.Join(t.TempDir(), "caddy")
	out, err := exec.Command("go", "build", "-tags", "nobadger,nomysql,nopgx", "-o", binary, "./cmd/plugin").CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	modules, err := exec.Command(binary, "list-modules").Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"tallygate", "http.handlers.meter", "admin.api.tallygate", "http.handlers.reverse_proxy"} {
		if !strings.Contains(string(modules), "\n"+id+"\n") {
			t.Errorf("module %s is missing", id)
		}
	}
	validate := exec.Command(binary, "validate", "--config", "Caddyfile.example", "--adapter", "caddyfile")
	validate.Dir = ".."
	if out, err := validate.CombinedOutput(); err != nil {
		t.Errorf("the example is refused: %v\n%s", err, out)
	}
}
