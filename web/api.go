package web

import (
	"context"
	"encoding/json"
	"fmt"
	"mime"
	"net/http"

	"github.com/danielgtaylor/huma/v2"
	"github.com/danielgtaylor/huma/v2/adapters/humago"
)

// Root is where the API is mounted.
const Root = "/tallygate"

// BodyMax bounds a request's body, in bytes.
const BodyMax = 1 << 20

const typeJSON = "application/json"

// NewAPI returns the handler of everything below Root. It answers in JSON, and
// with a Problem where it does not do what was asked. Its description is at
// /tallygate/openapi.json.
func NewAPI(g Gateway) http.Handler {
	mux := http.NewServeMux()
	config := huma.DefaultConfig("Tallygate", "1")
	config.Info.Description = apiDescription
	config.OpenAPIPath, config.DocsPath, config.SchemasPath = "", "", ""
	config.CreateHooks = nil // no $schema members in answers
	config.RejectUnknownQueryParameters = true
	format := huma.Format{Marshal: huma.DefaultJSONFormat.Marshal, Unmarshal: unmarshalStrict}
	config.Formats = map[string]huma.Format{"application/json": format, "json": format}

	h := &handlers{gateway: g, api: humago.New(mux, config)}
	h.registerAccounts()
	h.registerKeys()
	h.registerPurchases()
	h.registerStatements()
	h.registerEvents()
	h.registerPriceBooks()
	h.registerPrice()
	h.registerImages()
	h.registerVerify()
	h.registerBackup()
	h.registerOperation()
	h.registerClock()

	description, err := json.Marshal(h.api.OpenAPI())
	if err != nil {
		panic(fmt.Sprintf("web: describing the API: %v", err)) // it is the same in every run
	}
	mux.HandleFunc("GET "+Root+"/openapi.json", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/openapi+json")
		w.Write(description)
	})
	return guard(mux)
}

const apiDescription = `Accounts, keys, payments, usage and statements of a running gateway.

Amounts are decimal strings of the ledger's currency. A command that costs or
brings money needs the header Idempotency-Key: the same key with the same
content is answered again and done once; with other content it is refused.`

// handlers serve the API of one gateway.
type handlers struct {
	gateway Gateway
	api     huma.API
}

// register adds an operation whose errors become problems, by one table.
func register[I, O any](h *handlers, op huma.Operation, handle func(context.Context, *I) (*O, error)) {
	op.MaxBodyBytes = max(op.MaxBodyBytes, BodyMax) + 1 // what is read of it before it is too large
	huma.Register(h.api, op, func(ctx context.Context, in *I) (*O, error) {
		out, err := handle(ctx, in)
		if err != nil {
			return nil, problemOf(err)
		}
		return out, nil
	})
}

// guard answers what no operation does, and lets no form or script of a web
// page pass as a command: those cannot send application/json unasked.
func guard(mux *http.ServeMux) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		handler, pattern := mux.Handler(r)
		if pattern == "" {
			unrouted(w, r, handler)
			return
		}
		changes := r.Method != http.MethodGet && r.Method != http.MethodHead
		if changes && r.ContentLength != 0 && !typeTaken(pattern, r.Header.Get("Content-Type")) {
			text := "the body must be JSON: send it with Content-Type: application/json"
			if pattern == takesLists {
				text = listTypes
			}
			writeProblem(w, newProblem(http.StatusUnsupportedMediaType, text))
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// typeTaken reports whether a route takes bodies of a type: JSON, and one of them
// lists of images. No form can send either.
func typeTaken(pattern, contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	if pattern == takesLists {
		return media == typeCSV || media == typeNDJSON
	}
	return media == typeJSON
}

// unrouted gives the mux's own refusal (404 or 405) as a problem.
func unrouted(w http.ResponseWriter, r *http.Request, refusal http.Handler) {
	status := statusOnly{header: w.Header()}
	refusal.ServeHTTP(&status, r)
	detail := fmt.Sprintf("there is no %s: %s/openapi.json lists what there is", r.URL.Path, Root)
	if status.code == http.StatusMethodNotAllowed {
		detail = fmt.Sprintf("%s has no %s, only %s", r.URL.Path, r.Method, w.Header().Get("Allow"))
	}
	writeProblem(w, newProblem(status.code, detail))
}

// statusOnly keeps a status and headers, and drops the body.
type statusOnly struct {
	header http.Header
	code   int
}

func (s *statusOnly) Header() http.Header         { return s.header }
func (s *statusOnly) WriteHeader(code int)        { s.code = code }
func (s *statusOnly) Write(p []byte) (int, error) { return len(p), nil }
