package pricebook

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/lexer"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	bytesMax = 1 << 20 // of a price book
	depthMax = 8       // of nested [ and {, twice what a price book needs
)

// reader walks the parsed file and collects findings. It reads the nodes
// themselves, since decoding into structs would stop at the first error and
// turn prices into floats.
type reader struct {
	file     string
	findings Findings
}

func (r *reader) find(at *token.Position, format string, args ...any) {
	r.findings = append(r.findings, Finding{r.file, at.Line, at.Column, fmt.Sprintf(format, args...)})
}

// document returns the file's only document, or nil after a finding.
func (r *reader) document(data []byte) ast.Node {
	start := &token.Position{Line: 1, Column: 1}
	if len(data) > bytesMax {
		r.find(start, "the price book has %d bytes; keep it within %d", len(data), bytesMax)
		return nil
	}
	tokens := lexer.Tokenize(string(data))
	if !r.plain(tokens) {
		return nil
	}
	file, err := parser.Parse(tokens, 0, parser.AllowDuplicateMapKey())
	if err != nil {
		r.syntax(start, err)
		return nil
	}
	switch {
	case len(file.Docs) == 0 || file.Docs[0].Body == nil:
		r.find(start, "the price book is empty; begin with the line \"currency: USD\"")
		return nil
	case len(file.Docs) > 1:
		at := start
		if second := file.Docs[1]; second.Start != nil {
			at = second.Start.Position
		}
		r.find(at, "a second document begins here; remove the \"---\"")
		return nil
	}
	return file.Docs[0].Body
}

func (r *reader) syntax(start *token.Position, err error) {
	var syntax yaml.Error
	if errors.As(err, &syntax) && syntax.GetToken() != nil {
		r.find(syntax.GetToken().Position, "%s; write \"field: value\", indented with spaces", syntax.GetMessage())
		return
	}
	r.find(start, "%v; write \"field: value\", indented with spaces", err)
}

// plain refuses what YAML can do and a price book does not need, before it is
// parsed: it would only hide what a price is, or nest without end.
func (r *reader) plain(tokens token.Tokens) bool {
	depth, dashes, line := 0, 0, 0
	for _, tk := range tokens {
		if tk.Position.Line != line {
			dashes, line = 0, tk.Position.Line
		}
		switch tk.Type {
		case token.AnchorType, token.AliasType, token.TagType, token.MergeKeyType, token.DirectiveType,
			token.MappingKeyType, token.LiteralType, token.FoldedType:
			r.find(tk.Position, "%q is not used in price books; write the value out", strings.TrimSpace(tk.Value))
		case token.SequenceStartType, token.MappingStartType:
			depth++
		case token.SequenceEndType, token.MappingEndType:
			depth--
		case token.SequenceEntryType:
			dashes++
		}
		if depth > depthMax || dashes > depthMax {
			r.find(tk.Position, "lists are nested too deeply; remove a level")
			return false
		}
	}
	return len(r.findings) == 0
}

// fields are the entries of one mapping.
type fields struct {
	*reader
	what   string // what the mapping describes, for findings
	at     *token.Position
	values map[string]ast.Node
}

// fields reads a mapping that has no other keys than known.
func (r *reader) fields(n ast.Node, what string, known ...string) (fields, bool) {
	f := fields{r, what, position(n), map[string]ast.Node{}}
	entries, ok := entriesOf(n)
	if !ok {
		r.find(f.at, "%s should be a list of fields; write \"field: value\" for each of %s", what, strings.Join(known, ", "))
		return f, false
	}
	for _, entry := range entries {
		key, at := entry.Key.GetToken().Value, entry.Key.GetToken().Position
		switch {
		case !slices.Contains(known, key):
			r.find(at, "%s has no field %q; use %s", what, key, strings.Join(known, ", "))
		case f.values[key] != nil:
			r.find(at, "%s has a second %q; remove one of the two", what, key)
		default:
			f.values[key] = entry.Value
		}
	}
	return f, true
}

// required returns a field's node, or nil after a finding.
func (f fields) required(name, example string) ast.Node {
	n := f.values[name]
	if n == nil {
		f.find(f.at, "%s has no %q; add \"%s: %s\"", f.what, name, name, example)
	}
	return n
}

// list returns the elements of a list, after a finding if it is none or empty.
func (r *reader) list(n ast.Node, what string) []ast.Node {
	if n == nil {
		return nil
	}
	seq, ok := n.(*ast.SequenceNode)
	if !ok || len(seq.Values) == 0 {
		r.find(position(n), "%s should be a list with at least one entry; begin each with \"- \", or write [a, b]", what)
		return nil
	}
	return seq.Values
}

// text returns the characters of a plain or quoted value.
func (r *reader) text(n ast.Node, what string) (string, bool) {
	switch n.(type) {
	case *ast.StringNode, *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.InfinityNode, *ast.NanNode:
		return n.GetToken().Value, true
	}
	r.find(position(n), "%s should be one value; write it after the colon, on the same line", what)
	return "", false
}

func entriesOf(n ast.Node) ([]*ast.MappingValueNode, bool) {
	switch n := n.(type) {
	case *ast.MappingNode:
		return n.Values, true
	case *ast.MappingValueNode:
		return []*ast.MappingValueNode{n}, true
	}
	return nil, false
}

// position is where a value begins: for a block of fields, its first key.
func position(n ast.Node) *token.Position {
	if m, ok := n.(*ast.MappingNode); !ok || !m.IsFlowStyle {
		if entries, ok := entriesOf(n); ok && len(entries) > 0 {
			return entries[0].Key.GetToken().Position
		}
	}
	return n.GetToken().Position
}
