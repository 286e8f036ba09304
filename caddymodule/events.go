package caddymodule

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
	"github.com/tallygate/tallygate/caddymodule/service"
)

// eventPrefix begins the names of the events of accounts, as Caddy's events app
// knows them: tallygate.released, tallygate.notice-low-balance.
const eventPrefix = "tallygate."

// tellCaddy passes what happens to accounts on to Caddy's events app, where the
// configuration subscribes to it:
//
//	events {
//		on tallygate.released exec delete-data {event.data.account}
//	}
//
// The data are account, customer, number, kind, subject, text, at (RFC 3339,
// UTC) and repeated. Releases are told again every hour until they are
// acknowledged (D23).
func tellCaddy(ctx caddy.Context) (func(service.Notice), error) {
	app, err := ctx.App("events")
	if err != nil {
		return nil, fmt.Errorf("events: %w", err)
	}
	events := app.(*caddyevents.App)
	return func(n service.Notice) {
		name := eventPrefix + string(n.Kind)
		if !events.ShouldEmit(name) {
			return
		}
		events.Emit(ctx, name, map[string]any{
			"account": n.Account, "customer": n.Customer, "number": n.Number, "kind": string(n.Kind), "subject": n.Subject,
			"text": n.Text, "at": time.Unix(n.At, 0).UTC().Format(time.RFC3339), "repeated": n.Repeated,
		})
	}, nil
}
