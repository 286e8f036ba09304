package names

import (
	"bytes"
	"mime"
	"regexp"
	"strings"
)

// multipartParser reads multipart/form-data, framed as clients frame it: lines
// end with CRLF, nothing stands before the first boundary or after the last, no
// header field is folded. A boundary after half of a line's end is content to
// some servers, and a boundary to others (PHP, Werkzeug): it is an error.
type multipartParser struct {
	fields
	delimiter []byte // CRLF -- boundary
	state     multipartState
	held      []byte // of a part: may be the beginning of a delimiter
	unreal    int    // so many bytes of held were never there: see enter
	head      []byte // of the part's header, or what follows a delimiter
	into      int
}

type multipartState uint8

const (
	beforeParts multipartState = iota
	inPart
	afterDelimiter
	inHeader
	afterParts
)

// maxHeader is how long the header of a part may be.
const maxHeader = 4 << 10

func newMultipart(boundary string, wanted []string) (*multipartParser, error) {
	if boundary == "" || len(boundary) > 70 || strings.HasSuffix(boundary, " ") {
		return nil, ErrUnreadable
	}
	m := &multipartParser{fields: newFields(wanted), delimiter: []byte("\r\n--" + boundary)}
	m.enter(beforeParts, nobodys)
	return m, nil
}

// enter begins a stretch that lasts until a delimiter. A delimiter begins with a
// line's end, and the line before has just ended.
func (m *multipartParser) enter(state multipartState, into int) {
	m.state, m.into = state, into
	m.held, m.unreal = append(m.held[:0], '\r', '\n'), 2
}

// Feed reads on.
func (m *multipartParser) Feed(p []byte) error {
	for len(p) > 0 && m.err == nil {
		switch m.state {
		case beforeParts, inPart:
			p = m.stretch(p)
		case afterDelimiter:
			m.delimited(p[0])
			p = p[1:]
		case inHeader:
			m.header(p[0])
			p = p[1:]
		case afterParts:
			m.epilogue(p[0])
			p = p[1:]
		}
	}
	return m.err
}

// stretch reads up to the next delimiter and returns what follows it.
func (m *multipartParser) stretch(p []byte) []byte {
	if len(m.held) > 0 {
		p = append(m.held, p...)
		m.held = nil
	}
	i := bytes.Index(p, m.delimiter)
	if m.stray(p, i) {
		m.fail(ErrUnreadable)
		return nil
	}
	if i < 0 {
		keep := m.pending(p)
		m.content(p[:len(p)-keep])
		m.held = append(m.held, p[len(p)-keep:]...)
		return nil
	}
	if i == 0 && m.unreal > 0 && m.state == inPart {
		m.fail(ErrUnreadable) // some take it for a delimiter, some for content
		return nil
	}
	m.content(p[:i])
	if m.into >= 0 && m.err == nil {
		m.end(m.into)
	}
	m.state, m.head, m.unreal = afterDelimiter, m.head[:0], 0
	return p[i+len(m.delimiter):]
}

// stray reports whether a boundary stands in p after a CR or an LF alone, before
// the delimiter at i; -1 = there is none.
func (m *multipartParser) stray(p []byte, i int) bool {
	boundary := m.delimiter[2:]
	for at := 0; ; at++ {
		n := bytes.Index(p[at:], boundary)
		if at += n; n < 0 || i >= 0 && at >= i {
			return false
		}
		if at > 0 && (p[at-1] == '\n' || p[at-1] == '\r') {
			return true
		}
	}
}

// pending is how many bytes at the end of p may begin a delimiter, or a stray
// boundary.
func (m *multipartParser) pending(p []byte) int {
	n := max(overlap(p, m.delimiter), overlap(p, m.delimiter[1:]))
	boundary := m.delimiter[2:]
	if last := overlap(p, boundary); last < len(p) && p[len(p)-1-last] == '\r' {
		n = max(n, last+1)
	}
	return n
}

// overlap is how many bytes at the end of p may begin a delimiter.
func overlap(p, delimiter []byte) int {
	for n := min(len(p), len(delimiter)-1); n > 0; n-- {
		if bytes.HasPrefix(delimiter, p[len(p)-n:]) {
			return n
		}
	}
	return 0
}

