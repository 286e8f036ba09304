package route

import "strings"

// Best returns the index of the most specific of the globs that match a name,
// or -1. A glob is a name, a beginning of names that ends in *, or * alone.
func Best(globs []string, name string) int {
	best, length := -1, -1
	for i, g := range globs {
		n := len(g)
		prefix, open := strings.CutSuffix(g, "*")
		switch {
		case !open && g == name:
			return i
		case open && strings.HasPrefix(name, prefix) && n > length:
			best, length = i, n
		}
	}
	return best
}
