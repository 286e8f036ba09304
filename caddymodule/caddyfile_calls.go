package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/tallygate/tallygate/meter/route"
)

const keyUsage = "key header <name> | bearer | query <name> | placeholder <name>"

func (h *Handler) parseKey(d *caddyfile.Dispenser) error {
	args, err := arguments(d, keyUsage, 1, 2)
	if err != nil {
		return err
	}
	key := Key{From: args[0]}
	named := false
	switch key.From {
	case fromHeader, fromQuery, fromPlaceholder:
		named = true
	case fromBearer:
	default:
		return d.Errf("key from %q: write %s", key.From, keyUsage)
	}
	if named != (len(args) == 2) {
		return d.Errf("%s: write %s", count(len(args)), keyUsage)
	}
	if named {
		key.Name = args[1]
	}
	h.Keys = append(h.Keys, key)
	return nil
}

func (h *Handler) parseOperation(d *caddyfile.Dispenser) error {
	const usage = "operation <name> <method> <path> [action <action>]"
	args, err := arguments(d, usage, 3, 5)
	if err != nil {
		return err
	}
	op := Operation{args[0], route.Pattern{Method: args[1], Path: args[2]}}
	switch {
	case len(args) == 5 && args[3] == "action" && args[4] != "":
		op.Action = args[4]
	case len(args) > 3:
		return d.Errf("after the path: %q: write %s", args[3], usage)
	}
	if err := h.checkPattern(op.Pattern); err != nil {
		return d.Errf("operation %s: %v", op.Name, err)
	}
	h.Operations = append(h.Operations, op)
	return nil
}

func (h *Handler) parseUnmetered(d *caddyfile.Dispenser) error {
	args, err := arguments(d, "unmetered <method> <path>", 2, 2)
	if err != nil {
		return err
	}
	p := route.Pattern{Method: args[0], Path: args[1]}
	if err := h.checkPattern(p); err != nil {
		return d.Errf("unmetered: %v", err)
	}
	h.Unmetered = append(h.Unmetered, p)
	return nil
}

// checkPattern reports what is wrong with one more pattern while its line is
// known.
func (h *Handler) checkPattern(p route.Pattern) error {
	var t route.Table
	for _, o := range h.Operations {
		_ = t.Add(o.Pattern, 0) // was checked in its turn
	}
	for _, u := range h.Unmetered {
		_ = t.Add(u, 0)
	}
	return t.Add(p, 0)
}
