package caddymodule

import (
	"net/http"
	"strings"
	"sync"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/meter/outcome"
)

// tap keeps the beginning of a body, as much of it as its rule looks at.
type tap struct {
	open bool // the body has to be seen, and has not been judged
	full bool // it was judged by its beginning, and there is more of it
	kept *[]byte
}

var buffers = sync.Pool{New: func() any { return new([]byte) }}

// keep remembers more of a body. When there is more than the rule looks at, it
// judges at once and closes.
func (t *tap) keep(rule *outcome.Rule, encoding string, p []byte) account.Kind {
	if t.kept == nil {
		t.kept = buffers.Get().(*[]byte)
	}
	room := rule.Prefix - len(*t.kept)
	*t.kept = append(*t.kept, p[:min(room, len(p))]...)
	if len(p) <= room {
		return 0
	}
	why, _ := t.judge(rule, encoding, nil, false)
	t.close()
	t.full = true
	return why
}

// judge looks at what was kept and at more. Where nothing was kept, more is
// looked at where it stands. Whole says that nothing follows it.
func (t *tap) judge(rule *outcome.Rule, encoding string, more []byte, whole bool) (account.Kind, bool) {
	seen := more
	if t.kept != nil {
		room := rule.Prefix - len(*t.kept)
		whole = whole && len(more) <= room
		*t.kept = append(*t.kept, more[:min(room, len(more))]...)
		seen = *t.kept
	}
	return rule.OfBody(outcome.Body{Encoding: encoding, Seen: seen, Whole: whole})
}

func (t *tap) close() {
	t.open = false
	if t.kept != nil {
		*t.kept = (*t.kept)[:0]
		buffers.Put(t.kept)
		t.kept = nil
	}
}

// drop deletes a field that is rarely there: to look first costs less.
func drop(h http.Header, name string) {
	if _, ok := h[name]; ok {
		delete(h, name)
	}
}

// askForReadable changes a request so that its response can be judged: in an
// encoding that can be read, and the whole of it.
func askForReadable(h http.Header) {
	drop(h, "Range")
	drop(h, "If-Range")
	accept := h["Accept-Encoding"]
	if len(accept) == 0 {
		return
	}
	joined := strings.Join(accept, ",")
	if readable := outcome.Readable(joined); readable != joined {
		h["Accept-Encoding"] = []string{readable}
	}
}
