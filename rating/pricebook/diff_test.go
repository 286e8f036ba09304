package pricebook

import (
	"cmp"
	"fmt"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/rating/money"
)

// diffCase is one case of testdata/diff.txt.
type diffCase struct {
	line        int
	name, force string
	edits       [][2]string
	says        []string
}

// diffCases are the book of testdata/diff.txt and its cases.
func diffCases(t testing.TB) (book string, cases []*diffCase) {
	t.Helper()
	data, err := os.ReadFile("testdata/diff.txt")
	if err != nil {
		t.Fatal(err)
	}
	for i, line := range strings.Split(string(data), "\n") {
		word, text, _ := strings.Cut(line, " ")
		last := len(cases) - 1
		switch text = strings.ReplaceAll(text, `\n`, "\n"); word {
		case "|":
			book += text + "\n"
		case "case":
			cases = append(cases, &diffCase{line: i + 1, name: text})
		case "-":
			cases[last].edits = append(cases[last].edits, [2]string{text})
		case "+":
			cases[last].edits[len(cases[last].edits)-1][1] = text
		case "says":
			cases[last].says = append(cases[last].says, text)
		case "force":
			cases[last].force = text
		case "", "#":
		default:
			t.Fatalf("diff.txt:%d: %q is no line of it", i+1, line)
		}
	}
	return book, cases
}

func TestDiff(t *testing.T) {
	t.Parallel()
	text, cases := diffCases(t)
	old, err := Parse("book", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			edited := text
			for _, e := range c.edits {
				if strings.Count(edited, e[0]) != 1 {
					t.Fatalf("diff.txt:%d: %q is not in the book once", c.line, e[0])
				}
				edited = strings.Replace(edited, e[0], e[1], 1)
			}
			new, err := Parse("edited", []byte(edited))
			if err != nil {
				t.Fatal(err)
			}
			changes := Diff(old, new)
			var got []string
			for _, change := range changes {
				got = append(got, change.Where+": "+change.Text)
			}
			if !slices.Equal(got, c.says) || changes.Force().String() != c.force {
				t.Errorf("diff.txt:%d: got\nsays %s\nforce %s\n\nwant\nsays %s\nforce %s", c.line,
					strings.Join(got, "\nsays "), changes.Force(), strings.Join(c.says, "\nsays "), c.force)
			}
		})
	}
}

// drawBook is a small book of few names and numbers, so that two of them have
// much in common.
func drawBook(t *rapid.T) *Book {
	book := &Book{Currency: rapid.SampledFrom([]money.Currency{{Code: "USD", Digits: 2}, {Code: "USD", Digits: 2}, {Code: "JPY"}}).Draw(t, "currency")}
	small := rapid.IntRange(1, 2)
	for _, name := range rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a/a", "a/b", "b/a"}), 0, 3, rapid.ID).Draw(t, "operations") {
		op := Operation{Name: name, Funding: Subscribed, Class: rapid.SampledFrom([]string{Search, Add}).Draw(t, "class")}
		if rapid.Bool().Draw(t, "pay-per-use") {
			op = Operation{Name: name, FreePerMonth: int64(small.Draw(t, "free") - 1), QPS: small.Draw(t, "qps") - 1,
				Model: Model(small.Draw(t, "model") - 1), Basis: Basis(small.Draw(t, "basis") - 1)}
			for bound := range small.Draw(t, "tiers") - 1 {
				op.Tiers = append(op.Tiers, Tier{UpTo: int64(bound + small.Draw(t, "bound")), Price: money.Price(small.Draw(t, "price"))})
			}
			op.Tiers = append(op.Tiers, Tier{Price: money.Price(small.Draw(t, "price"))})
		}
		book.Operations = append(book.Operations, op)
	}
	slices.SortFunc(book.Operations, func(a, b Operation) int { return cmp.Compare(a.Name, b.Name) })
	for i := range small.Draw(t, "packages") {
		book.Packages = append(book.Packages, Package{ID: fmt.Sprint("p", i), Operation: rapid.SampledFrom([]string{"a/a", "a/b"}).Draw(t, "operation"),
			Quota: int64(small.Draw(t, "quota")), Months: small.Draw(t, "months"), Price: money.Amount(small.Draw(t, "price"))})
	}
	deletes := map[string]int{"a": small.Draw(t, "deletes"), "b": 1}
	for i := range small.Draw(t, "rows") {
		row := Row{ID: fmt.Sprint("s", i), Service: rapid.SampledFrom([]string{"a", "b"}).Draw(t, "service"), MaxImages: int64(small.Draw(t, "images")),
			Price: money.Amount(small.Draw(t, "price")), Trial: rapid.Bool().Draw(t, "trial")}
		qps := small.Draw(t, "qps")
		row.QPS = QPS{Search: qps, Add: qps, Delete: deletes[row.Service]}
		book.Rows = append(book.Rows, row)
	}
	return book
}

