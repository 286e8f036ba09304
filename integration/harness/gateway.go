// Package harness runs the gateway's real binary for whole-binary tests: it
// writes the configuration, starts the process, kills and restarts it on the
// same folder, and talks to its admin API.
//
//	g := harness.Run(t, harness.Config{Caddyfile: caddyfile, Upstream: up.URL()})
//	http.Post(g.URL()+"/v2/p/image/tagging", …)
//	g.Kill()
//	err := g.Start()
//
// It runs on Linux only: the kernel is asked to end the gateway with the test
// process, however that ends.
package harness

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"text/template"
	"time"

	"github.com/tallygate/tallygate/integration/process"
)

// Config is what a gateway is started with.
type Config struct {
	// Caddyfile is a text/template over Scene. Its global options must hold
	// {{.Options}}, and its site is http://{{.HTTP}}.
	Caddyfile string
	Upstream  string            // address for {{.Upstream}}, such as http://127.0.0.1:9000
	Vars      map[string]any    // for {{.Vars.name}}
	Files     map[string]string // more files by their path below the folder, such as a price book
	Env       []string          // more KEY=value for the process
	Binary    string            // default Binary(t)
}

// Scene is what a Caddyfile template sees.
type Scene struct {
	HTTP     string // host:port to serve on
	Admin    string // host:port of the admin endpoint
	Dir      string // the gateway's folder, also its working directory
	Upstream string
	Vars     map[string]any
}

// Options are global options that keep a gateway under test on loopback: its
// admin endpoint, every site, and no certificates to ask anyone for.
func (s Scene) Options() string {
	return fmt.Sprintf("admin %s\n\tauto_https off\n\tdefault_bind 127.0.0.1", s.Admin)
}

// Gateway is one gateway on one folder and one pair of ports, through any
// number of processes. Its methods are for one goroutine.
type Gateway struct {
	Scene
	t       testing.TB
	config  Config
	process *process.Process
}

// startMax and stopMax bound how long a process may take to serve, and to end.
const (
	startMax = 60 * time.Second
	stopMax  = 60 * time.Second
)

// New prepares a gateway without starting it. At the end of the test its
// process is killed and, if the test failed, the end of its log is printed.
func New(t testing.TB, config Config) *Gateway {
	t.Helper()
	if config.Binary == "" {
		config.Binary = Binary(t)
	}
	g := &Gateway{t: t, config: config, Scene: Scene{
		HTTP: freeAddress(t), Admin: freeAddress(t), Dir: t.TempDir(), Upstream: config.Upstream, Vars: config.Vars,
	}}
	for name, text := range config.Files {
		g.write(name, text)
	}
	g.write("Caddyfile", g.render(config.Caddyfile))
	t.Cleanup(func() {
		g.Kill()
		if t.Failed() {
			t.Logf("end of the gateway's log:\n%s", tail(g.Log(), 200))
		}
	})
	return g
}

// Run is New and Start, and fails the test if the gateway does not come up.
func Run(t testing.TB, config Config) *Gateway {
	t.Helper()
	g := New(t, config)
	if err := g.Start(); err != nil {
		t.Fatal(err)
	}
	return g
}

// URL is the base address of the gateway's site.
func (g *Gateway) URL() string { return "http://" + g.HTTP }

// Start runs a process on the folder and returns when it serves; if it ends
// first, the error has the end of its log.
func (g *Gateway) Start() error {
	if g.process != nil {
		return fmt.Errorf("starting the gateway: process %d runs", g.process.PID)
	}
	return g.run(startMax)
}

// Interrupt starts a process and kills it after a while, whether it served by
// then or not: a crash during recovery. It fails if the process ends by itself.
func (g *Gateway) Interrupt(after time.Duration) error {
	if g.process != nil {
		return fmt.Errorf("starting the gateway: process %d runs", g.process.PID)
	}
	began := time.Now()
	switch err := g.run(after); {
	case errors.Is(err, process.ErrPatience):
		return nil
	case err != nil:
		return err
	}
	select {
	case <-g.process.Ended():
		return fmt.Errorf("the gateway ended: %w", g.process.Failure())
	case <-time.After(after - time.Since(began)):
	}
	g.Kill()
	return nil
}

