package power

import (
	"maps"
	"path/filepath"
	"slices"
	"strings"
)

// manifest is the name of the file in which Badger says which tables it has.
const manifest = "MANIFEST"

// names draws which names are there: path → ID.
func (c *cut) names() map[string]string {
	after := map[string]string{}
	for _, group := range c.groups() {
		c.draw(after, group)
	}
	for path := range after {
		if !c.hasFolder(after, path) {
			delete(after, path)
		}
	}
	return after
}

// hasFolder: what is in a folder that has no name, is not there either.
func (c *cut) hasFolder(after map[string]string, path string) bool {
	for dir := filepath.Dir(path); dir != "."; dir = filepath.Dir(dir) {
		if _, there := after[dir]; !there {
			return false
		}
	}
	return true
}

// draw takes one of: the durable names; the live ones; those without the files
// that are new.
func (c *cut) draw(after map[string]string, group []string) {
	kind := c.chance.IntN(3)
	if badger(group[0]) { // a table is there with its name
		kind = min(kind, 1)
		c.newer[filepath.Dir(group[0])] = kind == 1
	}
	for _, path := range group {
		was, is := c.durable.Names[path], c.live.Names[path]
		id := was
		if kind > 0 {
			id = is
		}
		if badger(path) && is == "" && c.chance.IntN(2) == 0 { // a removal comes later
			id = was
		}
		if kind == 2 && is != "" && was != is && !slices.Contains(slices.Collect(maps.Values(c.durable.Names)), is) {
			id = ""
		}
		if id != "" {
			after[path] = id
		}
		if id != was {
			c.report.Names++
		}
	}
}

// badger reports whether a path is that of a file in Badger's folder.
func badger(path string) bool { return strings.Contains("/"+path, "/badger/") }

// groups are the names that change together: those of Badger's folder, and those
// that were given to the same file in turn, as by a rename.
func (c *cut) groups() [][]string {
	all := map[string]bool{}
	for _, names := range []map[string]string{c.durable.Names, c.live.Names} {
		for path := range names {
			all[path] = true
		}
	}
	paths := slices.Sorted(maps.Keys(all))
	parent := map[string]string{}
	var root func(string) string
	root = func(key string) string {
		if up, ok := parent[key]; ok && up != key {
			return root(up)
		}
		return key
	}
	join := func(a, b string) { parent[root(a)] = root(b) }
	for _, path := range paths {
		for _, id := range []string{c.durable.Names[path], c.live.Names[path]} {
			if id != "" {
				join("path "+path, "id "+id)
			}
		}
		if badger(path) {
			join("path "+path, "badger in "+filepath.Dir(path))
		}
	}
	groups, order := map[string][]string{}, []string{}
	for _, path := range paths {
		r := root("path " + path)
		if groups[r] == nil {
			order = append(order, r)
		}
		groups[r] = append(groups[r], path)
	}
	list := make([][]string, 0, len(order))
	for _, r := range order {
		list = append(list, groups[r])
	}
	return list
}
