// Package route finds the operation that a request calls, from its method, its
// path and, for RPC-style services, its Action.
//
//	var t route.Table
//	err := t.Add(route.Pattern{Method: "POST", Path: "/v2/image/add"}, 7)
//	path, ok := route.Normal(r.URL)
//	target, ok := t.Match("POST", path, r.URL.RawQuery) // 7, true
//
// The most specific pattern wins: read from the left, a literal segment before
// a parameter, and that before a trailing *; then a pattern with an action
// before one without, and a method before any.
package route

import (
	"fmt"
	"strings"
)

// Table matches requests against patterns. It is a tree by segment. Fill it
// first; afterwards it may be used by many at once. Matching does not allocate.
type Table struct{ root node }

type node struct {
	literal   map[string]*node
	parameter *node
	here      []rule // patterns that end at this segment
	below     []rule // patterns that end in * at this level
}

// rule is the part of a pattern that is not its path.
type rule struct {
	Pattern
	target int
}

// Add puts a pattern that stands for target.
func (t *Table) Add(p Pattern, target int) error {
	if err := p.Check(); err != nil {
		return err
	}
	n := &t.root
	list := &n.here
	rest := p.Path[1:]
	for more := p.Path != "/"; more; {
		var segment string
		segment, rest, more = strings.Cut(rest, "/")
		if segment == "*" {
			list = &n.below
			break
		}
		n = n.child(segment)
		list = &n.here
	}
	for _, r := range *list {
		if r.Method == p.Method && r.Action == p.Action {
			return fmt.Errorf("%s is there twice: remove one, or tell them apart by method or action", p)
		}
	}
	*list = append(*list, rule{p, target})
	return nil
}

// child returns the node of a segment, made at its first use.
func (n *node) child(segment string) *node {
	if isParameter(segment) {
		if n.parameter == nil {
			n.parameter = &node{}
		}
		return n.parameter
	}
	if n.literal == nil {
		n.literal = make(map[string]*node)
	}
	if n.literal[segment] == nil {
		n.literal[segment] = &node{}
	}
	return n.literal[segment]
}

// Match returns the target of the most specific pattern for a normal path and a
// raw query.
func (t *Table) Match(method, path, query string) (target int, ok bool) {
	m := match{method: method, query: query}
	if path == "/" {
		r := m.choose(t.root.here)
		return m.result(r)
	}
	return m.result(m.walk(&t.root, path[1:]))
}

// match is one look-up.
type match struct {
	method, query string
}

func (m *match) result(r *rule) (int, bool) {
	if r == nil {
		return 0, false
	}
	return r.target, true
}

// walk follows the segments of rest from a node, most specific branch first.
func (m *match) walk(n *node, rest string) *rule {
	segment, tail, more := strings.Cut(rest, "/")
	if next := n.literal[segment]; next != nil {
		if r := m.step(next, tail, more); r != nil {
			return r
		}
	}
	if n.parameter != nil && segment != "" {
		if r := m.step(n.parameter, tail, more); r != nil {
			return r
		}
	}
	if len(n.below) > 0 && rest != "" && rest[len(rest)-1] != '/' {
		return m.choose(n.below)
	}
	return nil
}

func (m *match) step(n *node, tail string, more bool) *rule {
	if more {
		return m.walk(n, tail)
	}
	return m.choose(n.here)
}

// choose picks the rule for the method and, where rules ask for one, the action.
func (m *match) choose(rules []rule) *rule {
	var best *rule
	rank := 0
	action, asked, clear := "", false, true
	for i := range rules {
		r := &rules[i]
		score := 1
		switch {
		case r.Method == "*":
		case r.Method == m.method, r.Method == "GET" && m.method == "HEAD":
			score = 2
		default:
			continue
		}
		if r.Action != "" {
			if !asked {
				action, clear = Parameter(m.query, "Action")
				asked = true
			}
			if r.Action != action {
				continue
			}
			score += 2
		}
		if score > rank {
			best, rank = r, score
		}
	}
	if !clear {
		return nil // two servers could take two different actions from it
	}
	return best
}
