package pricebook

import (
	"math"
	"regexp"
	"strconv"
	"strings"

	"github.com/goccy/go-yaml/ast"

	"github.com/tallygate/tallygate/rating/money"
)

var (
	wordForm      = regexp.MustCompile(`^[a-z0-9]([a-z0-9._-]{0,62}[a-z0-9])?$`)
	countForm     = regexp.MustCompile(`^(0|[1-9][0-9]*|[1-9][0-9]{0,2}(_[0-9]{3})+)$`)
	validityForm  = regexp.MustCompile(`^([1-9][0-9]{0,3})(mo|y)$`)
	monthsPerUnit = map[string]int{"mo": 1, "y": 12}
)

const (
	monthsMax = 1200
	qpsMax    = 1_000_000
)

// count reads a whole number of at least least. Without an example the field
// may be absent, and is 0 then.
func (f fields) count(name string, least int64, example string) int64 {
	n := f.values[name]
	if n == nil && example != "" {
		n = f.required(name, example)
	}
	if n == nil {
		return 0
	}
	return f.number(n, name, least, math.MaxInt64)
}

// quota reads a QPS quota, as count does.
func (f fields) quota(name, example string) int {
	n := f.values[name]
	if n == nil && example != "" {
		n = f.required(name, example)
	}
	if n == nil {
		return 0
	}
	return int(f.number(n, name, 1, qpsMax))
}

// number reads a whole number such as 10000 or 10_000.
func (r *reader) number(n ast.Node, name string, least, most int64) int64 {
	text, ok := r.text(n, name)
	if !ok {
		return 0
	}
	if !countForm.MatchString(text) {
		r.find(position(n), "%s %q is not a whole number; write digits, such as 10000 or 10_000", name, text)
		return 0
	}
	value, err := strconv.ParseInt(strings.ReplaceAll(text, "_", ""), 10, 64)
	switch {
	case err != nil || value > most:
		r.find(position(n), "%s %s is too large; write at most %d", name, text, most)
	case value < least:
		r.find(position(n), "%s is %s; write at least %d", name, text, least)
	default:
		return value
	}
	return 0
}

func (f fields) unitPrice(name, example string) money.Price {
	n := f.required(name, example)
	if n == nil {
		return 0
	}
	text, ok := f.text(n, name)
	if !ok {
		return 0
	}
	price, err := money.ParsePrice(text)
	if err != nil {
		f.find(position(n), "%v", err)
	}
	return price
}

// amount reads what an offer costs: a positive amount of the book's currency.
func (f fields) amount(name, example string, currency money.Currency) money.Amount {
	n := f.required(name, example)
	if n == nil || currency.Code == "" { // the currency has a finding of its own
		return 0
	}
	text, ok := f.text(n, name)
	if !ok {
		return 0
	}
	amount, err := currency.Parse(text)
	switch {
	case err != nil:
		f.find(position(n), "%s: %v", name, err)
	case amount <= 0:
		f.find(position(n), "%s %s is not positive; write what the offer costs", name, text)
	}
	return amount
}

// months reads a validity such as 3mo or 1y (D15).
func (f fields) months(name, example string) int {
	n := f.required(name, example)
	if n == nil {
		return 0
	}
	text, ok := f.text(n, name)
	if !ok {
		return 0
	}
	if form := validityForm.FindStringSubmatch(text); form != nil {
		count, _ := strconv.Atoi(form[1]) // at most four digits
		if months := count * monthsPerUnit[form[2]]; months <= monthsMax {
			return months
		}
	}
	f.find(position(n), "%s %q is no validity; write calendar months or years, such as 3mo or 1y, at most 100y", name, text)
	return 0
}

// choice reads a field that says one of two words, and is the first when absent.
// It returns the index of the word.
func (f fields) choice(name string, first, second string) int {
	n := f.values[name]
	if n == nil {
		return 0
	}
	switch text, ok := f.text(n, name); {
	case ok && text == second:
		return 1
	case ok && text != first:
		f.find(position(n), "%s %q is unknown; write %s or %s", name, text, first, second)
	}
	return 0
}

// id reads the identifier of a package or row.
func (f fields) id(kind string) string {
	n := f.required("id", kind+"-1")
	if n == nil {
		return ""
	}
	return f.word(n, "id")
}

func (r *reader) word(n ast.Node, what string) string {
	text, ok := r.text(n, what)
	if !ok {
		return ""
	}
	if !wordForm.MatchString(text) {
		r.find(position(n), "%s %q is not usable; use up to 64 of a-z, 0-9, and inside - . _", what, text)
		return ""
	}
	return text
}

// operationName reads "service/operation".
func (r *reader) operationName(n ast.Node) string {
	text, ok := r.text(n, "the operation")
	if !ok {
		return ""
	}
	service, operation, _ := strings.Cut(text, "/")
	if !wordForm.MatchString(service) || !wordForm.MatchString(operation) {
		r.find(position(n), "operation %q is not usable; write service/operation, each up to 64 of a-z, 0-9, and inside - . _", text)
		return ""
	}
	return text
}

func (f fields) flag(name string) bool {
	n := f.values[name]
	if n == nil {
		return false
	}
	text, ok := f.text(n, name)
	if ok && text != "true" && text != "false" {
		f.find(position(n), "%s %q is neither true nor false; write one of them", name, text)
	}
	return text == "true"
}
