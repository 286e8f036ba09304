package outcome

import (
	"bytes"
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
	if whole && !gjson.ValidBytes(text) || !whole && !beginsJSON(text) {
		return account.FailedNotJSON, whole
	}
	if !r.membersPass(text, whole) {
		return account.FailedBody, whole
	}
	return 0, whole
}

// beginsJSON reports whether more bytes could make this a JSON text.
func beginsJSON(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	return len(text) == 0 || bytes.IndexByte([]byte(`{["-0123456789tfn`), text[0]) >= 0
}

// membersPass goes through the members of the outermost object, all of them:
// where a name is there twice, one failure is enough.
func (r *Rule) membersPass(text []byte, whole bool) bool {
	// The string does not outlive this call, so it may share the bytes.
	object := gjson.Parse(unsafe.String(unsafe.SliceData(text), len(text)))
	passed, seen := true, uint64(0)
	if object.IsObject() {
		object.ForEach(func(name, value gjson.Result) bool {
			for i := range r.Members {
				if m := &r.Members[i]; m.Name == name.Str {
					seen |= 1 << i
					passed = passed && m.accepts(value)
				}
			}
			return passed
		})
	}
	for i := range r.Members {
		if whole && seen&(1<<i) == 0 && !r.Members[i].mayLack() {
			return false
		}
	}
	return passed
}
