package rating

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"unicode"
)

// WriteTable writes the statement for people, in columns. Settlements of the
// month stand in one row; the JSON has each of them.
func (s Statement) WriteTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "Statement %s\n", strings.TrimSpace(cell(s.Number)+" for "+s.Month.String()))
	fmt.Fprintf(&b, "Account %s, customer %s, amounts in %s\n", cell(s.Account), cell(s.Customer), s.Currency)
	if !s.Closed {
		b.WriteString("The month is not closed: this is what is settled so far\n")
	}
	s.writeSummary(&b)
	s.writeUsage(&b)
	s.writePackages(&b)
	s.writeMovements(&b)
	s.writeNotBilled(&b)
	for i, bound := range s.LowerBounds {
		if i == 0 {
			b.WriteString("\n")
		}
		fmt.Fprintf(&b, "%s\n", bound)
	}
	for _, hash := range s.BookHashes {
		fmt.Fprintf(&b, "\nPrice book %s", hash)
	}
	if len(s.BookHashes) > 0 {
		b.WriteString("\n")
	}
	for line := range strings.Lines(b.String()) {
		if _, err := io.WriteString(w, strings.TrimRight(line, " \n")+"\n"); err != nil {
			return err
		}
	}
	return nil
}

func (s Statement) writeSummary(b *strings.Builder) {
	t, width := columns(b), s.widest()
	t.Write([]byte("\n"))
	for _, row := range s.summary() {
		fmt.Fprintf(t, "%s\t%*s\n", row[0], width, row[1])
	}
	t.Flush()
}

func (s Statement) writeUsage(b *strings.Builder) {
	if len(s.Lines) == 0 {
		b.WriteString("\nNo usage\n")
		return
	}
	t, width := columns(b), s.widest()
	fmt.Fprintf(t, "\nOperation\tPaid by\tCalls\tWhat they cost\t%*s\n", width, "Amount")
	for _, l := range s.Lines {
		if len(l.Bands) == 0 {
			fmt.Fprintf(t, "%s\t%s\t%d\t\t%*s\n", l.Operation, l.Funding, l.Calls, width, l.Amount)
			continue
		}
		for _, band := range l.Bands {
			fmt.Fprintf(t, "%s\t%s\t%s\t%d × %s = %s\t\n",
				l.Operation, l.Funding, l.run(band), band.Calls, band.Price, band.Exact)
		}
		fmt.Fprintf(t, "%s\t%s\t%d\t%s, rounded\t%*s\n", l.Operation, l.Funding, l.Calls, l.Exact, width, l.Amount)
	}
	fmt.Fprintf(t, "All usage\t\t\t\t%*s\n", width, s.Usage)
	t.Flush()
}

// run says which calls a band prices.
func (l Line) run(b LineBand) string {
	switch {
	case l.Basis == "":
		return fmt.Sprintf("%d–%d", b.From, b.To)
	case b.To == 0:
		return fmt.Sprintf("tier from %d", b.From)
	}
	return fmt.Sprintf("tier %d–%d", b.From, b.To)
}

func (s Statement) writePackages(b *strings.Builder) {
	if len(s.Packages) == 0 {
		return
	}
	t := columns(b)
	fmt.Fprintf(t, "\nPackage\tOffer\tOperation\tCalls used\n")
	for _, p := range s.Packages {
		fmt.Fprintf(t, "%s\t%s\t%s\t%d\n", p.Reference, cell(p.Offer), p.Operation, p.Calls)
	}
	t.Flush()
}

func (s Statement) writeMovements(b *strings.Builder) {
	if len(s.Movements) == 0 {
		b.WriteString("\nNo movements\n")
		return
	}
	t, width := columns(b), s.widest()
	fmt.Fprintf(t, "\nMovement\tAt\tText\tReference\t%*s\n", width, "Amount")
	settled := 0
	for _, m := range s.Movements {
		if m.Kind == MovementUsage {
			settled++
			continue
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%*s\n", cell(m.Kind), m.At.Format("2006-01-02 15:04:05 -07:00"), cell(m.Text), cell(m.Ref), width, m.Amount)
	}
	if settled > 0 {
		fmt.Fprintf(t, "%s\t\tin %d settlements\t\t%*s\n", MovementUsage, settled, width, negated(s.Usage))
	}
	t.Flush()
}

func (s Statement) writeNotBilled(b *strings.Builder) {
	if len(s.NotBilled) == 0 {
		return
	}
	t := columns(b)
	fmt.Fprintf(t, "\nNot billed\tReason\tCalls\n")
	for _, n := range s.NotBilled {
		fmt.Fprintf(t, "%s\t%s\t%d\n", n.Operation, n.Reason, n.Calls)
	}
	t.Flush()
}

// widest is the width of the amount columns.
func (s Statement) widest() int {
	width := len("Amount")
	for _, row := range s.summary() {
		width = max(width, len(row[1]))
	}
	for _, l := range s.Lines {
		width = max(width, len(l.Amount))
	}
	for _, m := range s.Movements {
		width = max(width, len(m.Amount))
	}
	return max(width, len(s.Usage))
}

func columns(b *strings.Builder) *tabwriter.Writer {
	return tabwriter.NewWriter(b, 0, 0, 2, ' ', 0)
}

// cell keeps people's words from breaking out of their column.
func cell(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, text)
}
