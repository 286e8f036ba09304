package web

import (
	"context"
	"encoding/json"
	"net/http"
	"reflect"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallygate/tallygate/billing"
)

func (h *handlers) registerVerify() {
	verify := post("verify", "/verify", "Make the ledger again from journal and sealed files, and compare")
	verify.Description = "Answers with a line of JSON now and then: progress, and at last either report or problem. " +
		"It reads much and changes nothing."
	schema := h.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[VerifyLine](), true, "VerifyLine")
	verify.DefaultStatus = http.StatusOK
	verify.Responses = map[string]*huma.Response{"200": {Description: http.StatusText(http.StatusOK),
		Content: map[string]*huma.MediaType{typeNDJSON: {Schema: schema}}}}
	register(h, verify, h.verify)
}

// VerifyLine is one line of the answer: one of its members.
type VerifyLine struct {
	Progress *VerifyProgress       `json:"progress,omitempty"`
	Report   *billing.Verification `json:"report,omitempty"`
	Problem  *Problem              `json:"problem,omitempty"`
}

// VerifyProgress counts journal records. Total may grow meanwhile.
type VerifyProgress struct {
	Done  uint64 `json:"done"`
	Total uint64 `json:"total"`
}

// progressEvery paces the lines.
const progressEvery = 200 * time.Millisecond

func (h *handlers) verify(ctx context.Context, in *struct {
	Account string `query:"account" maxLength:"64" doc:"Only this one; default: all"`
}) (*huma.StreamResponse, error) {
	if in.Account != "" {
		if _, err := h.gateway.Engine().Account(in.Account); err != nil {
			return nil, err
		}
	}
	return &huma.StreamResponse{Body: func(out huma.Context) {
		out.SetHeader("Content-Type", typeNDJSON)
		say := lineWriter(out)
		last := time.Now()
		report, err := h.gateway.Engine().Verify(ctx, in.Account, func(done, total uint64) {
			if now := time.Now(); now.Sub(last) >= progressEvery {
				last = now
				say(VerifyLine{Progress: &VerifyProgress{done, total}})
			}
		})
		if err != nil {
			say(VerifyLine{Problem: problemOf(err)})
			return
		}
		say(VerifyLine{Report: &report})
	}}, nil
}

// lineWriter writes values as lines of JSON that leave at once. A client that
// has left needs none.
func lineWriter(out huma.Context) func(any) {
	lines := json.NewEncoder(out.BodyWriter())
	flusher, _ := out.BodyWriter().(http.Flusher)
	return func(v any) {
		lines.Encode(v)
		if flusher != nil {
			flusher.Flush()
		}
	}
}