func (g *Gateway) run(patience time.Duration) error {
	before := len(g.Log())
	p, err := process.Serve(g.command("run", "--config", "Caddyfile", "--adapter", "caddyfile"), g.path("gateway.log"), patience)
	if err != nil {
		return fmt.Errorf("starting the gateway: %w\n%s", err, tail(g.Log()[before:], 50))
	}
	g.process = p
	return nil
}

// Kill sends SIGKILL, as a crash does, and waits for the end. It does nothing
// to a gateway that does not run.
func (g *Gateway) Kill() {
	if g.process != nil {
		g.process.Kill()
		g.process = nil
	}
}

// Stop sends SIGTERM and waits. It fails if the process ends with an error, or
// has to be killed.
func (g *Gateway) Stop() error {
	if g.process == nil {
		return fmt.Errorf("stopping the gateway: it does not run")
	}
	err := g.process.Stop(stopMax)
	g.process = nil
	return err
}

// PID is the process id, 0 if the gateway does not run.
func (g *Gateway) PID() int {
	if g.process == nil {
		return 0
	}
	return g.process.PID
}

// Exited is closed when the running process has ended by itself.
func (g *Gateway) Exited() <-chan struct{} {
	if g.process == nil {
		g.t.Fatal("Exited: the gateway does not run")
	}
	return g.process.Ended()
}

// Failure is why the process that has Exited did so.
func (g *Gateway) Failure() error { return g.process.Failure() }

// Command runs the binary with other arguments in the gateway's folder, and
// gives its output and error output in one.
func (g *Gateway) Command(arguments ...string) (string, error) {
	out, err := g.command(arguments...).CombinedOutput()
	return string(out), err
}

// WithEnv is the gateway for Command with more KEY=value in its environment.
func (g *Gateway) WithEnv(env ...string) *Gateway {
	with := *g
	with.config.Env = append(slices.Clone(g.config.Env), env...)
	return &with
}

// Log is what all processes on this folder wrote so far.
func (g *Gateway) Log() string {
	text, err := os.ReadFile(g.path("gateway.log"))
	if err != nil && !os.IsNotExist(err) {
		g.t.Errorf("reading the gateway's log: %v", err)
	}
	return string(text)
}

// command keeps what Caddy stores for itself inside the folder.
func (g *Gateway) command(arguments ...string) *exec.Cmd {
	cmd := exec.Command(g.config.Binary, arguments...)
	cmd.Dir = g.Dir
	cmd.Env = append(os.Environ(), "HOME="+g.Dir, "XDG_DATA_HOME="+g.path("caddy-data"),
		"XDG_CONFIG_HOME="+g.path("caddy-config"), "XDG_CACHE_HOME="+g.path("caddy-cache"))
	cmd.Env = append(cmd.Env, g.config.Env...)
	return cmd
}

func (g *Gateway) path(name string) string { return filepath.Join(g.Dir, name) }

func (g *Gateway) write(name, text string) {
	g.t.Helper()
	if err := os.MkdirAll(filepath.Dir(g.path(name)), 0o755); err != nil {
		g.t.Fatal(err)
	}
	if err := os.WriteFile(g.path(name), []byte(text), 0o644); err != nil {
		g.t.Fatal(err)
	}
}

func (g *Gateway) render(caddyfile string) string {
	g.t.Helper()
	parsed, err := template.New("Caddyfile").Option("missingkey=error").Parse(caddyfile)
	if err != nil {
		g.t.Fatal(err)
	}
	var text bytes.Buffer
	if err := parsed.Execute(&text, g.Scene); err != nil {
		g.t.Fatal(err)
	}
	if !strings.Contains(text.String(), g.Options()) {
		g.t.Fatal("the Caddyfile's global options lack {{.Options}}, which keeps the gateway on loopback")
	}
	return text.String()
}

func tail(text string, lines int) string {
	all := strings.SplitAfter(text, "\n")
	return strings.Join(all[max(0, len(all)-lines):], "")
}
