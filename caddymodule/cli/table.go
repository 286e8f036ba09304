package cli

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"
	"unicode"
	"unicode/utf8"
)

// table prints rows in columns. A header that begins with ">" stands, like its
// column, to the right.
func table(w io.Writer, header string, rows ...[]string) {
	names := strings.Split(header, ",")
	for column, name := range names {
		var right bool
		if names[column], right = strings.CutPrefix(name, ">"); !right {
			continue
		}
		width := utf8.RuneCountInString(names[column])
		for _, row := range rows {
			width = max(width, utf8.RuneCountInString(row[column]))
		}
		for _, row := range append(rows, names) {
			row[column] = strings.Repeat(" ", width-utf8.RuneCountInString(row[column])) + row[column]
		}
	}
	var text strings.Builder
	t := tabwriter.NewWriter(&text, 0, 0, 2, ' ', 0)
	for _, row := range append([][]string{names}, rows...) {
		for i := range row {
			row[i] = plain(row[i])
		}
		fmt.Fprintln(t, strings.Join(row, "\t"))
	}
	t.Flush()
	for line := range strings.Lines(text.String()) {
		fmt.Fprintln(w, strings.TrimRight(line, " \n"))
	}
}

// facts prints names and values, one a line; empty values are left out.
func facts(w io.Writer, pairs ...string) {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	for i := 0; i < len(pairs); i += 2 {
		if pairs[i+1] != "" {
			fmt.Fprintf(t, "%s\t%s\n", pairs[i], plain(pairs[i+1]))
		}
	}
	t.Flush()
}

// list prints a table, or what there is to say where it has no rows.
func list(w io.Writer, none, header string, rows [][]string) {
	if len(rows) == 0 {
		fmt.Fprintln(w, none)
		return
	}
	table(w, header, rows...)
}

// section prints a table under a title, or that there is none of it.
func section(w io.Writer, title, header string, rows [][]string) {
	if len(rows) == 0 {
		fmt.Fprintf(w, "\nNo %s\n", strings.ToLower(title))
		return
	}
	fmt.Fprintf(w, "\n%s\n", title)
	table(w, header, rows...)
}

// plain keeps what people wrote from steering the terminal.
func plain(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}

// instant shows a time in the billing zone; "" for none.
func instant(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.Format("2006-01-02 15:04:05 -07:00")
}

func number[T int | int64 | uint32 | uint64](n T) string { return fmt.Sprint(n) }

// many counts things: "1 month", "3 months".
func many[T int | int64 | uint64](n T, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}

func onOff(on bool) string {
	if on {
		return "on"
	}
	return "off"
}

func money(amount, currency string) string { return amount + " " + currency }
