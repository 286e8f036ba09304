package harness_test

import (
	"errors"
	"io"
	"net/http"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/tallygate/tallygate/integration/harness"
)

func TestMain(m *testing.M) { harness.Main(m) }

const greets = `{
	{{.Options}}
}
http://{{.HTTP}} {
	respond "{{.Vars.greeting}}"
}
`

func get(t *testing.T, g *harness.Gateway) string {
	t.Helper()
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Get(g.URL())
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

func TestLifecycle(t *testing.T) {
	t.Parallel()
	g := harness.Run(t, harness.Config{
		Caddyfile: greets, Vars: map[string]any{"greeting": "hello"}, Files: map[string]string{"sub/book.yaml": "a: 1\n"},
	})
	if text, err := os.ReadFile(g.Dir + "/sub/book.yaml"); err != nil || string(text) != "a: 1\n" {
		t.Errorf("file: %q %v", text, err)
	}
	if got := get(t, g); got != "hello" {
		t.Errorf("started: %q", got)
	}
	if err := g.Start(); err == nil {
		t.Error("a second process started beside the first")
	}
	first := g.PID()
	g.Kill()
	if err := syscall.Kill(first, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("process %d after Kill: %v", first, err)
	}
	if _, err := http.Get(g.URL()); err == nil {
		t.Error("the killed gateway answers")
	}
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, g); got != "hello" || g.PID() == first {
		t.Errorf("restarted: %q, process %d after %d", got, g.PID(), first)
	}
	if err := g.Stop(); err != nil || g.PID() != 0 {
		t.Errorf("stop: %v, process %d", err, g.PID())
	}
}

func TestReload(t *testing.T) {
	t.Parallel()
	g := harness.Run(t, harness.Config{Caddyfile: greets, Vars: map[string]any{"greeting": "hello"}})
	changed := strings.Replace(greets, "{{.Vars.greeting}}", "changed", 1)
	if err := g.Reload(changed); err != nil {
		t.Fatal(err)
	}
	var refused *harness.Refused
	if err := g.Reload(strings.Replace(greets, "respond", "no_such_directive", 1)); !errors.As(err, &refused) || refused.Status != http.StatusBadRequest {
		t.Errorf("a bad configuration: %v", err)
	}
	if got := get(t, g); got != "changed" {
		t.Errorf("after reloads: %q", got)
	}
	g.Kill()
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	if got := get(t, g); got != "changed" {
		t.Errorf("restarted after a reload: %q", got)
	}
}

func TestAPI(t *testing.T) {
	t.Parallel()
	g := harness.Run(t, harness.Config{Caddyfile: greets, Vars: map[string]any{"greeting": "hello"}})
	var listen string
	if err := g.API(harness.Request{Path: "/config/admin/listen"}, &listen); err != nil || listen != g.Admin {
		t.Errorf("get: %q %v, want %s", listen, err, g.Admin)
	}
	if err := g.API(harness.Request{Method: http.MethodPatch, Path: "/config/logging", Body: 1}, nil); err == nil {
		t.Error("a bad change was accepted")
	}
	var refused *harness.Refused
	if err := g.API(harness.Request{Path: "/no/such"}, nil); !errors.As(err, &refused) || refused.Status != http.StatusNotFound {
		t.Errorf("no such path: %v", err)
	}
}

func TestStartReportsWhyItFailed(t *testing.T) {
	t.Parallel()
	g := harness.New(t, harness.Config{Caddyfile: strings.Replace(greets, "respond", "no_such_directive", 1), Vars: map[string]any{"greeting": ""}})
	if err := g.Start(); err == nil || !strings.Contains(err.Error(), "no_such_directive") || g.PID() != 0 {
		t.Errorf("start: %v, process %d", err, g.PID())
	}
	if out, err := g.Command("version"); err != nil || strings.TrimSpace(out) == "" {
		t.Errorf("version: %q %v", out, err)
	}
}
