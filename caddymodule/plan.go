package caddymodule

import (
	"errors"
	"fmt"
	"strings"

	"github.com/tallygate/tallygate/meter/outcome"
	"github.com/tallygate/tallygate/meter/route"
)

// plan is a handler's configuration in the form in which requests use it.
type plan struct {
	routes     route.Table
	operations []operation
	unknown    operation // stands for requests that are no operation
	unmetered  operation
}

// operation is what the handler has to know of an operation.
type operation struct {
	index    int // in plan.operations, -1 for none
	name     string
	rule     *outcome.Rule
	naming   *naming // nil where requests do not name what they are for
	refusals *refusals
}

// unmeteredTarget is what requests that are not metered are routed to.
const unmeteredTarget = -1

// provision checks the configuration and makes the plan.
func (h *Handler) provision(app host) error {
	h.host = app
	switch h.Mode {
	case "", "enforce":
	case "observe":
		h.observe = true
	default:
		return fmt.Errorf("mode %q: use enforce or observe", h.Mode)
	}
	if err := h.provisionKeys(); err != nil {
		return err
	}
	if err := h.provisionRoutes(); err != nil {
		return err
	}
	var names []string
	for i := range h.plan.operations {
		names = append(names, h.plan.operations[i].name)
	}
	if err := h.provisionOperations(names); err != nil {
		return err
	}
	return app.checkOperations(names)
}

var errNoOperation = errors.New("no operation: list what is metered, as in: operation search/add POST /v2/image/add")

// provisionRoutes fills the routing table and lists each operation once.
func (h *Handler) provisionRoutes() error {
	if len(h.Operations) == 0 {
		return errNoOperation
	}
	p := &h.plan
	indexes := make(map[string]int)
	for _, o := range h.Operations {
		if o.Name == "" {
			return fmt.Errorf("operation %s has no name", o.Pattern)
		}
		i, known := indexes[o.Name]
		if !known {
			i = len(p.operations)
			indexes[o.Name] = i
			p.operations = append(p.operations, operation{index: i, name: o.Name})
		}
		if err := p.routes.Add(o.Pattern, i); err != nil {
			return fmt.Errorf("operation %s: %w", o.Name, err)
		}
	}
	for _, u := range h.Unmetered {
		if err := p.routes.Add(u, unmeteredTarget); err != nil {
			return fmt.Errorf("unmetered: %w", err)
		}
	}
	return nil
}

// provisionOperations gives each operation the settings that name it most
// closely.
func (h *Handler) provisionOperations(names []string) error {
	success, err := globs("success", names, h.Success, func(s Success) string { return s.Operations })
	if err != nil {
		return err
	}
	refusal, err := globs("refusal", names, h.Refusals, func(r Refusal) string { return r.Operations })
	if err != nil {
		return err
	}
	instance, err := globs("instance", names, h.Instances, func(i Instance) string { return i.Operations })
	if err != nil {
		return err
	}
	rules, err := h.compileRules()
	if err != nil {
		return err
	}
	styles, err := h.compileRefusals()
	if err != nil {
		return err
	}
	images, err := globs("images", names, h.Images, func(i Images) string { return i.Operations })
	if err != nil {
		return err
	}
	for i := range h.plan.operations {
		op := &h.plan.operations[i]
		op.rule = rules[1+route.Best(success, op.name)]
		op.refusals = styles[1+route.Best(refusal, op.name)]
		if op.naming, err = h.namingOf(route.Best(instance, op.name), route.Best(images, op.name)); err != nil {
			return err
		}
	}
	h.plan.unknown = operation{index: -1, refusals: styles[0]}
	h.plan.unmetered = operation{index: -1}
	return nil
}

// compileRules returns the default rule and then the configured ones.
func (h *Handler) compileRules() ([]*outcome.Rule, error) {
	rules := []*outcome.Rule{{}}
	for i := range h.Success {
		rules = append(rules, &h.Success[i].Rule)
	}
	for i, r := range rules {
		if err := r.Compile(); err != nil {
			return nil, fmt.Errorf("success %s: %w", h.Success[i-1].Operations, err)
		}
	}
	return rules, nil
}

// globs collects which operations the blocks of one kind are for, and reports
// those that are for none or for the same as another.
func globs[T any](what string, names []string, blocks []T, of func(T) string) ([]string, error) {
	var list []string
	for _, b := range blocks {
		g := of(b)
		if i := strings.IndexByte(g, '*'); i >= 0 && i < len(g)-1 {
			return nil, fmt.Errorf("%s %s: * may only stand at the end", what, g)
		}
		if !matchesAny(g, names) {
			return nil, fmt.Errorf("%s %s: there is no such operation; there are %s", what, g, strings.Join(names, ", "))
		}
		for _, other := range list {
			if other == g {
				return nil, fmt.Errorf("%s %s is there twice: put all of it into one block", what, g)
			}
		}
		list = append(list, g)
	}
	return list, nil
}
