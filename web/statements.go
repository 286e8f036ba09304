package web

import (
	"context"
	"io"
	"mime"
	"net/http"
	"reflect"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/rating"
)

func (h *handlers) registerStatements() {
	register(h, get("get-usage", "/accounts/{account}/usage", "Show what an account used this month so far"), h.usage)
	register(h, get("list-statements", "/accounts/{account}/statements", "List the closed months' statements"), h.listStatements)
	statement := get("get-statement", "/accounts/{account}/statements/{month}", "Show a month's statement")
	statement.Description = "The statement of a running month holds what is settled so far. The format is the one that is asked for, " +
		"else the first of Accept that there is, else JSON."
	schema := h.api.OpenAPI().Components.Schemas.Schema(reflect.TypeFor[rating.Statement](), true, "Statement")
	text := &huma.MediaType{Schema: &huma.Schema{Type: huma.TypeString}}
	statement.Responses = map[string]*huma.Response{"200": {Description: http.StatusText(http.StatusOK), Content: map[string]*huma.MediaType{
		"application/json": {Schema: schema}, "text/plain": text, "text/csv": text}}}
	register(h, statement, h.statement)
	replay := get("replay-statement", "/accounts/{account}/statements/{month}/replay", "Recompute a line of a statement, hour by hour")
	replay.Description = "From the sealed files and the price books that the statement names, in the order of the journal (D35)."
	register(h, replay, h.replay)
}

// OnMonth is the path of a month of an account.
type OnMonth struct {
	OnAccount
	Month string `path:"month" example:"2026-11"`
}

// month refuses what is none, or has not begun.
func (h *handlers) month(text string) (rating.Month, error) {
	month, err := rating.ParseMonth(text)
	if err != nil {
		return 0, invalid("month", "%v", err)
	}
	if now := h.openMonth(h.gateway.Now()); month > now {
		return 0, invalid("month", "%s has not begun: it is %s", month, now)
	}
	return month, nil
}

// StatementList are the closed months of an account.
type StatementList struct {
	Account    string            `json:"account"`
	Currency   string            `json:"currency"`
	Statements []ClosedStatement `json:"statements"`
}

// ClosedStatement is a month that nothing changes any more (D37).
type ClosedStatement struct {
	Number  string       `json:"number" example:"acme-0007"`
	Month   rating.Month `json:"month" example:"2026-11"`
	Opening string       `json:"opening"`
	Closing string       `json:"closing"`
}

func (h *handlers) listStatements(_ context.Context, in *struct{ OnAccount }) (*body[StatementList], error) {
	e := h.gateway.Engine()
	records, err := e.Statements(in.Account)
	list := StatementList{Account: in.Account, Currency: e.Currency.Code, Statements: []ClosedStatement{}}
	for _, r := range records {
		list.Statements = append(list.Statements, ClosedStatement{account.StatementNumber(in.Account, r.Number), rating.Month(r.Month),
			e.Currency.Format(r.Opening), e.Currency.Format(r.Closing)})
	}
	return &body[StatementList]{list}, err
}

// statement gives the statement as JSON, as a table for people, or as CSV.
func (h *handlers) statement(_ context.Context, in *struct {
	OnMonth
	Format string `query:"format" enum:"json,table,csv"`
	Accept string `header:"Accept"`
}) (*huma.StreamResponse, error) {
	month, err := h.month(in.Month)
	if err != nil {
		return nil, err
	}
	s, err := h.gateway.Engine().Statement(in.Account, month)
	if err != nil {
		return nil, err
	}
	media, write := "application/json", func(w io.Writer) error { return h.api.Marshal(w, "application/json", s) }
	switch statementFormat(in.Format, in.Accept) {
	case "table":
		media, write = "text/plain; charset=utf-8", s.WriteTable
	case "csv":
		media, write = "text/csv; charset=utf-8; header=present", s.WriteCSV
	}
	return &huma.StreamResponse{Body: func(ctx huma.Context) {
		ctx.SetHeader("Content-Type", media)
		write(ctx.BodyWriter()) // a client that has left needs no answer
	}}, nil
}

// statementFormat is what is asked for, else the first accepted one there is.
func statementFormat(format, accept string) string {
	if format != "" {
		return format
	}
	for part := range strings.SplitSeq(accept, ",") {
		switch media, _, _ := mime.ParseMediaType(part); media {
		case "application/json":
			return "json"
		case "text/plain":
			return "table"
		case "text/csv":
			return "csv"
		}
	}
	return "json"
}

func (h *handlers) replay(ctx context.Context, in *struct {
	OnMonth
	Operation string `query:"operation" required:"true" example:"recognition/image-tagging" doc:"A pay-per-use operation"`
}) (*body[billing.Replay], error) {
	month, err := h.month(in.Month)
	if err != nil {
		return nil, err
	}
	if _, known := h.gateway.Engine().OperationNumber(in.Operation); !known {
		return nil, &account.Error{Why: account.NotFound, Field: "operation", Text: "no price book of this ledger has " + in.Operation}
	}
	r, err := h.gateway.Engine().Replay(ctx, in.Account, month, in.Operation)
	return &body[billing.Replay]{r}, err
}
