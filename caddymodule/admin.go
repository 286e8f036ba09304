package caddymodule

import (
	"net/http"
	"sync"

	"github.com/caddyserver/caddy/v2"
	"github.com/tallygate/tallygate/caddymodule/service"
	"github.com/tallygate/tallygate/web"
)

func init() { caddy.RegisterModule(admin{}) }

// admin mounts the API on Caddy's admin endpoint, at /tallygate/.
type admin struct{}

// CaddyModule tells Caddy about the admin routes.
func (admin) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "admin.api.tallygate", New: func() caddy.Module { return new(admin) }}
}

// Provision adds the metrics to the registry that the admin endpoint shows.
// After a rejected reload that is the rejected configuration's, in which no app
// may have got as far as to add its own.
func (admin) Provision(ctx caddy.Context) error {
	return registerMetrics(ctx.GetMetricsRegistry())
}

// Routes are served for as long as the process lives, whichever configuration
// is loaded.
func (admin) Routes() []caddy.AdminRoute {
	return []caddy.AdminRoute{{Pattern: "/tallygate/", Handler: caddy.AdminHandlerFunc(serveAPI)}}
}

// api is the API of the gateway that runs.
var api struct {
	sync.Mutex
	of      *service.Service
	handler http.Handler
}

func serveAPI(w http.ResponseWriter, r *http.Request) error {
	s := running.Load()
	if s == nil {
		return caddy.APIError{HTTPStatus: http.StatusServiceUnavailable,
			Message: "no ledger is open: the configuration has no tallygate option, or nothing in it uses one"}
	}
	api.Lock()
	if api.of != s {
		api.of, api.handler = s, web.NewAPI(s)
	}
	h := api.handler
	api.Unlock()
	h.ServeHTTP(w, r)
	return nil
}

var (
	_ caddy.AdminRouter = admin{}
	_ caddy.Provisioner = admin{}
)
