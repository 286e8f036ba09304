// Package names reads a few named fields out of a request's body while it
// streams by: whose instance, which product, which picture (D28, D38). It keeps
// the values and nothing else of the body, however long that is.
//
//	p, err := names.New("application/x-www-form-urlencoded", names.Form, []string{"InstanceName", "PicName"})
//	err = p.Feed(chunk)                // again and again; the chunks may be cut anywhere
//	instance, known := p.Value(0)      // known as soon as its value has ended
//	err = p.End()                      // from here on, what is not known is not there
//
// What a body says must be what every server behind the gateway would read, or
// one customer could be served on another's plan. So a body is an error where two
// servers could read two things: a field that stands twice, a name that differs
// only in what some server overlooks (route.Alike), a semicolon that may
// separate, an escape that is none, JSON that is not JSON, a part that is framed
// oddly.
package names

import (
	"crypto/sha256"
	"errors"
	"fmt"

	"github.com/tallygate/tallygate/meter/route"
)

// MaxValue is how long a value may be, in bytes, decoded.
const MaxValue = 1 << 10

// Errors of Feed and End. They are final: the parser reads nothing after them.
var (
	ErrTwice      = errors.New("a field stands twice, or another is named almost like it")
	ErrTooLong    = fmt.Errorf("a field is longer than %d bytes", MaxValue)
	ErrUnreadable = errors.New("the body cannot be read in one way only")
)

// Hash is how a product or a picture is known in the ledger: the first 128 bits
// of the SHA-256 of its name (D28).
func Hash(name string) [16]byte {
	sum := sha256.Sum256([]byte(name))
	return [16]byte(sum[:16])
}

// Parser reads one body.
type Parser interface {
	// Feed reads on. The chunks may be cut anywhere.
	Feed(p []byte) error

	// End says that the body is over.
	End() error

	// Elsewhere says that the i-th field stands outside of the body: it must not
	// stand in it as well.
	Elsewhere(i int)

	// Value returns what the i-th field says, and whether it was read to its
	// end. An empty value, a JSON null and, after End, a missing field are "".
	Value(i int) (value string, known bool)
}

// fields are what a parser looks for and what it found.
type fields struct {
	list []field
	err  error
	over bool
}

type field struct {
	name  string // "" = does not stand in the body
	value []byte
	begun bool
	known bool
}

func newFields(wanted []string) fields {
	f := fields{list: make([]field, len(wanted))}
	for i, name := range wanted {
		f.list[i].name = name
	}
	return f
}

// Elsewhere says that a field has begun before the body.
func (f *fields) Elsewhere(i int) { f.list[i].begun = true }

// Value returns what a field says.
func (f *fields) Value(i int) (string, bool) {
	return string(f.list[i].value), f.list[i].known || f.over && f.err == nil
}

func (f *fields) fail(err error) {
	if f.err == nil {
		f.err = err
	}
}

// nobodys stands for a field that nobody looks for.
const nobodys = -1

// begin returns the index of the field of this name, and fails where the name
// stands twice or could be taken for one of the fields.
func (f *fields) begin(name []byte) int {
	for i := range f.list {
		w := &f.list[i]
		switch {
		case w.name == "" || !alike(name, w.name):
		case w.begun || string(name) != w.name:
			f.fail(ErrTwice)
			return nobodys
		default:
			w.begun = true
			return i
		}
	}
	return nobodys
}

// alike reports whether a server that overlooks something in a name would take
// this one for the other.
func alike(name []byte, wanted string) bool {
	return len(name) >= len(wanted) && route.Alike(string(name), wanted)
}

// add adds to the value of a field.
func (f *fields) add(i int, p ...byte) {
	w := &f.list[i]
	if len(w.value)+len(p) > MaxValue {
		f.fail(ErrTooLong)
		return
	}
	w.value = append(w.value, p...)
}

func (f *fields) end(i int) { f.list[i].known = true }