// D35: there is no change exactly when the books are the same, and a change
// waits for the month exactly when the rates are not the same.
func TestDiffMissesNothing(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		a := drawBook(t)
		b := drawBook(t)
		if rapid.Bool().Draw(t, "only one field apart") {
			b = oneApart(t, a, b)
		}
		changes := Diff(a, b)
		if (len(changes) == 0) != sameMeaning(a, b) {
			t.Fatalf("%+v\nto %+v has the changes %v", a, b, changes)
		}
		if (changes.Force() == AnyHour) != SameRates(a, b) {
			t.Fatalf("%+v\nto %+v is %s: %v", a, b, changes.Force(), changes)
		}
		for _, c := range changes {
			if c.Where == "" || c.Text == "" || strings.Contains(c.Text, "%!") {
				t.Fatalf("a change says %q", c)
			}
		}
	})
}

// oneApart is a with one part of b.
func oneApart(t *rapid.T, a, b *Book) *Book {
	one := *a
	switch rapid.IntRange(0, 3).Draw(t, "part") {
	case 0:
		one.Currency = b.Currency
	case 1:
		one.Operations = b.Operations
	case 2:
		one.Packages = b.Packages
	case 3:
		one.Rows = b.Rows
	}
	return &one
}

// sameMeaning compares what a book says. Those that are drawn list it in one
// order.
func sameMeaning(a, b *Book) bool {
	return a.Currency == b.Currency && reflect.DeepEqual(a.Operations, b.Operations) &&
		reflect.DeepEqual(a.Packages, b.Packages) && reflect.DeepEqual(a.Rows, b.Rows)
}

// D25: the cheapest row that holds the need, and none beyond the table.
func TestFit(t *testing.T) {
	t.Parallel()
	book := example(t)
	for _, test := range []struct {
		service string
		images  int64
		qps     int
		want    string
	}{
		{"search", 50_000_000, 10, "s50m-10"},
		{"search", 40_000_001, 6, "s50m-10"},
		{"search", 40_000_001, 5, "s50m-5 s50m-10"},
		{"search", 30_000_001, 5, "s40m-5 s50m-5 s40m-10 s50m-10"},
		{"search", 50_000_001, 1, ""},
		{"search", 1, 11, ""},
		{"recognition", 1, 1, ""},
	} {
		var ids []string
		for _, r := range book.Fit(test.service, test.images, test.qps) {
			ids = append(ids, r.ID)
		}
		if got := strings.Join(ids, " "); got != test.want {
			t.Errorf("%s, %d images, %d QPS: got %q, want %q", test.service, test.images, test.qps, got, test.want)
		}
	}
	if all := book.Fit("search", 0, 0); len(all) != 15 || all[0].ID != "s100k-1" {
		t.Errorf("no need is met by %d rows", len(all))
	}
	// s5m-10 and s10m-5 cost the same.
	if rows := book.Fit("search", 5_000_000, 5); rows[1].ID != "s10m-5" || rows[2].ID != "s5m-10" {
		t.Errorf("of equal prices the first is %s, then %s", rows[1].ID, rows[2].ID)
	}
}

// What fits is exactly what holds the need, in the order of prices.
func TestFitIsComplete(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		book := drawBook(t)
		images, qps := rapid.Int64Range(0, 3).Draw(t, "images"), rapid.IntRange(0, 3).Draw(t, "qps")
		rows := book.Fit("a", images, qps)
		if !slices.IsSortedFunc(rows, func(a, b *Row) int { return cmp.Compare(a.Price, b.Price) }) {
			t.Fatalf("not by price: %+v", rows)
		}
		for i := range book.Rows {
			r := &book.Rows[i]
			fits := r.Service == "a" && r.MaxImages >= images && r.QPS.Search >= qps
			if slices.Contains(rows, r) != fits {
				t.Fatalf("row %+v is offered: %v", r, !fits)
			}
		}
	})
}
