package billing

import "encoding/base64"

// encoded is what encode makes of the input, byte for byte: every command is written
// down, and this takes a fraction of the time. Command must be as encode left it.
func (in commandInput) encoded() []byte {
	b := make([]byte, 0, 192+len(in.Account)+len(in.Command))
	b = appendText(append(b, `{"type":`...), in.Type)
	b = appendText(append(b, `,"account":`...), in.Account)
	if len(in.Key) > 0 {
		b = appendBytes(append(b, `,"key":`...), in.Key)
	}
	if len(in.Content) > 0 {
		b = appendBytes(append(b, `,"content":`...), in.Content)
	}
	b = append(append(b, `,"command":`...), in.Command...)
	if in.Held {
		b = append(b, `,"held":true`...)
	}
	return append(b, '}')
}

func appendBytes(b, data []byte) []byte {
	return append(base64.StdEncoding.AppendEncode(append(b, '"'), data), '"')
}

// appendText leaves to encode what is not written as it stands.
func appendText(b []byte, text string) []byte {
	for i := range len(text) {
		switch c := text[i]; {
		case c < ' ', c > '~', c == '"', c == '\\', c == '<', c == '>', c == '&':
			return append(b, encode(text)...)
		}
	}
	return append(append(append(b, '"'), text...), '"')
}
