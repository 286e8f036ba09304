package outcome

import (
	"strings"

	"github.com/tidwall/gjson"
)

// The functions of this file and of scan_value.go take a text and where to begin
// in it, and return where what they read has ended, -1 where it is not JSON (RFC
// 8259). Begun at -1, they return it. Bytes above 127 are taken as they come.

// eachMember goes through a whole text once. It hands over the members of the
// outermost object, each value as it is written, and reports whether the text is
// JSON; where it is not, what was handed over says nothing.
func eachMember(text string, member func(name, value string)) bool {
	i := space(text, 0)
	if at(text, i) == '{' {
		i = members(text, i, member)
	} else {
		i = value(text, i)
	}
	return space(text, i) == len(text)
}

// members reads the outermost object.
func members(text string, i int, member func(name, value string)) int {
	if i = space(text, i+1); at(text, i) == '}' {
		return i + 1
	}
	for {
		named := quoted(text, i)
		begin := colon(text, named)
		end := value(text, begin)
		if end < 0 {
			return -1
		}
		member(unquote(text[i:named]), text[begin:end])
		i = space(text, end)
		switch at(text, i) {
		case ',':
			i = space(text, i+1)
		case '}':
			return i + 1
		default:
			return -1
		}
	}
}

// unquote leaves the rare name with escapes to what reads the values.
func unquote(name string) string {
	if strings.IndexByte(name, '\\') >= 0 {
		return gjson.Parse(name).Str
	}
	return name[1 : len(name)-1]
}

// value reads a value and all that is nested in it. It calls itself at every 63rd
// level only: how deep a text goes is up to who sends it.
func value(text string, i int) int {
	open := uint64(1) // below a first 1, a bit for each open bracket: 0 for [, 1 for {
	for {
		switch c := at(text, i); {
		case c == '"':
			i = quoted(text, i)
		case c != '{' && c != '[':
			i = scalar(text, i)
		case open>>63 != 0:
			i = value(text, i)
		default:
			open = open<<1 | uint64(c>>5&1)
			i = space(text, i+1)
			if at(text, i) != closing(open) {
				if open&1 != 0 {
					i = colon(text, quoted(text, i))
				}
				continue
			}
		}
		for open != 1 {
			i = space(text, i)
			c := at(text, i)
			if c == ',' {
				break
			}
			if c != closing(open) {
				return -1
			}
			i++
			open >>= 1
		}
		if open == 1 {
			return i
		}
		i = space(text, i+1)
		if open&1 != 0 {
			i = colon(text, quoted(text, i))
		}
	}
}

// closing is the bracket that ends what was opened last.
func closing(open uint64) byte { return ']' | byte(open&1)<<5 }

// colon reads what is between a name and its value.
func colon(text string, i int) int {
	if i = space(text, i); at(text, i) != ':' {
		return -1
	}
	return space(text, i+1)
}

func space(text string, i int) int {
	for uint(i) < uint(len(text)) && text[i] <= ' ' && (text[i] == ' ' || text[i] == '\n' || text[i] == '\t' || text[i] == '\r') {
		i++
	}
	return i
}

// at returns 0, which is nowhere allowed, outside of the text.
func at(text string, i int) byte {
	if uint(i) < uint(len(text)) {
		return text[i]
	}
	return 0
}
