package caddymodule

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"github.com/tallygate/tallygate/account"
)

// refusals is how the refusals of some operations look, ready to be sent.
type refusals struct {
	byKind map[account.Kind]*refusal
}

// refusal is one refusal but for its id, which goes between head and tail.
type refusal struct {
	reason
	head, tail string
}

// problem is the body of a refusal (RFC 9457).
type problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
}

// compileRefusals returns the default look and then the configured ones.
func (h *Handler) compileRefusals() ([]*refusals, error) {
	list := []*refusals{makeRefusals(Refusal{})}
	for _, r := range h.Refusals {
		if err := r.check(); err != nil {
			return nil, fmt.Errorf("refusal %s: %w", r.Operations, err)
		}
		list = append(list, makeRefusals(r))
	}
	return list, nil
}

func (r Refusal) check() error {
	if n := len(r.Members); n != 0 && n != 2 || slices.Contains(r.Members, "") {
		return fmt.Errorf("members: name two, for code and message, as in: members error_code error_msg")
	}
	if len(r.Members) == 2 && r.Members[0] == r.Members[1] {
		return fmt.Errorf("members: %s is there twice: code and message need a member each", r.Members[0])
	}
	for _, m := range r.Members {
		if slices.Contains([]string{"type", "title", "status", "detail", "refusal_id"}, m) {
			return fmt.Errorf("members: %s is a member of every problem already", m)
		}
	}
	for name, status := range r.Status {
		if _, ok := reasonNames[name]; !ok {
			return fmt.Errorf("status %s: there is no such reason; there are %s", name, reasonList())
		}
		if status < 400 || status > 599 {
			return fmt.Errorf("status %s %d: a refusal's status is from 400 to 599", name, status)
		}
	}
	return nil
}

func makeRefusals(style Refusal) *refusals {
	list := &refusals{byKind: make(map[account.Kind]*refusal)}
	for _, r := range reasons {
		name := r.kind.String()
		if status, ok := style.Status[name]; ok {
			r.status = status
		}
		body := string(encode(problem{problemType + name, r.title, r.status, r.detail}))
		if len(style.Members) == 2 {
			body = fmt.Sprintf("%s,%s:%s,%s:%s}", strings.TrimSuffix(body, "}"),
				encode(style.Members[0]), encode(name), encode(style.Members[1]), encode(r.detail))
		}
		list.byKind[r.kind] = &refusal{r, strings.TrimSuffix(body, "}") + `,"refusal_id":"`, "\"}\n"}
	}
	return list
}

// encode panics for what cannot be JSON, which strings and problems are not.
func encode(v any) []byte {
	b, err := json.Marshal(v)
	if err != nil {
		panic(err)
	}
	return b
}
