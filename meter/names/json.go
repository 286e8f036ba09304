package names

import "bytes"

// jsonParser reads an object, and keeps those of its members that are looked
// for. It accepts what encoding/json accepts, but for what two readers may read
// in two ways: text that is not UTF-8, half a surrogate pair.
type jsonParser struct {
	fields
	step  func(*jsonParser, byte) // what the next byte has to be
	stack []byte                  // { and [ that are open
	key   bool                    // the string that is read is a member's name
	name  []byte                  // of the member of the outer object
	into  int                     // the field whose value comes or is read

	number  numberState
	literal string // what is left of true, false or null
	unit    rune   // of a \uXXXX, as far as it was read
	digits  int
	half    rune // the first half of a surrogate pair, 0 = none
	inText  bool
}

// maxDepth bounds what a body can make the parser remember.
const maxDepth = 512

func newJSON(wanted []string) *jsonParser {
	return &jsonParser{fields: newFields(wanted), step: (*jsonParser).first, into: nobodys}
}

// Feed reads on.
func (j *jsonParser) Feed(p []byte) error {
	for len(p) > 0 && j.err == nil {
		if n := j.skip(p); n > 0 {
			p = p[n:]
			continue
		}
		j.step(j, p[0])
		p = p[1:]
	}
	return j.err
}

// skip passes over text that nobody looks for: most of the body.
func (j *jsonParser) skip(p []byte) int {
	if !j.inText || j.kept() {
		return 0
	}
	n := bytes.IndexByte(p, '"')
	if n < 0 {
		n = len(p)
	}
	if i := bytes.IndexByte(p[:n], '\\'); i >= 0 {
		n = i
	}
	for _, c := range p[:n] {
		if c < ' ' {
			j.fail(ErrUnreadable)
		}
	}
	return n
}

// End says that the body is over.
func (j *jsonParser) End() error {
	if j.err == nil && !j.over && (len(j.stack) > 0 || j.name == nil) {
		j.fail(ErrUnreadable)
	}
	j.over = true
	return j.err
}

func isSpace(c byte) bool { return c == ' ' || c == '\t' || c == '\n' || c == '\r' }

func (j *jsonParser) outer() bool { return len(j.stack) == 1 }

// first expects the object itself.
func (j *jsonParser) first(c byte) {
	switch {
	case c == '{':
		j.name = []byte{}
		j.open(c)
	case !isSpace(c):
		j.fail(ErrUnreadable)
	}
}

func (j *jsonParser) open(c byte) {
	if len(j.stack) == maxDepth {
		j.fail(ErrUnreadable)
		return
	}
	j.stack = append(j.stack, c)
	j.step = (*jsonParser).firstMember
	if c == '[' {
		j.step = (*jsonParser).firstElement
	}
}

func (j *jsonParser) firstMember(c byte) {
	if c == '}' {
		j.close()
		return
	}
	j.member(c)
}

func (j *jsonParser) member(c byte) {
	switch {
	case c == '"':
		j.key = true
		j.name = j.name[:0]
		j.beginText()
	case !isSpace(c):
		j.fail(ErrUnreadable)
	}
}

func (j *jsonParser) colon(c byte) {
	switch {
	case c == ':':
		j.step = (*jsonParser).value
	case !isSpace(c):
		j.fail(ErrUnreadable)
	}
}

func (j *jsonParser) firstElement(c byte) {
	if c == ']' {
		j.close()
		return
	}
	j.value(c)
}

// value expects the first byte of a value. A field has to be a text, or null.
func (j *jsonParser) value(c byte) {
	if isSpace(c) {
		return
	}
	if j.into >= 0 && c != '"' && c != 'n' {
		j.fail(ErrUnreadable)
		return
	}
	switch c {
	case '"':
		j.key = false
		j.beginText()
	case '{', '[':
		j.open(c)
	case 't':
		j.expect("rue")
	case 'f':
		j.expect("alse")
	case 'n':
		j.expect("ull")
	default:
		if j.number = beginNumber(c); j.number == notANumber {
			j.fail(ErrUnreadable)
		}
		j.step = (*jsonParser).inNumber
	}
}

func (j *jsonParser) expect(rest string) { j.literal, j.step = rest, (*jsonParser).inLiteral }

func (j *jsonParser) inLiteral(c byte) {
	if c != j.literal[0] {
		j.fail(ErrUnreadable)
		return
	}
	if j.literal = j.literal[1:]; j.literal == "" {
		j.valueEnds()
	}
}

func (j *jsonParser) inNumber(c byte) {
	next := j.number.next(c)
	switch {
	case next != notANumber:
		j.number = next
	case j.number.complete():
		j.valueEnds()
		j.step(j, c)
	default:
		j.fail(ErrUnreadable)
	}
}

func (j *jsonParser) valueEnds() {
	if j.into >= 0 {
		j.end(j.into)
		j.into = nobodys
	}
	j.step = (*jsonParser).after
}

// after expects what may follow a value inside an object or an array.
func (j *jsonParser) after(c byte) {
	inObject := j.stack[len(j.stack)-1] == '{'
	switch {
	case isSpace(c):
	case c == ',' && inObject:
		j.step = (*jsonParser).member
	case c == ',':
		j.step = (*jsonParser).value
	case c == '}' && inObject, c == ']' && !inObject:
		j.close()
	default:
		j.fail(ErrUnreadable)
	}
}

func (j *jsonParser) close() {
	j.stack = j.stack[:len(j.stack)-1]
	j.step = (*jsonParser).after
	if len(j.stack) == 0 {
		j.step = (*jsonParser).behind
	}
}

// behind expects nothing: the object has ended.
func (j *jsonParser) behind(c byte) {
	if !isSpace(c) {
		j.fail(ErrUnreadable)
	}
}
