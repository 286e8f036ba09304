package names

import "bytes"

// formParser reads application/x-www-form-urlencoded.
type formParser struct {
	fields
	key    []byte
	into   int  // the field whose value is read; nobodys; inKey
	escape int  // how many characters of a %XX were read
	high   byte // its first digit
}

const inKey = -2

func newForm(wanted []string) *formParser { return &formParser{fields: newFields(wanted), into: inKey} }

// Feed reads on.
func (f *formParser) Feed(p []byte) error {
	for len(p) > 0 && f.err == nil {
		if f.into == nobodys {
			p = f.skip(p)
			continue
		}
		f.read(p[0])
		p = p[1:]
	}
	return f.err
}

// skip passes over a value that nobody looks for: most of the body.
func (f *formParser) skip(p []byte) []byte {
	value, rest, ended := bytes.Cut(p, []byte{'&'})
	if bytes.IndexByte(value, ';') >= 0 {
		f.fail(ErrUnreadable)
	}
	if ended {
		f.next()
	}
	return rest
}

func (f *formParser) read(c byte) {
	switch {
	case f.escape > 0:
		f.unescape(c)
	case c == '&':
		f.pairEnds()
	case c == '=' && f.into == inKey:
		f.into = f.begin(f.key)
	case c == ';':
		f.fail(ErrUnreadable)
	case c == '%':
		f.escape = 1
	case c == '+':
		f.put(' ')
	default:
		f.put(c)
	}
}

func (f *formParser) unescape(c byte) {
	d, ok := digit(c)
	switch {
	case !ok:
		f.fail(ErrUnreadable)
	case f.escape == 1:
		f.high, f.escape = d, 2
	default:
		f.escape = 0
		f.put(f.high<<4 | d)
	}
}

func (f *formParser) put(c byte) {
	switch {
	case f.into != inKey:
		f.add(f.into, c)
	case len(f.key) == MaxValue:
		f.fail(ErrTooLong)
	default:
		f.key = append(f.key, c)
	}
}

func (f *formParser) pairEnds() {
	if f.escape > 0 {
		f.fail(ErrUnreadable)
		return
	}
	if f.into == inKey {
		f.into = f.begin(f.key)
	}
	if f.into >= 0 && f.err == nil {
		f.end(f.into)
	}
	f.next()
}

func (f *formParser) next() { f.key, f.into = f.key[:0], inKey }

// End says that the form is over.
func (f *formParser) End() error {
	if f.err == nil && !f.over {
		f.pairEnds()
		f.over = true
	}
	return f.err
}

// digit is the value of a hexadecimal digit.
func digit(c byte) (byte, bool) {
	switch {
	case c >= '0' && c <= '9':
		return c - '0', true
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10, true
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
}
