package web

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/danielgtaylor/huma/v2"

	"github.com/tallygate/tallygate/account"
)

// Preview is what a command would do. Nothing has happened (D34).
type Preview struct {
	Now   Previewed `json:"now"`
	Later Previewed `json:"later" doc:"Five minutes on: what is prorated changes every second"`
}

// Previewed is what a command would do at an instant.
type Previewed struct {
	At       time.Time `json:"at"`
	Amount   string    `json:"amount,omitempty" doc:"That the balance pays; negative: that it is credited. What max_amount is held against"`
	Balance  string    `json:"balance,omitempty" doc:"After it"`
	Currency string    `json:"currency,omitempty"`
	Start    time.Time `json:"start,omitzero" doc:"Of the term"`
	End      time.Time `json:"end,omitzero" doc:"Of the term"`
	Refused  *Problem  `json:"refused,omitempty" doc:"Why the command would be refused then"`
}

// previewLater is how far a preview looks ahead.
const previewLater = 5 * time.Minute

// previewOf describes the preview of a command.
func previewOf(op huma.Operation) huma.Operation {
	op.OperationID, op.Path, op.DefaultStatus = "preview-"+op.OperationID, op.Path+"/preview", 200
	op.Summary = "Show what it would cost now and in five minutes: " + op.Summary
	op.Description = "Nothing happens. Where the command would be refused now, this is refused in the same words."
	return op
}

// preview does a command to a copy, by the function that bills it.
func (h *handlers) preview(id string, cmd account.Command) (*body[Preview], error) {
	now := h.gateway.Now()
	first, err := h.previewAt(id, cmd, now)
	if err != nil {
		return nil, err
	}
	later, err := h.previewAt(id, cmd, now.Add(previewLater))
	var refused *account.Error
	if errors.As(err, &refused) {
		later.Refused, err = problemOf(err), nil
	}
	return &body[Preview]{Preview{first, later}}, err
}

func (h *handlers) previewAt(id string, cmd account.Command, at time.Time) (Previewed, error) {
	e := h.gateway.Engine()
	v := Previewed{At: at.In(e.Zone).Truncate(time.Second)}
	effects, err := e.Preview(id, cmd, at.UnixNano())
	if err != nil {
		return v, err
	}
	// The answer as the ledger would remember it: positive amounts are credits.
	var answer struct {
		account.BalanceAnswer
		Start, End time.Time
	}
	text, err := json.Marshal(effects.Answer)
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil {
		return v, fmt.Errorf("reading the answer of %s: %w", cmd.Type(), err)
	}
	credit, err := e.Currency.Parse(answer.Amount)
	if err != nil {
		return v, fmt.Errorf("reading the answer of %s: %w", cmd.Type(), err)
	}
	v.Amount, v.Balance, v.Currency = e.Currency.Format(-credit), answer.Balance, answer.Currency
	v.Start, v.End = answer.Start, answer.End
	return v, nil
}
