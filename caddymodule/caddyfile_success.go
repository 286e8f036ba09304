package caddymodule

import (
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/dustin/go-humanize"
	"github.com/tallygate/tallygate/meter/outcome"
)

func (h *Handler) parseSuccess(d *caddyfile.Dispenser) error {
	operations, err := one(d, "success <operations> { }")
	if err != nil {
		return err
	}
	h.use(d, "success", operations)
	s := Success{Operations: operations}
	err = block(d, "success", settings{
		"status":  func(d *caddyfile.Dispenser) error { return parseStatuses(d, &s.Rule) },
		"member":  func(d *caddyfile.Dispenser) error { return parseMember(d, &s.Rule) },
		"trailer": func(d *caddyfile.Dispenser) error { return parseTrailer(d, &s.Rule) },
		"prefix":  func(d *caddyfile.Dispenser) error { return parsePrefix(d, &s.Rule) },
	})
	if err != nil {
		return err
	}
	h.Success = append(h.Success, s)
	return nil
}

// checked reports what the line just read made wrong with a rule. It works on a
// copy, since compiling fills in defaults.
func checked(d *caddyfile.Dispenser, r outcome.Rule) error {
	if err := r.Compile(); err != nil {
		return d.Err(err.Error())
	}
	return nil
}

func parseStatuses(d *caddyfile.Dispenser, r *outcome.Rule) error {
	args, err := arguments(d, "status <status...>, as in: status 2xx", 1, 100)
	if err != nil {
		return err
	}
	r.Status = append(r.Status, args...)
	return checked(d, *r)
}

const memberUsage = "member <name> absent [or <value>...] | [not] <value> [or <value>...]"

// parseMember reads a condition on a member of the JSON body:
//
//	member error_code absent
//	member Code       absent or 0
//	member Success    not false
//	member status     done or queued
func parseMember(d *caddyfile.Dispenser, r *outcome.Rule) error {
	args, err := arguments(d, memberUsage, 2, 100)
	if err != nil {
		return err
	}
	m := outcome.Member{Name: args[0]}
	words := args[1:]
	into := &m.Is
	if words[0] == "not" {
		into, words = &m.Not, words[1:]
	}
	for i, w := range words {
		switch {
		case i%2 == 1 && w != "or":
			return d.Errf("member %s: %q after %q: put an or between values", m.Name, w, words[i-1])
		case i%2 == 1:
		case w == "absent" && i == 0 && into == &m.Is:
			m.Absent = true
		default:
			*into = append(*into, outcome.ParseValue(w))
		}
	}
	if len(words)%2 == 0 {
		return d.Errf("member %s: a value is missing at the end: write %s", m.Name, memberUsage)
	}
	r.Members = append(r.Members, m)
	return checked(d, *r)
}

func parseTrailer(d *caddyfile.Dispenser, r *outcome.Rule) error {
	args, err := arguments(d, "trailer <name> <value>, as in: trailer grpc-status 0", 2, 2)
	if err != nil {
		return err
	}
	if r.Trailers == nil {
		r.Trailers = make(map[string]string)
	}
	r.Trailers[args[0]] = args[1]
	return nil
}

func parsePrefix(d *caddyfile.Dispenser, r *outcome.Rule) error {
	if err := size(&r.Prefix, "64KiB")(d); err != nil {
		return err
	}
	return checked(d, *r)
}

// size reads a setting that is a number of bytes.
func size(into *int, example string) func(*caddyfile.Dispenser) error {
	return func(d *caddyfile.Dispenser) error {
		name := d.Val()
		value, err := one(d, name+" <size>, as in: "+name+" "+example)
		if err != nil {
			return err
		}
		bytes, err := humanize.ParseBytes(value)
		if err != nil || bytes == 0 || bytes > 1<<30 {
			return d.Errf("%s %q: write a size, as in: %s %s", name, value, name, example)
		}
		*into = int(bytes)
		return nil
	}
}
