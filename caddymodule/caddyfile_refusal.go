package caddymodule

import (
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
)

func (h *Handler) parseRefusal(d *caddyfile.Dispenser) error {
	operations, err := one(d, "refusal <operations> { }")
	if err != nil {
		return err
	}
	h.use(d, "refusal", operations)
	r := Refusal{Operations: operations}
	err = block(d, "refusal", settings{
		"members": func(d *caddyfile.Dispenser) (err error) {
			if r.Members, err = arguments(d, "members <code> <message>, as in: members error_code error_msg", 2, 2); err != nil {
				return err
			}
			return checkedRefusal(d, r)
		},
		"status": func(d *caddyfile.Dispenser) error {
			args, err := arguments(d, "status <reason> <status>, as in: status arrears 403", 2, 2)
			if err != nil {
				return err
			}
			if r.Status == nil {
				r.Status = make(map[string]int)
			}
			if r.Status[args[0]], err = strconv.Atoi(args[1]); err != nil {
				return d.Errf("status %s %q: write a number, as in: status arrears 403", args[0], args[1])
			}
			return checkedRefusal(d, r)
		},
	})
	if err != nil {
		return err
	}
	h.Refusals = append(h.Refusals, r)
	return nil
}

func checkedRefusal(d *caddyfile.Dispenser, r Refusal) error {
	if err := r.check(); err != nil {
		return d.Err(err.Error())
	}
	return nil
}
