package rating

import (
	"encoding/csv"
	"io"
	"strconv"
	"strings"
	"time"
)

// The kinds of rows of a statement's CSV.
const (
	rowSummary   = "summary"
	rowBand      = "usage-band"
	rowLine      = "usage-line"
	rowPackage   = "package"
	rowMovement  = "movement"
	rowNotBilled = "not-billed"
	rowBook      = "price-book"
	rowBound     = "lower-bound"
)

// csvColumns are the same for all kinds of rows; what a kind has nothing for is
// empty.
var csvColumns = []string{
	"row",       // one of the kinds above; do not add up amounts of different ones
	"statement", // number, and so on: the same in every row
	"closed",    // yes or no
	"account",
	"customer",
	"month",
	"item",       // what the row is about: operation, kind of movement, part of the summary
	"paid_by",    // funding, or the package's reference
	"from", "to", // of a band; to is empty for a tier without bound
	"calls",
	"unit_price",
	"exact",  // not rounded
	"amount", // of summary and movements: signed, credits positive; of usage lines: what they cost
	"currency",
	"at",        // RFC 3339
	"text",      // of a movement; a package's offer; why calls were not billed or may be missing; a price book's hash
	"reference", // of a movement
}

// csvRow is a row by column.
type csvRow map[string]string

// WriteCSV writes the statement for spreadsheets and programs, as RFC 4180 has
// it: one table, whose first column says what a row is, its summary first.
// Amounts are plain decimals. Words that a spreadsheet would take for a formula
// begin with an apostrophe.
func (s Statement) WriteCSV(w io.Writer) error {
	out := csv.NewWriter(w)
	out.UseCRLF = true
	if err := out.Write(csvColumns); err != nil {
		return err
	}
	for _, row := range s.csvRows() {
		record := make([]string, len(csvColumns))
		for i, column := range csvColumns {
			record[i] = row[column]
		}
		if err := out.Write(record); err != nil {
			return err
		}
	}
	out.Flush()
	return out.Error()
}

func (s Statement) csvRows() (rows []csvRow) {
	for _, row := range s.summary() {
		rows = append(rows, csvRow{"row": rowSummary, "item": row[0], "amount": row[1]})
	}
	for _, l := range s.Lines {
		rows = append(rows, l.csvRows()...)
	}
	for _, p := range s.Packages {
		rows = append(rows, csvRow{"row": rowPackage, "item": word(p.Operation), "paid_by": word(p.Reference),
			"calls": strconv.FormatInt(p.Calls, 10), "text": word(p.Offer)})
	}
	for _, m := range s.Movements {
		rows = append(rows, csvRow{"row": rowMovement, "item": word(m.Kind), "amount": m.Amount,
			"at": m.At.Format(time.RFC3339), "text": word(m.Text), "reference": word(m.Ref)})
	}
	for _, n := range s.NotBilled {
		rows = append(rows, csvRow{"row": rowNotBilled, "item": word(n.Operation), "calls": strconv.FormatUint(n.Calls, 10), "text": word(n.Reason)})
	}
	for _, b := range s.LowerBounds {
		rows = append(rows, csvRow{"row": rowBound, "at": b.From.Format(time.RFC3339), "text": word(b.String())})
	}
	for _, hash := range s.BookHashes {
		rows = append(rows, csvRow{"row": rowBook, "text": word(hash)})
	}
	closed := map[bool]string{false: "no", true: "yes"}[s.Closed]
	for _, row := range rows {
		row["statement"], row["closed"], row["month"] = word(s.Number), closed, s.Month.String()
		row["account"], row["customer"] = word(s.Account), word(s.Customer)
		if row["amount"] != "" || row["unit_price"] != "" {
			row["currency"] = s.Currency.Code
		}
	}
	return rows
}

// csvRows are a line's bands, and the line.
func (l Line) csvRows() (rows []csvRow) {
	for _, b := range l.Bands {
		row := csvRow{"row": rowBand, "item": word(l.Operation), "paid_by": word(l.Funding), "from": strconv.FormatInt(b.From, 10),
			"calls": strconv.FormatInt(b.Calls, 10), "unit_price": b.Price, "exact": b.Exact}
		if b.To != 0 {
			row["to"] = strconv.FormatInt(b.To, 10)
		}
		rows = append(rows, row)
	}
	return append(rows, csvRow{"row": rowLine, "item": word(l.Operation), "paid_by": word(l.Funding),
		"calls": strconv.FormatInt(l.Calls, 10), "exact": l.Exact, "amount": l.Amount})
}

// word makes a text cell of people's words: without control characters, and
// with an apostrophe before what spreadsheets take for a formula, in the
// widths of East Asian input as well.
func word(text string) string {
	text = cell(text)
	if first := strings.TrimSpace(text); first != "" && strings.ContainsRune("=+-@＝＋－＠", []rune(first)[0]) {
		return "'" + text
	}
	return text
}
