// Package tallygate_test keeps the architecture: which package may import which,
// and what must not reach for the disk, the network or the clock. Test files
// may import what they like.
package tallygate_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
)

const module = "github.com/tallygate/tallygate"

// arrows say which folder may import which, and whatever that one may: what
// is not named is forbidden. A folder stands for those in it that have no row.
var arrows = map[string][]string{
	"cmd":                {"caddymodule"},
	"caddymodule":        {"web", "meter", "ledger/badgerstore"},
	"web":                {"billing"},
	"web/webtest":        {"web", "ledger/badgerstore"},
	"billing":            {"ledger"},
	"ledger/badgerstore": {"ledger"},
	"ledger/ledgertest":  {"ledger"},
	"ledger":             {"account", "durable"},
	"meter":              {"account", "durable"},
	"account":            {"rating"},
	"rating":             {"rating/pricebook"},
	"rating/pricebook":   {"rating/money"},
	"rating/money":       {},
	"durable":            {"failpoint"},
	"failpoint":          {},
}

// ban keeps imports out of folders and all that is in them.
type ban struct {
	from      []string
	forbidden []string // with everything below
	except    []string // folders or files
	why       string
}

var everywhere = slices.Sorted(maps.Keys(arrows))

var pure = []string{"account", "rating"}

var bans = []ban{
	{everywhere, []string{"github.com/dgraph-io"}, []string{"ledger/badgerstore"},
		"one package knows Badger: another backend must not need a change elsewhere"},
	{everywhere, []string{"github.com/caddyserver"}, []string{"cmd", "caddymodule"},
		"the core runs under any net/http server, and its tests without Caddy"},
	{[]string{"ledger"}, []string{"database", "github.com/jackc", "go.etcd.io/bbolt", "github.com/redis"}, nil,
		"the contract is not written for one database"},
	{pure, []string{"os", "io/fs", "io/ioutil", "syscall", "golang.org/x/sys", "embed", "unsafe"}, []string{"rating/pricebook/parse.go"},
		"a statement is recomputed from its inputs alone: read files in the caller, or in pricebook.Load"},
	{pure, []string{"net", "log", "context"}, nil,
		"pure functions talk to nobody and do not wait"},
	{pure, []string{"math/rand", "crypto/rand"}, nil,
		"the same inputs give the same bytes for ever"},
	{everywhere, []string{"testing", "pgregory.net/rapid"}, []string{"ledger/ledgertest", "web/webtest"},
		"test code stays out of the binary"},
}

// clockNames are what of package time reads or waits for the clock.
var clockNames = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTicker", "NewTimer"}

// source is a Go file that is not a test.
type source struct {
	path    string // from the root, with slashes
	imports []string
	syntax  *ast.File
}

func (s source) dir() string { return path.Dir(s.path) }

// within reports whether a path is a folder or below it.
func within(p, folder string) bool { return p == folder || strings.HasPrefix(p, folder+"/") }

func withinAny(p string, folders []string) bool {
	return slices.ContainsFunc(folders, func(f string) bool { return within(p, f) })
}

// groupOf finds the row of a folder: the longest one that it is in.
func groupOf(dir string) (group string, ok bool) {
	for folder := range arrows {
		if within(dir, folder) && len(folder) >= len(group) {
			group, ok = folder, true
		}
	}
	return group, ok
}

func reaches(from, to string) bool {
	return from == to || slices.ContainsFunc(arrows[from], func(next string) bool { return reaches(next, to) })
}

// problems are what is wrong with the imports of a file.
func problems(file string, imports []string) (found []string) {
	from, ok := groupOf(path.Dir(file))
	if !ok {
		return []string{fmt.Sprintf("%s: its folder has no row in arrows: say what it may import", file)}
	}
	for _, imported := range imports {
		if dir, own := strings.CutPrefix(imported, module+"/"); own {
			if to, ok := groupOf(dir); !ok || !reaches(from, to) {
				found = append(found, fmt.Sprintf("%s imports %s: no arrow leads from %s there", file, dir, from))
			}
		}
		for _, b := range bans {
			if withinAny(file, b.from) && !withinAny(file, b.except) && withinAny(imported, b.forbidden) {
				found = append(found, fmt.Sprintf("%s imports %s: %s", file, imported, b.why))
			}
		}
	}
	return found
}

func TestImports(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for _, p := range problems(s.path, s.imports) {
			t.Error(p)
		}
	}
}

// TestNoClock: in the pure packages the instant is a parameter.
func TestNoClock(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if !withinAny(s.path, pure) {
			continue
		}
		for _, name := range clockReads(s.syntax) {
			t.Errorf("%s uses time.%s: pass the instant in", s.path, name)
		}
	}
}

