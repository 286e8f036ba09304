// Package subject runs the gateway that is measured, and asks its admin API.
package subject

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"time"

	"github.com/tallygate/tallygate/integration/process"
)

// startMax bounds how long a gateway may take to serve.
const startMax = 2 * time.Minute

// Gateway is a process of the binary. API may be called concurrently.
type Gateway struct {
	*process.Process
	admin  string
	client *http.Client
}

// Start runs the Caddyfile of a folder, in which its log is kept and what Caddy
// stores for itself, and returns when it serves. It names its admin address, and
// env is more KEY=value for the process.
func Start(binary, dir, admin string, env ...string) (*Gateway, error) {
	cmd := exec.Command(binary, "run", "--config", "Caddyfile", "--adapter", "caddyfile")
	cmd.Dir = dir
	cmd.Env = append(os.Environ(), "HOME="+dir, "XDG_DATA_HOME="+dir, "XDG_CONFIG_HOME="+dir, "XDG_CACHE_HOME="+dir)
	cmd.Env = append(cmd.Env, env...)
	log := filepath.Join(dir, "gateway.log")
	p, err := process.Serve(cmd, log, startMax)
	if err != nil {
		return nil, fmt.Errorf("starting the gateway: %w; its log is %s", err, log)
	}
	g := At(admin)
	g.Process = p
	return g, nil
}

// At is a gateway that somebody else has started.
func At(admin string) *Gateway {
	return &Gateway{admin: admin, client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}}
}

// API calls a path below /tallygate of the admin API, as JSON and under an idempotency
// key of its own. Without in there is no body; out may be nil.
func (g *Gateway) API(ctx context.Context, method, path string, in, out any) error {
	var body io.Reader
	if in != nil {
		b, err := json.Marshal(in)
		if err != nil {
			return err
		}
		body = bytes.NewReader(b)
	}
	req, err := http.NewRequestWithContext(ctx, method, "http://"+g.admin+"/tallygate"+path, body)
	if err != nil {
		return err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Idempotency-Key", rand.Text())
	answer, err := g.ask(req)
	if err != nil || out == nil {
		return err
	}
	return json.Unmarshal(answer, out)
}

// Get asks for any path of the admin endpoint.
func (g *Gateway) Get(ctx context.Context, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+g.admin+path, nil)
	if err != nil {
		return nil, err
	}
	return g.ask(req)
}

func (g *Gateway) ask(req *http.Request) ([]byte, error) {
	resp, err := g.client.Do(req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode >= 300 {
		err = fmt.Errorf("%s: %s: %s", req.URL.Path, resp.Status, answer)
	}
	return answer, err
}
