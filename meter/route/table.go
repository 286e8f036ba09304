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

// Table matches requests against patterns. It is a tree by segment, as far as
// patterns have parameters: what is literal to its end is one look-up. Fill it
// first; afterwards it may be used by many at once. Matching does not allocate.
type Table struct{ root node }

type node struct {
	ends      map[string][]rule // patterns that are literal from here on, by the rest of their path
	literal   map[string]*node  // by the next segment, where a parameter or * is still to come
	parameter *node
	below     []rule // patterns of which only /* is left
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
	n, rest := &t.root, p.Path
	for rest != everything && strings.ContainsAny(rest, "*{") {
		var segment string
		segment, rest = cut(rest)
		n = n.child(segment)
	}
	rules := n.ends[rest]
	if rest == everything {
		rules = n.below
	}
	for _, r := range rules {
		if r.Method == p.Method && r.Action == p.Action {
			return fmt.Errorf("%s is there twice: remove one, or tell them apart by method or action", p)
		}
	}
	n.put(rest, append(rules, rule{p, target}))
	return nil
}

// everything is the rest of a pattern that takes all that is below it.
const everything = "/*"

func (n *node) put(rest string, rules []rule) {
	if rest == everything {
		n.below = rules
		return
	}
	if n.ends == nil {
		n.ends = make(map[string][]rule)
	}
	n.ends[rest] = rules
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

// cut takes the first segment off a path. What is left is empty, or begins with
// a slash, too.
func cut(path string) (segment, rest string) {
	path = path[1:]
	if i := strings.IndexByte(path, '/'); i >= 0 {
		return path[:i], path[i:]
	}
	return path, ""
}

// Match returns the target of the most specific pattern for a normal path and a
// raw query.
func (t *Table) Match(method, path, query string) (target int, ok bool) {
	m := match{method: method, query: query}
	if r := m.walk(&t.root, path); r != nil {
		return r.target, true
	}
	return 0, false
}

// match is one look-up.
type match struct {
	method, query string
}

// walk follows the rest of a path from a node, most specific branch first.
func (m *match) walk(n *node, path string) *rule {
	if rules := n.ends[path]; len(rules) > 0 {
		if r := m.choose(rules); r != nil {
			return r
		}
	}
	if path == "" {
		return nil
	}
	segment, rest := cut(path)
	if next := n.literal[segment]; next != nil {
		if r := m.walk(next, rest); r != nil {
			return r
		}
	}
	if n.parameter != nil && segment != "" {
		if r := m.walk(n.parameter, rest); r != nil {
			return r
		}
	}
	if len(n.below) > 0 && path[len(path)-1] != '/' {
		return m.choose(n.below)
	}
	return nil
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