func clockReads(file *ast.File) (names []string) {
	clock := ""
	for _, spec := range file.Imports {
		if spec.Path.Value == `"time"` {
			clock = "time"
			if spec.Name != nil {
				clock = spec.Name.Name
			}
		}
	}
	if clock == "." {
		return []string{"* (imported with a dot)"}
	}
	ast.Inspect(file, func(n ast.Node) bool {
		if sel, ok := n.(*ast.SelectorExpr); ok {
			if x, ok := sel.X.(*ast.Ident); ok && x.Name == clock && slices.Contains(clockNames, sel.Sel.Name) {
				names = append(names, sel.Sel.Name)
			}
		}
		return true
	})
	return names
}

// TestMainIsImports: what a command does stands in packages that can be tested.
func TestMainIsImports(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		if !within(s.path, "cmd") {
			continue
		}
		for _, d := range s.syntax.Decls {
			switch d := d.(type) {
			case *ast.GenDecl:
				if d.Tok == token.IMPORT {
					continue
				}
			case *ast.FuncDecl:
				if d.Name.Name == "main" && len(d.Body.List) == 1 {
					continue
				}
			}
			t.Errorf("%s: only imports and a main of one call belong here", s.path)
		}
	}
}

// TestTestSupport: what other packages' tests are built from is no part of the
// product, and the integration module of nothing at all.
func TestTestSupport(t *testing.T) {
	t.Parallel()
	for _, s := range sources(t) {
		for _, imported := range s.imports {
			dir, own := strings.CutPrefix(imported, module+"/")
			if own && (strings.HasSuffix(dir, "test") || within(dir, "integration")) {
				t.Errorf("%s imports %s: only tests may", s.path, dir)
			}
		}
	}
}

// sources parses every Go file of the module, whatever its build tags.
func sources(t *testing.T) (all []source) {
	t.Helper()
	err := filepath.WalkDir(".", func(file string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir():
			return skipFolder(file, d.Name())
		case !strings.HasSuffix(file, ".go") || strings.HasSuffix(file, "_test.go"):
			return nil
		}
		s, err := parse(file)
		all = append(all, s)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if len(all) == 0 {
		t.Fatal("no sources found: the test must run in the root of the module")
	}
	return all
}

// skipFolder skips what the go command does, and other modules.
func skipFolder(dir, name string) error {
	if dir == "." {
		return nil
	}
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	if err == nil || name == "testdata" || name == "vendor" || name[0] == '.' || name[0] == '_' {
		return filepath.SkipDir
	}
	return nil
}

func parse(file string) (source, error) {
	syntax, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
	if err != nil {
		return source{}, err
	}
	s := source{path: filepath.ToSlash(file), syntax: syntax}
	for _, spec := range syntax.Imports {
		imported, err := strconv.Unquote(spec.Path.Value)
		if err != nil {
			return source{}, err
		}
		s.imports = append(s.imports, imported)
	}
	return s, nil
}

// TestRulesHold shows that the rules refuse what they are there for.
func TestRulesHold(t *testing.T) {
	t.Parallel()
	own := func(dir string) string { return module + "/" + dir }
	for _, c := range []struct {
		file, imported string
		fine           bool
	}{
		{"caddymodule/service/service.go", own("ledger/badgerstore"), true},
		{"billing/engine.go", own("ledger/journal"), true},
		{"web/api.go", own("rating/money"), true},
		{"rating/pricebook/parse.go", "os", true},
		{"rating/tier.go", "time", true},
		{"ledger/badgerstore/store.go", "github.com/dgraph-io/badger/v4", true},
		{"ledger/ledger.go", own("ledger/badgerstore"), false},
		{"ledger/usage/usage.go", "database/sql", false},
		{"billing/engine.go", own("ledger/badgerstore"), false},
		{"billing/engine.go", own("meter"), false},
		{"billing/engine.go", own("web"), false},
		{"meter/tally/map.go", own("ledger"), false},
		{"meter/meter.go", "github.com/caddyserver/caddy/v2", false},
		{"web/api.go", "github.com/dgraph-io/badger/v4", false},
		{"web/api.go", own("caddymodule"), false},
		{"account/state.go", own("ledger"), false},
		{"rating/pricebook/book.go", "os", false},
		{"rating/pricebook/book.go", own("rating"), false},
		{"rating/tier.go", "net/http", false},
		{"account/topup.go", "math/rand/v2", false},
		{"caddymodule/app.go", own("integration/upstream"), false},
		{"caddymodule/app.go", "testing", false},
		{"newcomer/x.go", "fmt", false},
	} {
		if found := problems(c.file, []string{c.imported}); (len(found) == 0) != c.fine {
			t.Errorf("%s importing %s: %q", c.file, c.imported, found)
		}
	}
	file, err := parser.ParseFile(token.NewFileSet(), "x.go", `package x; import clock "time"; var t, u = clock.Now(), clock.Unix(0, 0)`, 0)
	if err != nil || !slices.Equal(clockReads(file), []string{"Now"}) {
		t.Errorf("clock reads: %v, %v", clockReads(file), err)
	}
}
