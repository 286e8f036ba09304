package names

import (
	"unicode/utf16"
	"unicode/utf8"
)

// kept reports whether the text that is read matters: a field, or the name of a
// member of the outer object.
func (j *jsonParser) kept() bool { return j.into >= 0 || j.key && j.outer() }

func (j *jsonParser) beginText() { j.inText, j.step = true, (*jsonParser).text }

func (j *jsonParser) text(c byte) {
	switch {
	case c == '\\':
		j.inText, j.step = false, (*jsonParser).escaped
	case c == '"':
		j.textEnds()
	case c < ' ':
		j.fail(ErrUnreadable)
	default:
		j.put(c)
	}
}

// put keeps bytes of a text that matters.
func (j *jsonParser) put(p ...byte) {
	switch {
	case !j.kept():
	case j.half != 0:
		j.fail(ErrUnreadable)
	case !j.key:
		j.add(j.into, p...)
	case len(j.name)+len(p) > MaxValue:
		j.fail(ErrTooLong)
	default:
		j.name = append(j.name, p...)
	}
}

func (j *jsonParser) textEnds() {
	j.inText = false
	kept := j.name
	if !j.key && j.into >= 0 {
		kept = j.list[j.into].value
	}
	if j.kept() && (j.half != 0 || !utf8.Valid(kept)) {
		j.fail(ErrUnreadable)
		return
	}
	if !j.key {
		j.valueEnds()
		return
	}
	if j.outer() {
		j.into = j.begin(j.name)
	}
	j.step = (*jsonParser).colon
}

// escapes are what follows a backslash, and what it stands for.
var escapes = map[byte]byte{'"': '"', '\\': '\\', '/': '/', 'b': '\b', 'f': '\f', 'n': '\n', 'r': '\r', 't': '\t'}

func (j *jsonParser) escaped(c byte) {
	if c == 'u' {
		j.unit, j.digits, j.step = 0, 0, (*jsonParser).unicode
		return
	}
	plain, ok := escapes[c]
	if !ok {
		j.fail(ErrUnreadable)
		return
	}
	j.put(plain)
	j.beginText()
}

// unicode reads the four digits of an escape; two escapes may make one rune.
func (j *jsonParser) unicode(c byte) {
	d, ok := digit(c)
	if !ok {
		j.fail(ErrUnreadable)
		return
	}
	j.unit = j.unit<<4 | rune(d)
	if j.digits++; j.digits < 4 {
		return
	}
	j.beginText()
	if !j.kept() {
		return
	}
	first, unit := j.half, j.unit
	j.half = 0
	switch {
	case first != 0:
		unit = utf16.DecodeRune(first, unit)
		if unit == utf8.RuneError {
			j.fail(ErrUnreadable)
		}
	case utf16.IsSurrogate(unit):
		j.half = unit
		return
	}
	j.put(utf8.AppendRune(nil, unit)...)
}
