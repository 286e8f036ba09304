package outcome

import (
	"encoding/binary"
	"math/bits"
	"strings"
)

// scalar reads a number, true, false or null.
func scalar(text string, i int) int {
	switch at(text, i) {
	case 't':
		return literal(text, i, "true")
	case 'f':
		return literal(text, i, "false")
	case 'n':
		return literal(text, i, "null")
	}
	return number(text, i)
}

func literal(text string, i int, word string) int {
	if strings.HasPrefix(text[i:], word) {
		return i + len(word)
	}
	return -1
}

func number(text string, i int) int {
	if at(text, i) == '-' {
		i++
	}
	if at(text, i) == '0' {
		i++
	} else {
		i = digits(text, i)
	}
	if at(text, i) == '.' {
		i = digits(text, i+1)
	}
	if c := at(text, i); c == 'e' || c == 'E' {
		i++
		if c := at(text, i); c == '+' || c == '-' {
			i++
		}
		i = digits(text, i)
	}
	return i
}

// digits reads one digit or more.
func digits(text string, i int) int {
	begin := i
	for c := at(text, i); '0' <= c && c <= '9'; c = at(text, i) {
		i++
	}
	if i == begin {
		return -1
	}
	return i
}

// quoted reads a string, eight bytes at a time.
func quoted(text string, i int) int {
	if at(text, i) != '"' {
		return -1
	}
	for i++; i+8 <= len(text); i += 8 {
		stop := special(binary.LittleEndian.Uint64([]byte(text[i:]))) // not copied
		if stop == 0 {
			continue
		}
		if i += bits.TrailingZeros64(stop) / 8; text[i] == '"' {
			return i + 1
		}
		break
	}
	return bytewise(text, i)
}

// special sets the highest bit of the first byte that is a quote, a backslash or
// a control character; 0 where none of the eight is. Those above it may be wrong.
func special(word uint64) uint64 {
	const each, highest = 0x0101010101010101, 0x8080808080808080
	quote, slash := word^(each*'"'), word^(each*'\\')
	return ((word - each*' ') | (quote - each) | (slash - each)) &^ word & highest
}

// bytewise reads the rest of a string from where it has an escape, or where the
// text is about to end.
func bytewise(text string, i int) int {
	for {
		switch c := at(text, i); {
		case c == '"':
			return i + 1
		case c == '\\':
			i = escape(text, i+1)
		case c < ' ':
			return -1
		default:
			i++
		}
	}
}

// escape reads what follows a backslash.
func escape(text string, i int) int {
	c := at(text, i)
	if c != 'u' {
		if strings.IndexByte(`"\/bfnrt`, c) < 0 {
			return -1
		}
		return i + 1
	}
	for range 4 {
		i++
		if c := at(text, i); (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
			return -1
		}
	}
	return i + 1
}
