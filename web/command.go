package web

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
)

const idempotencyKey = "Idempotency-Key"

// OnAccount is the path of everything below an account. (The framework reads
// embedded parameters of exported types only.)
type OnAccount struct {
	Account string `path:"account" maxLength:"64" example:"acme" doc:"The account's id"`
}

// OnPackage is the path of what is done with a package.
type OnPackage struct {
	OnAccount
	Package uint32 `path:"package" minimum:"1" example:"3" doc:"Its number within the account, of any of its terms"`
}

// OnInstance is the path of everything below a search instance.
type OnInstance struct {
	OnAccount
	Instance string `path:"instance" maxLength:"64" example:"products" doc:"The search index"`
}

// target is what a path names below its account.
type target struct {
	pack     uint32
	instance string
}

// asks is a body that asks for something to be done with what the path names.
type asks interface{ command(target) account.Command }

// MayRepeat is a command that may carry an idempotency key.
type MayRepeat struct {
	Key string `header:"Idempotency-Key" maxLength:"255" doc:"The same key with the same content is answered again and done once (D33)"`
}

// MustRepeat is one that has to.
type MustRepeat struct {
	Key string `header:"Idempotency-Key" required:"true" maxLength:"255" doc:"The same key with the same content is answered again and done once (D33)"`
}

// answered is what an accepted command says.
type answered[T any] struct {
	Replayed string `header:"Idempotent-Replayed" doc:"true where the command had been done before"`
	Body     T
}

// do carries out a command and decodes what the ledger remembers of its answer.
func do[T any](h *handlers, key, id string, cmd account.Command) (*answered[T], error) {
	result, err := h.gateway.Engine().Do(billing.Request{Key: key, Account: id, Command: cmd})
	if err != nil {
		return nil, err
	}
	out := new(answered[T])
	if err := json.Unmarshal(result.JSON, &out.Body); err != nil {
		return nil, fmt.Errorf("reading the answer to journal record %d: %w", result.Input, err)
	}
	if result.Repeated {
		out.Replayed = "true"
	}
	return out, nil
}

// onAccount serves a command B on an account, answered by an A, and its preview.
func onAccount[A any, B asks](h *handlers, op huma.Operation) {
	register(h, op, func(_ context.Context, in *struct {
		OnAccount
		MustRepeat
		Body B
	}) (*answered[A], error) {
		return do[A](h, in.Key, in.Account, in.Body.command(target{}))
	})
	register(h, previewOf(op), func(_ context.Context, in *struct {
		OnAccount
		Body B
	}) (*body[Preview], error) {
		return h.preview(in.Account, in.Body.command(target{}))
	})
}

// onPackage is onAccount for a package of it.
func onPackage[A any, B asks](h *handlers, op huma.Operation) {
	register(h, op, func(_ context.Context, in *struct {
		OnPackage
		MustRepeat
		Body B
	}) (*answered[A], error) {
		return do[A](h, in.Key, in.Account, in.Body.command(target{pack: in.Package}))
	})
	register(h, previewOf(op), func(_ context.Context, in *struct {
		OnPackage
		Body B
	}) (*body[Preview], error) {
		return h.preview(in.Account, in.Body.command(target{pack: in.Package}))
	})
}

// onInstance is onAccount for an instance of it.
func onInstance[A any, B asks](h *handlers, op huma.Operation) {
	register(h, op, func(_ context.Context, in *struct {
		OnInstance
		MustRepeat
		Body B
	}) (*answered[A], error) {
		return do[A](h, in.Key, in.Account, in.Body.command(target{instance: in.Instance}))
	})
	register(h, previewOf(op), func(_ context.Context, in *struct {
		OnInstance
		Body B
	}) (*body[Preview], error) {
		return h.preview(in.Account, in.Body.command(target{instance: in.Instance}))
	})
}

// post is a command that adds something; 201 also when it is answered again.
func post(id, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodPost, Path: Root + path, Summary: summary,
		DefaultStatus: http.StatusCreated}
}

func get(id, path, summary string) huma.Operation {
	return huma.Operation{OperationID: id, Method: http.MethodGet, Path: Root + path, Summary: summary}
}
