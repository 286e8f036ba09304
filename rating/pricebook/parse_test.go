package pricebook

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// TestMain checks each property 10,000 times, unless -rapid.checks says otherwise.
func TestMain(m *testing.M) {
	if err := flag.Set("rapid.checks", "10000"); err != nil {
		panic(err)
	}
	m.Run()
}

// lintCase is one case of testdata/lint.txt.
type lintCase struct {
	line     int
	name     string
	book     strings.Builder
	findings []string
}

func lintCases(t testing.TB) (cases []*lintCase) {
	t.Helper()
	data, err := os.ReadFile("testdata/lint.txt")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(data), "\n") {
		last := len(cases) - 1
		switch {
		case strings.HasPrefix(line, "case "):
			cases = append(cases, &lintCase{line: i + 1, name: line[len("case "):]})
		case strings.HasPrefix(line, "| "):
			cases[last].book.WriteString(line[2:] + "\n")
		case strings.HasPrefix(line, "finds "):
			cases[last].findings = append(cases[last].findings, line[len("finds "):])
		case line != "" && line[0] != '#':
			t.Fatalf("lint.txt:%d: %q is no case, book line or finding", i+1, line)
		}
	}
	return cases
}

func TestLint(t *testing.T) {
	t.Parallel()
	for _, c := range lintCases(t) {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			_, err := Parse("book.yaml", []byte(c.book.String()))
			var got []string
			var findings Findings
			if errors.As(err, &findings) {
				for _, f := range findings {
					got = append(got, strings.TrimPrefix(f.Error(), "book.yaml:"))
				}
			}
			if !slices.Equal(got, c.findings) {
				t.Errorf("lint.txt:%d: got\nfinds %s\n\nwant\nfinds %s", c.line,
					strings.Join(got, "\nfinds "), strings.Join(c.findings, "\nfinds "))
			}
		})
	}
}