func (m *multipartParser) content(p []byte) {
	if len(p) == 0 {
		return
	}
	p = p[min(m.unreal, len(p)):]
	m.unreal = 0
	switch {
	case len(p) == 0:
	case m.state == beforeParts:
		m.fail(ErrUnreadable)
	case m.into >= 0:
		m.add(m.into, p...)
	}
}

func (m *multipartParser) delimited(c byte) {
	m.head = append(m.head, c)
	if len(m.head) < 2 {
		return
	}
	switch string(m.head) {
	case "\r\n":
		m.state, m.head = inHeader, m.head[:0]
	case "--":
		m.state, m.head = afterParts, m.head[:0]
	default:
		m.fail(ErrUnreadable)
	}
}

func (m *multipartParser) epilogue(c byte) {
	if m.head = append(m.head, c); !strings.HasPrefix("\r\n", string(m.head)) {
		m.fail(ErrUnreadable)
	}
}

func (m *multipartParser) header(c byte) {
	if m.head = append(m.head, c); len(m.head) > maxHeader {
		m.fail(ErrUnreadable)
		return
	}
	if c != '\n' {
		return
	}
	if header, ended := bytes.CutSuffix(m.head, []byte("\r\n\r\n")); ended || string(m.head) == "\r\n" {
		if !ended {
			header = nil
		}
		m.enter(inPart, m.partOf(string(header)))
	}
}

// partOf returns the field that a part is, by its header.
func (m *multipartParser) partOf(header string) int {
	h, ok := parsePart(header)
	if !ok {
		m.fail(ErrUnreadable)
		return nobodys
	}
	i := m.begin([]byte(h.name))
	if i >= 0 && !h.plain {
		m.fail(ErrUnreadable)
	}
	return i
}

// part is what the header of a part says.
type part struct {
	name  string
	plain bool // not a file, not encoded, in UTF-8
}

func parsePart(header string) (part, bool) {
	p := part{plain: true}
	seen := false
	for header != "" {
		var line string
		line, header, _ = strings.Cut(header, "\r\n")
		key, value, ok := strings.Cut(line, ":")
		if !ok || !token(key) || strings.ContainsFunc(value, control) {
			return p, false
		}
		value = strings.Trim(value, " \t")
		switch strings.ToLower(key) {
		case "content-disposition":
			if seen || !p.disposition(value) {
				return p, false
			}
			seen = true
		case "content-transfer-encoding":
			p.plain = p.plain && (strings.EqualFold(value, "8bit") || strings.EqualFold(value, "7bit") || strings.EqualFold(value, "binary"))
		case "content-type":
			media, params, err := mime.ParseMediaType(value)
			p.plain = p.plain && err == nil && media == "text/plain" && utf8Only(params["charset"])
		}
	}
	return p, true
}

// disposition reads form-data; name="…"; filename="…". Escaped quotes, names in
// another character set or in encoded words (Tomcat decodes them), and anything
// else are read in more than one way.
func (p *part) disposition(value string) bool {
	lower := strings.ToLower(value)
	if strings.Contains(value, `\"`) || strings.Contains(strings.ReplaceAll(lower, "filename*", ""), "name*") {
		return false
	}
	media, params, err := mime.ParseMediaType(value)
	if err != nil || media != "form-data" || strings.Contains(params["name"], "=?") {
		return false
	}
	for key, v := range params {
		if key != "name" && key != "filename" || nameWithin.MatchString(v) {
			return false
		}
	}
	p.name = params["name"]
	_, file := params["filename"]
	p.plain = p.plain && !file && !strings.Contains(lower, "filename*")
	return true
}

// nameWithin is what a server finds that looks for a name wherever it stands
// (Formidable).
var nameWithin = regexp.MustCompile(`(?i)\bname\s*=`)

// control reports what may not stand in a header field.
func control(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }

// token reports whether a header field may have this name.
func token(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c != '-' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return s != ""
}

// End says that the form is over.
func (m *multipartParser) End() error {
	if m.state != afterParts {
		m.fail(ErrUnreadable)
	}
	m.over = true
	return m.err
}
