package web

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// depthMax bounds nesting: no request needs more than one level.
const depthMax = 16

// unmarshalStrict decodes JSON that says one thing only: it refuses what lenient
// decoders read differently (members twice, text after the value, broken UTF-8).
// Into an any it decodes for validation, integers as int64, and a number that is
// none stays a json.Number, so that no amount is ever read as a float.
func unmarshalStrict(data []byte, into any) error {
	value, ok := into.(*any)
	if !ok {
		return json.Unmarshal(data, into)
	}
	if !utf8.Valid(data) {
		return errors.New("the body is not UTF-8")
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.UseNumber()
	parsed, err := readValue(d, "", 0)
	if err != nil {
		return fmt.Errorf("the body is not JSON that can be read in one way only: %w", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("the body goes on after its JSON value: send one value")
	}
	*value = parsed
	return nil
}

// readValue reads the value at a path, for messages.
func readValue(d *json.Decoder, path string, depth int) (any, error) {
	if depth > depthMax {
		return nil, fmt.Errorf("it is nested more than %d deep", depthMax)
	}
	token, err := d.Token()
	if err != nil {
		if err == io.EOF {
			err = io.ErrUnexpectedEOF
		}
		return nil, err
	}
	switch t := token.(type) {
	case json.Delim:
		if t == '[' {
			return readArray(d, path, depth)
		}
		return readObject(d, path, depth)
	case json.Number:
		if n, err := t.Int64(); err == nil {
			return n, nil
		}
	}
	return token, nil
}

func readArray(d *json.Decoder, path string, depth int) (any, error) {
	list := []any{}
	for d.More() {
		v, err := readValue(d, path, depth+1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := d.Token()
	return list, err
}

// readObject refuses names that differ in case only, too: encoding/json would
// take the last of them.
func readObject(d *json.Decoder, path string, depth int) (any, error) {
	members, seen := map[string]any{}, map[string]bool{}
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return nil, err
		}
		name := token.(string)
		member := strings.TrimPrefix(path+"."+name, ".")
		if folded := strings.ToLower(name); seen[folded] {
			return nil, fmt.Errorf("member %q is there twice: leave one", member)
		} else {
			seen[folded] = true
		}
		if members[name], err = readValue(d, member, depth+1); err != nil {
			return nil, err
		}
	}
	_, err := d.Token()
	return members, err
}
