package web

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/ledger"
)

// ProblemType begins the type of every problem.
const ProblemType = "urn:tallygate:problem:"

// Problem is an answer that says why not (RFC 9457, application/problem+json).
type Problem struct {
	Type   string       `json:"type" doc:"urn:tallygate:problem: and a word for programs"`
	Title  string       `json:"title"`
	Status int          `json:"status"`
	Detail string       `json:"detail" doc:"What is wrong and what mends it"`
	Field  string       `json:"field,omitempty" doc:"The first field that is wrong"`
	Errors []FieldError `json:"errors,omitempty" doc:"All fields that are wrong"`
	Amount string       `json:"amount,omitempty" doc:"Of amount-changed: what is due now (D34)"`

	header http.Header // sent with it
}

// FieldError is what is wrong with one field.
type FieldError struct {
	Field  string `json:"field,omitempty"`
	Line   int    `json:"line,omitempty" doc:"Where the field is a file's text"`
	Column int    `json:"column,omitempty"`
	Detail string `json:"detail"`
}

func (p *Problem) Error() string             { return p.Detail }
func (p *Problem) GetStatus() int            { return p.Status }
func (p *Problem) GetHeaders() http.Header   { return p.header }
func (p *Problem) ContentType(string) string { return "application/problem+json" }

// sentinels maps errors of the layers below; the first that fits counts.
var sentinels = []struct {
	err    error
	status int
	word   string
}{
	{billing.ErrOtherContent, http.StatusConflict, "idempotency-conflict"},
	{ledger.ErrDamaged, http.StatusServiceUnavailable, "ledger-damaged"},
	{ledger.ErrNoSpace, http.StatusInsufficientStorage, "disk-full"},
	{billing.ErrUnavailable, http.StatusServiceUnavailable, "ledger-unavailable"},
	{ledger.ErrUnknownOutcome, http.StatusServiceUnavailable, "ledger-unavailable"}, // until it is open again
	{billing.ErrSchedule, http.StatusConflict, "wrong-start"},
	{ErrNoTestClock, http.StatusConflict, "no-test-clock"},
	{ErrClockDoubted, http.StatusConflict, "clock-suspended"},
	{ErrClockBehind, http.StatusConflict, "clock-behind"},
	{ErrNotDoubted, http.StatusConflict, "clock-not-suspended"},
	{ErrOtherWall, http.StatusConflict, "other-wall-clock"},
}

// refusals maps why a command was refused. An account's state is no question of
// rights, hence 409 and not 403: it passes when the state does.
var refusals = map[account.Why]struct {
	status int
	word   string
}{
	account.Invalid:    {http.StatusUnprocessableEntity, "invalid"},
	account.NotFound:   {http.StatusNotFound, "not-found"},
	account.Conflict:   {http.StatusConflict, "conflict"},
	account.NotAllowed: {http.StatusConflict, "not-allowed"},
	account.Unpaid:     {http.StatusPaymentRequired, "insufficient-balance"},
	account.Dearer:     {http.StatusConflict, "amount-changed"},
}

// words are the problem types of what is refused before a command is made.
var words = map[int]string{
	http.StatusBadRequest:            "malformed",
	http.StatusNotFound:              "not-found",
	http.StatusMethodNotAllowed:      "method-not-allowed",
	http.StatusRequestEntityTooLarge: "too-large",
	http.StatusUnsupportedMediaType:  "unsupported-media-type",
	http.StatusUnprocessableEntity:   "invalid",
}

// problemOf is the one place where errors become statuses.
func problemOf(err error) *Problem {
	var problem *Problem
	if errors.As(err, &problem) {
		return problem
	}
	var refused *account.Error
	if errors.As(err, &refused) {
		as := refusals[refused.Why]
		p := wordedProblem(as.status, as.word, refused.Error())
		p.Field, p.Amount = refused.Field, refused.Amount
		return p
	}
	for _, s := range sentinels {
		if errors.Is(err, s.err) {
			return wordedProblem(s.status, s.word, ledger.Mendable(err).Error())
		}
	}
	return newProblem(http.StatusInternalServerError, err.Error())
}

func wordedProblem(status int, word, detail string) *Problem {
	return &Problem{Type: ProblemType + word, Title: http.StatusText(status), Status: status, Detail: detail}
}

// huma takes these two for the process; nothing else in it uses huma.
func init() {
	huma.NewError = func(status int, text string, errs ...error) huma.StatusError {
		return newProblem(status, text, errs...)
	}
	huma.ValidateStrictCasing = true
}

// newProblem makes a problem of what the framework, or a handler, found. What
// the client sent is never repeated: it may be a secret.
func newProblem(status int, text string, errs ...error) *Problem {
	p := &Problem{Status: status, Detail: text}
	for _, err := range errs {
		p.Errors = append(p.Errors, fieldError(err))
	}
	slices.SortStableFunc(p.Errors, func(a, b FieldError) int { return cmp.Compare(a.Field, b.Field) })
	if len(p.Errors) > 0 {
		var all []string
		for _, e := range p.Errors {
			all = append(all, strings.TrimPrefix(e.Field+": "+e.Detail, ": "))
		}
		p.Field, p.Detail = p.Errors[0].Field, strings.Join(all, "; ")
	}
	if p.Field == idempotencyKey { // the request cannot be told apart from another: no question of its content
		p.Status = http.StatusBadRequest
	}
	p.Type, p.Title = ProblemType+cmp.Or(words[p.Status], "internal"), http.StatusText(p.Status)
	return p
}

// hints say how to write a field.
var hints = map[string]string{
	"amount":       amountHint,
	"credit_limit": amountHint,
	"low_balance":  amountHint,
	"max_amount":   amountHint,
	"price":        amountHint,
	"pay_per_use":  "write true or false",
	"auto_renew":   "write true or false",
	"trial":        "write true or false",
	"on":           "write true or false",
	"path.package": "write the package's number, which the account's list of packages has",
	"months":       "write a whole number from 1 to 36",
	"kind":         "write secret, access-key-id or identity",
	idempotencyKey: "choose a new random value for each payment or purchase, and send it again when you repeat one: it is then done once only",
}

const amountHint = `write a decimal string, such as "24.00"`

func fieldError(err error) FieldError {
	detailer, ok := err.(huma.ErrorDetailer)
	if !ok {
		return FieldError{Detail: err.Error()}
	}
	d := detailer.ErrorDetail()
	_, field, _ := strings.Cut(d.Location, ".")
	text := d.Message
	if rest, ok := strings.CutPrefix(text, "expected required property "); ok {
		field, text = strings.TrimSuffix(rest, " to be present"), "is missing"
	}
	switch {
	case text == "unexpected property" || text == "unknown query parameter":
		text = "is not known here: take it out, or mend its spelling"
	case strings.HasSuffix(text, "parameter is missing"):
		text = "is missing"
	}
	if hint := cmp.Or(hints[d.Location], hints[field]); hint != "" && !strings.HasPrefix(text, "is not known") {
		text = fmt.Sprintf("%s: %s", text, hint)
	}
	return FieldError{Field: field, Detail: text}
}

func writeProblem(w http.ResponseWriter, p *Problem) {
	w.Header().Set("Content-Type", p.ContentType(""))
	w.WriteHeader(p.Status)
	json.NewEncoder(w).Encode(p) // a client that has left needs no answer
}

// invalid refuses a field that the schema cannot judge.
func invalid(field, format string, args ...any) error {
	return &account.Error{Why: account.Invalid, Field: field, Text: fmt.Sprintf(format, args...)}
}
