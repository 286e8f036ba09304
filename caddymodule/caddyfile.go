package caddymodule

import (
	"fmt"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

func init() {
	httpcaddyfile.RegisterHandlerDirective("meter", parseDirective)
	// Before encode: what is watched is what the client gets. After the
	// authentication directives, whose placeholders may be the key.
	httpcaddyfile.RegisterDirectiveOrder("meter", httpcaddyfile.Before, "encode")
}

func parseDirective(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	m := new(Handler)
	return m, m.UnmarshalCaddyfile(h.Dispenser)
}

// UnmarshalCaddyfile reads the directive:
//
//	meter [<matcher>] {
//		mode       enforce | observe
//		key        header <name> | bearer | query <name> | placeholder <name>
//		forward_key
//		trust_upstream_signature
//		operation  <name> <method> <path> [action <action>]
//		unmetered  <method> <path>
//		instance   <operations> header <name> | query <name>
//		instance   <operations> form <name> | json <name> {
//			prefix <size>
//		}
//		images     <operations> {
//			product header | query | form | json <name>
//			picture header | query | form | json <name>
//			buffer  <size>
//			wait    <duration>
//		}
//		success    <operations> {
//			status  <status...>
//			member  <name> absent [or <value>...]
//			member  <name> [not] <value> [or <value>...]
//			trailer <name> <value>
//			prefix  <size>
//		}
//		refusal    <operations> {
//			members <code> <message>
//			status  <reason> <status>
//		}
//		handle_errors
//	}
//
// Without a matcher all requests of the site are judged. With one, those that it
// leaves out are not metered: leave it out wherever the upstream is reached.
//
// <operations> is an operation's name or a beginning of names and *; the
// closest one applies. In a <path>, {name} stands for one segment and a last *
// for all that follow. All but mode and the flags may be there several times.
func (h *Handler) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	d.Next() // the directive's name
	if d.NextArg() {
		return d.Errf("meter takes no argument, but has %q: write its settings in a block { }", d.Val())
	}
	err := block(d, "meter", settings{
		"mode":          h.parseMode,
		"key":           h.parseKey,
		"forward_key":   alone(&h.ForwardKey),
		"operation":     h.parseOperation,
		"unmetered":     h.parseUnmetered,
		"instance":      h.parseInstance,
		"images":        h.parseImages,
		"success":       h.parseSuccess,
		"refusal":       h.parseRefusal,
		"handle_errors": alone(&h.HandleErrors),

		"trust_upstream_signature": alone(&h.TrustUpstreamSignature),
	})
	if err != nil {
		return err
	}
	return h.checkWhole(d)
}

func (h *Handler) parseMode(d *caddyfile.Dispenser) error {
	mode, err := one(d, "mode enforce | observe")
	if err != nil {
		return err
	}
	if mode != "enforce" && mode != "observe" {
		return d.Errf("mode %q: use enforce or observe", mode)
	}
	if h.Mode != "" {
		return d.Err("mode is there twice: remove one")
	}
	h.Mode = mode
	return nil
}

// settings maps the names of a block's settings to what reads them. The
// dispenser stands at the name.
type settings map[string]func(*caddyfile.Dispenser) error

// block reads the block that follows, setting by setting.
func block(d *caddyfile.Dispenser, of string, known settings) error {
	for level := d.Nesting(); d.NextBlock(level); {
		parse, ok := known[d.Val()]
		if !ok {
			var names []string
			for n := range known {
				names = append(names, n)
			}
			slices.Sort(names)
			return d.Errf("%s has no setting %q; there are %s", of, d.Val(), strings.Join(names, ", "))
		}
		if err := parse(d); err != nil {
			return err
		}
	}
	return nil
}

// arguments reads the rest of the line, from least to most arguments; usage is
// what the line should look like.
func arguments(d *caddyfile.Dispenser, usage string, least, most int) ([]string, error) {
	args := d.RemainingArgs()
	if len(args) < least || len(args) > most {
		return nil, d.Errf("%s: write %s", count(len(args)), usage)
	}
	return args, nil
}

func count(n int) string {
	if n == 1 {
		return "1 argument"
	}
	return fmt.Sprintf("%d arguments", n)
}

func one(d *caddyfile.Dispenser, usage string) (string, error) {
	args, err := arguments(d, usage, 1, 1)
	if err != nil {
		return "", err
	}
	return args[0], nil
}

// alone reads a setting that stands alone.
func alone(into *bool) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		_, err := arguments(d, name+" alone", 0, 0)
		*into = true
		return err
	}
}
