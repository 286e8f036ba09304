package outcome

import (
	"bytes"
	"strings"
	"unsafe"

	"github.com/tallygate/tallygate/account"
	"github.com/tidwall/gjson"
)

// Body is what was seen of a response's body.
type Body struct {
	Encoding string // the Content-Encoding header
	Seen     []byte // its beginning, as sent; not kept
	Whole    bool   // and its end: nothing follows
}

var byteOrderMark = []byte("\xef\xbb\xbf")

// OfBody says why what was seen of a body is a failure, 0 if it shows none.
// Whole then reports whether the end of the body was seen, decompressed: where
// it was not, the answer is a presumption.
func (r *Rule) OfBody(b Body) (why account.Kind, whole bool) {
	if len(r.Members) == 0 {
		return 0, b.Whole
	}
	d := newDecoder(b.Encoding)
	if d == nil {
		return r.ofText(b.Seen, b.Whole)
	}
	defer d.free()
	text, end := d.decode(b.Seen, r.Prefix)
	if end == damaged || (end == cutShort && b.Whole) {
		return account.FailedNotJSON, b.Whole
	}
	return r.ofText(text, end == complete)
}

// ofText judges a plain body.
func (r *Rule) ofText(text []byte, whole bool) (account.Kind, bool) {
	if len(text) > r.Prefix {
		text, whole = text[:r.Prefix], false
	}
	text = bytes.TrimPrefix(text, byteOrderMark)
	// The string does not outlive this call, so it may share the bytes.
	shared := unsafe.String(unsafe.SliceData(text), len(text))
	if whole {
		return r.ofWhole(shared), true
	}
	return r.ofBeginning(shared), false
}

// ofWhole judges a text by the members of its outermost object, all of them:
// where a name is there twice, one failure is enough.
func (r *Rule) ofWhole(text string) account.Kind {
	passed, seen := true, uint64(0)
	valid := eachMember(text, func(name, value string) {
		for i := range r.Members {
			if m := &r.Members[i]; m.Name == name {
				seen |= 1 << i
				passed = passed && m.accepts(gjson.Parse(value))
			}
		}
	})
	for i := range r.Members {
		passed = passed && (seen&(1<<i) != 0 || r.Members[i].mayLack())
	}
	switch {
	case !valid:
		return account.FailedNotJSON
	case !passed:
		return account.FailedBody
	}
	return 0
}

// ofBeginning judges by the members that can be seen. One that cannot may yet
// follow.
func (r *Rule) ofBeginning(text string) account.Kind {
	if !beginsJSON(text) {
		return account.FailedNotJSON
	}
	passed := true
	if object := gjson.Parse(text); object.IsObject() {
		object.ForEach(func(name, value gjson.Result) bool {
			for i := range r.Members {
				m := &r.Members[i]
				passed = passed && (m.Name != name.Str || m.accepts(value))
			}
			return passed
		})
	}
	if !passed {
		return account.FailedBody
	}
	return 0
}

// beginsJSON reports whether more bytes could make this a JSON text.
func beginsJSON(text string) bool {
	text = strings.TrimLeft(text, " \t\r\n")
	return text == "" || strings.IndexByte(`{["-0123456789tfn`, text[0]) >= 0
}
