package names

import (
	"mime"
	"strings"
)

// Kind says what bodies fields stand in.
type Kind uint8

// Form is a form of either encoding, JSON an object with the fields as members.
const (
	Form Kind = 1
	JSON Kind = 2
)

// New makes a parser for a body of a content type. The error is ErrUnreadable
// where the type is not of that kind, or in a character set but UTF-8.
func New(contentType string, kind Kind, wanted []string) (Parser, error) {
	media, params, err := mime.ParseMediaType(contentType)
	if err != nil || !utf8Only(params["charset"]) || kind == Form && !formOnly(contentType, params) {
		return nil, ErrUnreadable
	}
	switch {
	case kind == Form && media == "application/x-www-form-urlencoded":
		return newForm(wanted), nil
	case kind == Form && media == "multipart/form-data":
		return newMultipart(params["boundary"], wanted)
	case kind == JSON && (media == "application/json" || strings.HasPrefix(media, "application/") && strings.HasSuffix(media, "+json")):
		return newJSON(wanted), nil
	}
	return nil, ErrUnreadable
}

// formOnly accepts no parameter that some server may take for the boundary or
// the character set, as PHP takes the first one whose name ends in boundary.
func formOnly(contentType string, params map[string]string) bool {
	delete(params, "charset")
	_, bounded := params["boundary"]
	return !strings.Contains(contentType, "*") && (len(params) == 0 || bounded && len(params) == 1)
}

// utf8Only accepts what is UTF-8 under every reading.
func utf8Only(charset string) bool {
	switch strings.ToLower(charset) {
	case "", "utf-8", "utf8", "us-ascii":
		return true
	}
	return false
}
