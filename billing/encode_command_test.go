package billing

import (
	"bytes"
	"testing"

	"github.com/tallygate/tallygate/account"
)

// FuzzEncodedCommand: the journal's bytes of a command are those of encoding/json,
// whatever stands in it.
func FuzzEncodedCommand(f *testing.F) {
	for c := range 0x81 { // each character by itself
		f.Add("top-up", string(rune(c)), []byte(nil), []byte(nil), "wire", false)
	}
	for _, text := range []string{"", "customer-1 ~", "<a&b>", `"\`, "é", "\u2028\u2029", "\xff", "\ud7ff\U0001f600"} {
		f.Add(text, text, []byte(text), make([]byte, 32), text, true)
		f.Add("top-up", text, []byte{1}, []byte{2, 3}, text, false)
	}
	f.Fuzz(func(t *testing.T, kind, id string, key, content []byte, reference string, held bool) {
		in := commandInput{Type: kind, Account: id, Key: key, Content: content, Held: held,
			Command: encode(&account.TopUp{Amount: "1.00", Reference: reference})}
		if got, want := in.encoded(), encode(in); !bytes.Equal(got, want) {
			t.Errorf("%s\nwant\n%s", got, want)
		}
	})
}
