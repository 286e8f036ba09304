package caddymodule

import (
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
)

func init() { caddy.RegisterModule(eventRecorder{}) }

// eventRecorder is a subscriber of Caddy's events app.
type eventRecorder struct{}

var recorded = make(chan caddy.Event, 10)

func (eventRecorder) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "events.handlers.tallygate_recorder", New: func() caddy.Module { return new(eventRecorder) }}
}

func (eventRecorder) Handle(_ context.Context, e caddy.Event) error {
	recorded <- e
	return nil
}

var _ caddyevents.Handler = eventRecorder{}

const eventsBook = `currency: USD
pay_per_use:
  - operations: [recognition/image-tagging]
    tiers: [{price: 0.01}]
`

// TestEventsReachCaddy: what happens to an account reaches a subscriber of Caddy's
// events app, with its data (D23, D24).
func TestEventsReachCaddy(t *testing.T) {
	dir := t.TempDir()
	book := filepath.Join(dir, "book.yaml")
	if err := os.WriteFile(book, []byte(eventsBook), 0o600); err != nil {
		t.Fatal(err)
	}
	config, err := json.Marshal(map[string]any{
		"admin": map[string]any{"disabled": true},
		"apps": map[string]any{
			"events": map[string]any{"subscriptions": []any{map[string]any{
				"events":   []string{"tallygate.notice-low-balance"},
				"handlers": []any{map[string]any{"handler": "tallygate_recorder"}},
			}}},
			"tallygate": map[string]any{"ledger": filepath.Join(dir, "ledger"), "pricebook": book, "test_ledger": true},
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := caddy.Load(config, true); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := caddy.Stop(); err != nil {
			t.Error(err)
		}
	}()
	for _, c := range []account.Command{
		&account.CreateAccount{Account: "acme", Customer: "acme-group", LowBalance: "5.00"},
		&account.TopUp{Amount: "10.00", Reference: "wire"},
		&account.Adjust{Amount: "-8.00", Reason: "mistyped", Reference: "wire"},
	} {
		if _, err := running.Load().Engine().Do(billing.Request{Account: "acme", Command: c}); err != nil {
			t.Fatal(c.Type(), err)
		}
	}
	select {
	case e := <-recorded:
		if e.Data["account"] != "acme" || e.Data["customer"] != "acme-group" || e.Data["text"] != "the balance is 2.00 USD" || e.Data["repeated"] != false {
			t.Errorf("%v", e.Data)
		}
	case <-time.After(10 * time.Second):
		t.Fatal("the notice did not reach the subscriber")
	}
}
