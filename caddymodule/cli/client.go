package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"

	"github.com/tallygate/tallygate/web"
)

// client talks to the admin endpoint of one gateway.
type client struct {
	address string
	base    string // of URLs
	origin  string // what Caddy's admin endpoint wants to see; nothing on a socket
	token   string // of a role, "" = none
	http    *http.Client
}

// newClient takes an address as Caddy writes it; "" is Caddy's default.
func newClient(address string) (client, error) {
	address = cmp.Or(address, caddy.DefaultAdminListen)
	parsed, err := caddy.ParseNetworkAddress(address)
	if err != nil || parsed.PortRangeSize() > 1 {
		return client{}, fmt.Errorf("--address %q: write host:port or unix//path", address)
	}
	target := parsed.JoinHostPort(0)
	c := client{address: address, base: "http://" + target, origin: "http://" + target}
	if parsed.IsUnixNetwork() {
		c.base, c.origin = "http://127.0.0.1", ""
		target, _, _ = strings.Cut(parsed.Host, "|") // the socket's permissions
	}
	dial := func(ctx context.Context, _, _ string) (net.Conn, error) {
		return new(net.Dialer).DialContext(ctx, parsed.Network, target)
	}
	c.http = &http.Client{Transport: &http.Transport{DialContext: dial}}
	return c, nil
}

// request is a call of the API.
type request struct {
	method, path string // below /tallygate
	key          string // the idempotency key, "" = none
	body         any    // sent as JSON; nil sends none

	stream     io.Reader // sent as it is, instead of body
	streamType string
}

// reply is an answer below 400.
type reply struct {
	text     []byte
	replayed bool
}

func (r reply) decode(into any) error {
	if err := json.Unmarshal(r.text, into); err != nil {
		return fmt.Errorf("the gateway's answer is not what this release expects: %w", err)
	}
	return nil
}

// send carries out a request. The error is a *web.Problem's words, or says
// whether something may have happened.
func (c client) send(ctx context.Context, r request) (reply, error) {
	response, err := c.open(ctx, r)
	if err != nil {
		return reply{}, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return reply{}, c.unanswered(r, err)
	}
	return reply{text, response.Header.Get("Idempotent-Replayed") != ""}, nil
}

// open is send for an answer that comes bit by bit: the caller reads and closes
// it.
func (c client) open(ctx context.Context, r request) (*http.Response, error) {
	call, err := c.build(ctx, r)
	if err != nil {
		return nil, err
	}
	response, err := c.http.Do(call)
	if err != nil {
		return nil, c.unanswered(r, err)
	}
	if response.StatusCode < 400 {
		return response, nil
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, c.unanswered(r, err)
	}
	return nil, refused(response, text)
}

func (c client) build(ctx context.Context, r request) (*http.Request, error) {
	if ctx == nil {
		ctx = context.Background()
	}
	var body io.Reader
	if r.body != nil {
		text, err := json.Marshal(r.body)
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(text)
	}
	if r.stream != nil {
		body = r.stream
	}
	call, err := http.NewRequestWithContext(ctx, r.method, c.base+web.Root+r.path, body)
	if err != nil {
		return nil, err
	}
	if c.origin != "" {
		call.Header.Set("Origin", c.origin)
	}
	if body != nil {
		call.Header.Set("Content-Type", cmp.Or(r.streamType, "application/json"))
	}
	if c.token != "" {
		call.Header.Set("Authorization", "Bearer "+c.token)
	}
	if r.key != "" {
		call.Header.Set("Idempotency-Key", r.key)
	}
	return call, nil
}

// unanswered tells a gateway that is not there from one that may have acted.
func (c client) unanswered(r request, err error) error {
	var op *net.OpError
	if errors.As(err, &op) && op.Op == "dial" {
		return fmt.Errorf("nothing answers at %s: is the gateway running? Start it with \"tallygate run\", or say where it is with --address (%w)", c.address, op)
	}
	if r.key == "" {
		return fmt.Errorf("the gateway at %s did not answer: %w", c.address, err)
	}
	return fmt.Errorf("the connection to %s was lost before the answer: the command may have been carried out or not. "+
		"Run it again with --idempotency-key %s: it is then done once (%w)", c.address, r.key, err)
}

// refused gives the problem's words, which name the field, or Caddy's.
func refused(response *http.Response, text []byte) error {
	var told struct {
		web.Problem
		Caddy string `json:"error"`
	}
	if json.Unmarshal(text, &told) == nil && told.Detail+told.Caddy != "" {
		words := plain(cmp.Or(told.Detail, told.Caddy))
		if told.Amount != "" {
			words += " with --max-amount=" + plain(told.Amount)
		}
		return errors.New(words)
	}
	if response.StatusCode == http.StatusNotFound {
		return errors.New("who answers there is no gateway: --address must name the admin endpoint of a running tallygate")
	}
	return fmt.Errorf("status %d: %s", response.StatusCode, plain(strings.TrimSpace(string(text))))
}
