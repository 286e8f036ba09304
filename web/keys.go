package web

import (
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"net/http"
	"strings"
	"unicode"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallygate/tallygate/account"
)

func (h *handlers) registerKeys() {
	register(h, post("create-key", "/accounts/{account}/keys", "Let a key stand for an account"), h.createKey)
	register(h, huma.Operation{OperationID: "revoke-key", Method: http.MethodDelete,
		Path: Root + "/accounts/{account}/keys/{key}", Summary: "Take a key away, at once"}, h.revokeKey)
}

// NewKey lets a key stand for an account. A secret is made here, unless one that
// the customer has already is given as Value.
type NewKey struct {
	Kind     account.KeyKind `json:"kind" enum:"secret,access-key-id,identity" doc:"Where requests carry it"`
	Value    string          `json:"value,omitempty" maxLength:"512" doc:"What the client sends; required unless kind is secret"`
	Label    string          `json:"label,omitempty" maxLength:"200" doc:"For people"`
	Instance string          `json:"instance,omitempty" doc:"The search index the key is bound to (D38)"`
}

// NewKeyAnswer names the new key and, once only, its secret.
type NewKeyAnswer struct {
	account.KeyAnswer
	Secret string `json:"secret,omitempty" doc:"Only in the first answer, and only where the gateway made it: it is kept nowhere"`
	Note   string `json:"note,omitempty"`
}

const (
	noteOnce     = "keep the secret now: it is shown this once and stored nowhere"
	noteReplayed = "this key was created by an earlier request with the same idempotency key; its secret was shown then and cannot be shown again: if it is lost, revoke the key and create another"
)

// generatedKey is an AddKey whose secret is not the caller's: to ask again is to
// ask for the same, although the hash differs.
type generatedKey struct{ *account.AddKey }

// Asked is the command as far as the caller decides it.
func (k generatedKey) Asked() account.Command {
	return &account.AddKey{Kind: k.Kind, Instance: k.Instance, Label: k.Label}
}

func (h *handlers) createKey(_ context.Context, in *struct {
	OnAccount
	MayRepeat
	Body NewKey
}) (*answered[NewKeyAnswer], error) {
	if err := in.Body.check(); err != nil {
		return nil, err
	}
	add := &account.AddKey{Kind: in.Body.Kind, Instance: in.Body.Instance, Label: in.Body.Label}
	if in.Body.Value != "" {
		name(add, in.Body.Value)
		return do[NewKeyAnswer](h, in.Key, in.Account, add)
	}
	secret := newSecret()
	name(add, secret)
	out, err := do[NewKeyAnswer](h, in.Key, in.Account, generatedKey{add})
	switch {
	case err != nil:
		return nil, err
	case out.Replayed != "":
		out.Body.Note = noteReplayed
	default:
		out.Body.Secret, out.Body.Note = secret, noteOnce
	}
	return out, nil
}

// check refuses what no request could carry, or would carry changed.
func (k NewKey) check() error {
	if k.Value == "" && k.Kind != account.SecretKey {
		return invalid("value", "is missing: give the %s that requests carry", k.Kind)
	}
	if strings.TrimSpace(k.Value) != k.Value || strings.ContainsFunc(k.Value, unicode.IsControl) {
		return invalid("value", "must not begin or end with a space, nor hold control characters: a header loses them")
	}
	return nil
}

// name fills in what stands for a key's value.
func name(add *account.AddKey, value string) {
	hash := sha256.Sum256([]byte(value))
	add.Hash = hex.EncodeToString(hash[:])
	add.Key = add.Hash[:12]
}

// newSecret is 256 random bits, recognisable to scanners for leaked secrets.
func newSecret() string {
	random := make([]byte, 32)
	rand.Read(random)
	return "tg_" + strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(random))
}

func (h *handlers) revokeKey(_ context.Context, in *struct {
	OnAccount
	MayRepeat
	ID string `path:"key" maxLength:"64" example:"3fa94bc81d20" doc:"The key's id"`
}) (*answered[account.KeyAnswer], error) {
	return do[account.KeyAnswer](h, in.Key, in.Account, &account.RevokeKey{Key: in.ID})
}
