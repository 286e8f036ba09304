package harness

import (
	"bytes"
	"cmp"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Request is a call of the admin API.
type Request struct {
	Method string      // default GET without a body, else POST
	Path   string      // below the admin endpoint, such as /tallygate/accounts
	Header http.Header // such as Idempotency-Key
	Body   any         // sent as JSON; nil sends none
}

// Refused is an answer of 400 or above.
type Refused struct {
	Status int
	Header http.Header
	Body   string
}

func (r *Refused) Error() string { return fmt.Sprintf("status %d: %s", r.Status, r.Body) }

var adminClient = &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}}

// API calls the admin API and decodes its JSON answer into out, unless that is
// nil. The error is a *Refused where the API refused. It is safe for
// concurrent use.
func (g *Gateway) API(request Request, out any) error {
	var body io.Reader
	method := request.Method
	if request.Body != nil {
		encoded, err := json.Marshal(request.Body)
		if err != nil {
			return fmt.Errorf("encoding the body for %s: %w", request.Path, err)
		}
		body = bytes.NewReader(encoded)
		method = cmp.Or(method, http.MethodPost)
	}
	call, err := http.NewRequest(cmp.Or(method, http.MethodGet), "http://"+g.Admin+request.Path, body)
	if err != nil {
		return err
	}
	for name, values := range request.Header {
		call.Header[name] = values
	}
	if body != nil {
		call.Header.Set("Content-Type", "application/json")
	}
	answer, err := send(call)
	if err != nil || out == nil {
		return err
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("decoding the answer of %s: %w: %s", request.Path, err, answer)
	}
	return nil
}

// Reload renders a Caddyfile template, as Config.Caddyfile, and loads it into
// the running process. A refused one is a *Refused; the folder's Caddyfile,
// which the next Start reads, changes with an accepted one only.
func (g *Gateway) Reload(caddyfile string) error {
	text := g.render(caddyfile)
	call, err := http.NewRequest(http.MethodPost, "http://"+g.Admin+"/load", strings.NewReader(text))
	if err != nil {
		return err
	}
	call.Header.Set("Content-Type", "text/caddyfile")
	if _, err := send(call); err != nil {
		return fmt.Errorf("reloading the gateway: %w", err)
	}
	g.write("Caddyfile", text)
	return nil
}

func send(call *http.Request) ([]byte, error) {
	response, err := adminClient.Do(call)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, fmt.Errorf("reading the answer of %s: %w", call.URL.Path, err)
	}
	if response.StatusCode >= 400 {
		return nil, &Refused{response.StatusCode, response.Header, string(body)}
	}
	return body, nil
}