func example(t testing.TB) *Book {
	t.Helper()
	book, err := Load("../../pricebook.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return book
}

// D25: the catalogue is the vendor's price list, row by row.
func TestExampleRows(t *testing.T) {
	t.Parallel()
	book := example(t)
	file, err := os.Open("testdata/image-search-prices.csv")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	want, err := csv.NewReader(file).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	if len(book.Rows) != 15 || len(want) != 16 {
		t.Fatalf("the book has %d rows, the list %d; want 15", len(book.Rows), len(want)-1)
	}
	for i, row := range book.Rows {
		trial := ""
		if row.Trial {
			trial = "first month free"
		}
		got := []string{row.ID, "1", fmt.Sprint(row.MaxImages), fmt.Sprint(row.QPS.Search), book.Currency.Format(row.Price), trial}
		if !slices.Equal(got, want[i+1]) {
			t.Errorf("row %d is %v, the list says %v", i+1, got, want[i+1])
		}
		if row.QPS.Add != row.QPS.Search || row.QPS.Delete != 20 || row.Service != "search" {
			t.Errorf("row %s: %+v", row.ID, row)
		}
	}
}

func TestExampleOperations(t *testing.T) {
	t.Parallel()
	book := example(t)
	for _, want := range []string{
		"recognition/celebrity-recognition pay-per-use graduated 1000 [10000:0.006 100000:0.005 1000000:0.0036 0:0.002]",
		"recognition/image-tagging pay-per-use graduated 1000 [10000:0.003 100000:0.0025 1000000:0.0018 0:0.001]",
		"recognition/main-object-detection pay-per-use graduated 1000 [10000:0.003 100000:0.0025 1000000:0.0018 0:0.001]",
		"recognition/media-tagging pay-per-use graduated 1000 [10000:0.004 100000:0.0034 1000000:0.0025 0:0.0014]",
		"search/add subscribed graduated 0 [] add",
		"search/delete subscribed graduated 0 [] delete",
		"search/search subscribed graduated 0 [] search",
	} {
		name, _, _ := strings.Cut(want, " ")
		op, ok := book.Operation(name)
		if !ok {
			t.Errorf("operation %s is missing", name)
			continue
		}
		tiers := []string{}
		for _, tier := range op.Tiers {
			tiers = append(tiers, fmt.Sprintf("%d:%s", tier.UpTo, tier.Price))
		}
		got := strings.TrimSpace(fmt.Sprint(op.Name, " ", op.Funding, " ", op.Model, " ", op.FreePerMonth, " ", tiers, " ", op.Class))
		if got != want {
			t.Errorf("got  %s\nwant %s", got, want)
		}
	}
	if len(book.Operations) != 7 || !slices.IsSortedFunc(book.Operations, func(a, b Operation) int { return strings.Compare(a.Name, b.Name) }) {
		t.Errorf("%d operations, want 7 sorted by name", len(book.Operations))
	}
	if pack, ok := book.Package("image-tagging-1m-1y"); !ok || pack.Quota != 1_000_000 || pack.Months != 12 || pack.Price != 130000 {
		t.Errorf("package: %+v", pack)
	}
	if row, ok := book.Row("s50m-10"); !ok || row.Price != 2210000 || row.QPS.Of(Add) != 10 || row.QPS.Of(Delete) != 20 || row.QPS.Of("x") != 0 {
		t.Errorf("row: %+v", row)
	}
}

func TestUnknownNames(t *testing.T) {
	t.Parallel()
	book := example(t)
	for _, name := range []string{"", "recognition", "recognition/image", "zzz/z"} {
		if _, ok := book.Operation(name); ok {
			t.Errorf("operation %q is found", name)
		}
	}
	if _, ok := book.Package("none"); ok {
		t.Error("package none is found")
	}
	if _, ok := book.Row("none"); ok {
		t.Error("row none is found")
	}
}

// The hash is that of the bytes, so a comment changes it and nothing else does.
func TestHash(t *testing.T) {
	t.Parallel()
	book := example(t)
	again, err := Parse("another name", book.Source)
	if err != nil || again.Hash != book.Hash {
		t.Fatalf("the same bytes give %s and %s, %v", book.Hash, again.Hash, err)
	}
	commented, err := Parse("x", append([]byte("# more\n"), book.Source...))
	if err != nil || commented.Hash == book.Hash || !SameRates(book, commented) {
		t.Fatalf("a comment: %v, hash %s", err, commented.Hash)
	}
	const text = "currency: USD\npay_per_use: [{operations: [a/b], tiers: [{price: 1}]}]\n"
	small, err := Parse("x", []byte(text))
	if want := fmt.Sprintf("sha256:%x", sha256.Sum256([]byte(text))); err != nil || small.Hash != want {
		t.Errorf("hash %s, %v; want %s", small.Hash, err, want)
	}
}

// D35: offers may change within a month, rates may not.
func TestSameRates(t *testing.T) {
	t.Parallel()
	book := example(t)
	for _, test := range []struct {
		what, from, to string
		same           bool
	}{
		{"package price", "price: 24.00", "price: 25.00", true},
		{"row price", "price: 300.00", "price: 301.00", true},
		{"quota", "delete_qps: 20", "delete_qps: 21", true},
		{"renamed operation", "recognition/main-object-detection", "recognition/other", true},
		{"unit price", "price: 0.0030", "price: 0.0031", false},
		{"bound", "up_to: 10_000, ", "up_to: 10_001, ", false},
		{"free allowance", "free_per_month: 1_000", "free_per_month: 999", false},
		{"model", "free_per_month: 1_000", "free_per_month: 1_000\n    model: volume", false},
		{"tier basis", "free_per_month: 1_000", "free_per_month: 1_000\n    tier_basis: all_successful", false},
		{"tier basis written out", "free_per_month: 1_000", "free_per_month: 1_000\n    tier_basis: payg", true},
		{"currency", "currency: USD", "currency: EUR", false},
		{"funding", "[recognition/celebrity-recognition]", "[recognition/celebrity]", true},
	} {
		changed := bytes.Replace(book.Source, []byte(test.from), []byte(test.to), 1)
		if bytes.Equal(changed, book.Source) {
			t.Fatalf("%s: %q is not in the book", test.what, test.from)
		}
		other, err := Parse("changed", changed)
		if err != nil {
			t.Fatalf("%s: %v", test.what, err)
		}
		if SameRates(book, other) != test.same || SameRates(other, book) != test.same {
			t.Errorf("%s: same rates is not %v", test.what, test.same)
		}
	}
}

func TestParseRefusesAHugeFile(t *testing.T) {
	t.Parallel()
	padded := append(bytes.Clone(example(t).Source), bytes.Repeat([]byte("\n"), bytesMax)...)
	if _, err := Parse("huge", padded); err == nil || !strings.Contains(err.Error(), "huge:1:1: the price book has ") {
		t.Errorf("got %v", err)
	}
}

func TestLoadMissingFile(t *testing.T) {
	t.Parallel()
	if _, err := Load(filepath.Join(t.TempDir(), "none.yaml")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}

// FuzzParse: no input panics, findings are sorted and complete, and an
// accepted book keeps what rating relies on.
func FuzzParse(f *testing.F) {
	f.Add(example(f).Source)
	for _, c := range lintCases(f) {
		f.Add([]byte(c.book.String()))
	}
	known := example(f)
	f.Fuzz(func(t *testing.T, data []byte) {
		book, err := Parse("f", data)
		if err != nil {
			checkFindings(t, err)
			return
		}
		if same, other := Diff(book, book), Diff(known, book); len(same) > 0 || (other.Force() == AnyHour) != SameRates(known, book) {
			t.Errorf("the book differs from itself by %v, from the example by %v", same, other)
		}
		for _, op := range book.Operations {
			checkOperation(t, op)
		}
		for _, pack := range book.Packages {
			op, ok := book.Operation(pack.Operation)
			if !ok || op.Funding != PayPerUse || pack.Quota <= 0 || pack.Months <= 0 || pack.Price <= 0 || pack.ID == "" {
				t.Errorf("package %+v", pack)
			}
		}
		for _, row := range book.Rows {
			if min(row.QPS.Search, row.QPS.Add, row.QPS.Delete) < 1 || row.MaxImages < 1 || row.Price <= 0 || row.Service == "" || row.ID == "" {
				t.Errorf("row %+v", row)
			}
		}
	})
}

func checkFindings(t *testing.T, err error) {
	var findings Findings
	if !errors.As(err, &findings) || len(findings) == 0 {
		t.Fatalf("error %v is no Findings", err)
	}
	for _, f := range findings {
		if f.Line < 1 || f.Column < 1 || !strings.Contains(f.Text, ";") {
			t.Errorf("finding %+v has no place or no remedy", f)
		}
	}
}

// D8, D9: what an entry says holds for all its operations, what it leaves out is
// the default.
func TestModelAndBasis(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"":                                   "graduated payg",
		"model: graduated, tier_basis: payg": "graduated payg",
		"model: volume":                      "volume payg",
		"tier_basis: all_successful":         "graduated all_successful",
		"model: volume, tier_basis: all_successful": "volume all_successful",
	} {
		book, err := Parse("x", []byte("currency: USD\npay_per_use: [{operations: [a/b, a/c], tiers: [{price: 1}], "+text+"}]\n"))
		if err != nil || len(book.Operations) != 2 {
			t.Errorf("%q: %+v, %v", text, book, err)
			continue
		}
		for _, op := range book.Operations {
			if got := op.Model.String() + " " + op.Basis.String(); got != want {
				t.Errorf("%q: %s is %s, want %s", text, op.Name, got, want)
			}
		}
	}
}

func checkOperation(t *testing.T, op Operation) {
	if op.Name == "" || (op.Funding == PayPerUse) != (len(op.Tiers) > 0) || (op.Funding == Subscribed) != (op.Class != "") {
		t.Errorf("operation %+v", op)
	}
	bound := int64(0)
	for i, tier := range op.Tiers {
		if last := i == len(op.Tiers)-1; last != (tier.UpTo == 0) || (!last && tier.UpTo <= bound) || tier.Price < 0 {
			t.Errorf("operation %s: tier %+v", op.Name, tier)
		}
		bound = tier.UpTo
	}
}
