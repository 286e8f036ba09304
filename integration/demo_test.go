package integration

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// TestDemo is `make run`: what it prints works when it is pasted, and a second
// run goes on with the same ledger and the same keys.
func TestDemo(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"demo", "sample-upstream"} {
		build := exec.Command("go", "build", "-o", filepath.Join(dir, name), "./cmd/"+name)
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("building %s: %v\n%s", name, err, out)
		}
	}
	ports := harness.FreePorts(t, 3)
	site, admin, upstream := ports[0], ports[1], ports[2]
	moveExample(t, dir, site, admin, upstream)
	run := func() (curls []string, end func()) {
		cmd := exec.Command("./demo", "-gateway", harness.Binary(t), "-upstream", "./sample-upstream", "-config", "Caddyfile",
			"-site", site, "-admin", admin, "-listen", upstream)
		cmd.Dir = dir
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
		return startDemo(t, cmd)
	}

	first, end := run()
	want := []struct{ has string }{{`"tags"`}, {`"Success":true`}, {`"shapes.png"`}, {"429 Too Many Requests"}, {"402 Payment Required"},
		{`"open":1`}, {"closing balance"}, {`"later":{"at":`}, {"customer demo-small has had its trial"}, {`"package":"image-tagging-100k-1y"`}, {`"settled_until"`}}
	if len(first) != len(want) {
		t.Fatalf("%d curl lines, want %d:\n%s", len(first), len(want), strings.Join(first, "\n"))
	}
	for i, line := range first {
		if out := paste(t, dir, line); !strings.Contains(out, want[i].has) {
			t.Errorf("%s\nprinted no %s but\n%s", line, want[i].has, out)
		}
	}
	end()

	second, end := run()
	defer end()
	if strings.Join(second, "\n") != strings.Join(first, "\n") {
		t.Errorf("the second run prints other lines:\n%s", strings.Join(second, "\n"))
	}
	if out := paste(t, dir, second[5]); !strings.Contains(out, `"settled":1`) {
		t.Errorf("the call of the first run is not in the ledger of the second: %s", out)
	}
}

// moveExample writes the example's Caddyfile with other ports, and its prices.
func moveExample(t *testing.T, dir, site, admin, upstream string) {
	t.Helper()
	example, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	text := string(example)
	for old, new := range map[string]string{"127.0.0.1:8080": site, "localhost:2019": admin, "127.0.0.1:9000": upstream} {
		if !strings.Contains(text, old) {
			t.Fatalf("Caddyfile.example has no %s", old)
		}
		text = strings.ReplaceAll(text, old, new)
	}
	prices, err := os.ReadFile("../pricebook.yaml")
	if err != nil {
		t.Fatal(err)
	}
	for name, data := range map[string][]byte{"Caddyfile": []byte(text), "pricebook.yaml": prices} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// startDemo returns the curl lines that the demo prints, and what ends it.
func startDemo(t *testing.T, cmd *exec.Cmd) (curls []string, end func()) {
	t.Helper()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	var errors bytes.Buffer
	cmd.Stderr = &errors
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	end = func() {
		cmd.Process.Signal(os.Interrupt)
		for lines := bufio.NewScanner(out); lines.Scan(); {
		}
		if err := cmd.Wait(); err != nil {
			t.Errorf("the demo ended with %v\n%s", err, errors.String())
		}
	}
	lines := bufio.NewScanner(out)
	for lines.Scan() {
		if strings.HasPrefix(lines.Text(), "curl ") {
			curls = append(curls, lines.Text())
		}
		if strings.HasPrefix(lines.Text(), "Ctrl-C") {
			return curls, end
		}
	}
	log, _ := os.ReadFile(filepath.Join(cmd.Dir, "data", "gateway.log"))
	t.Fatalf("the demo ended by itself: %v\n%s\n%s", cmd.Wait(), errors.String(), log)
	return nil, nil
}

// paste runs a line as a person would.
func paste(t *testing.T, dir, line string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, "sh", "-c", line)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Sprintf("%v: %s", err, out)
	}
	return string(out)
}
