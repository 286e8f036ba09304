package web

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strconv"
	"time"

	"github.com/tallygate/tallygate/account"
)

// ErrNoTestClock: only a test ledger's clock can be moved.
var ErrNoTestClock = errors.New("this ledger has no test clock, its time is the wall's: set test_clock on a new ledger to move it")

func (h *handlers) registerOperation() {
	h.registerHealth()
	register(h, get("get-status", "/status", "Show how the gateway is"), h.status)
	settle := post("settle", "/settle", "Settle now what is counted so far")
	settle.DefaultStatus = http.StatusOK
	register(h, settle, h.settle)
	advance := post("advance-clock", "/clock/advance", "Move the test clock")
	advance.Description = "Returns when everything due by then has happened."
	advance.DefaultStatus = http.StatusOK
	register(h, advance, h.advance)
	register(h, get("get-refusal", "/refusals/{id}", "Read a refusal id"), h.refusal)
}

func (h *handlers) status(context.Context, *struct{}) (*body[Status], error) {
	return &body[Status]{h.gateway.Status()}, nil
}

// Settled says up to when everything is debited.
type Settled struct {
	SettledUntil time.Time `json:"settled_until"`
}

func (h *handlers) settle(ctx context.Context, _ *struct{}) (*body[Settled], error) {
	until, err := h.gateway.SettleNow(ctx)
	return &body[Settled]{Settled{until.In(h.gateway.Engine().Zone)}}, err
}

// ClockAdvance says how far; one of the two.
type ClockAdvance struct {
	By string `json:"by,omitempty" example:"1h30m" doc:"A duration: 90s, 1h30m, 3d"`
	To string `json:"to,omitempty" example:"2026-12-01T00:00:00+08:00" doc:"An instant, RFC 3339"`
}

// Clock is the event time.
type Clock struct {
	Now time.Time `json:"now"`
}

func (h *handlers) advance(ctx context.Context, in *struct{ Body ClockAdvance }) (*body[Clock], error) {
	if !h.gateway.Engine().Test {
		return nil, ErrNoTestClock
	}
	to, err := in.Body.target(h.gateway.Now())
	if err == nil {
		err = h.gateway.Advance(ctx, to)
	}
	return &body[Clock]{Clock{h.gateway.Now().In(h.gateway.Engine().Zone)}}, err
}

// latest is the last instant that sealed files can name.
var latest = time.Date(9999, 1, 1, 0, 0, 0, 0, time.UTC)

func (c ClockAdvance) target(now time.Time) (to time.Time, err error) {
	field := "by"
	switch {
	case (c.By == "") == (c.To == ""):
		return to, invalid("by", "give either by, such as \"1h30m\", or to, such as \"2026-12-01T00:00:00Z\"")
	case c.By != "":
		by, err := parseDuration(c.By)
		if err != nil {
			return to, err
		}
		to = now.Add(by)
	default:
		field = "to"
		if to, err = time.Parse(time.RFC3339, c.To); err != nil {
			return to, invalid(field, "write an instant such as \"2026-12-01T00:00:00Z\"")
		}
	}
	if to.Before(now) {
		return to, invalid(field, "the test clock only goes forward: it is %s", now.Format(time.RFC3339))
	}
	if to.After(latest) {
		return to, invalid(field, "must not pass %s", latest.Format(time.DateOnly))
	}
	return to, nil
}

var days = regexp.MustCompile(`^([0-9]{1,6})d(.*)$`)

// parseDuration reads Go's durations, and days before them.
func parseDuration(text string) (d time.Duration, err error) {
	rest := text
	if m := days.FindStringSubmatch(text); m != nil {
		n, _ := strconv.Atoi(m[1]) // the pattern has digits only
		if n > 100_000 {
			return 0, invalid("by", "at most 100000d")
		}
		d, rest = time.Duration(n)*24*time.Hour, m[2]
		if rest == "" {
			return d, nil
		}
	}
	more, err := time.ParseDuration(rest)
	if err != nil || d+more < 0 {
		return 0, invalid("by", "write a duration such as \"90s\", \"1h30m\" or \"3d\"")
	}
	return d + more, nil
}

// RefusedCall is a refusal with the account's id.
type RefusedCall struct {
	Refusal
	AccountID string `json:"account,omitempty"`
}

func (h *handlers) refusal(_ context.Context, in *struct {
	ID string `path:"id" maxLength:"200"`
}) (*body[RefusedCall], error) {
	r, err := h.gateway.DecodeRefusal(in.ID)
	if err != nil {
		return nil, newProblem(http.StatusNotFound, fmt.Sprintf("id: %v: copy it as a whole from the refused call's answer", err))
	}
	out := &body[RefusedCall]{RefusedCall{Refusal: r}}
	if r.Account == 0 {
		return out, nil
	}
	err = h.gateway.Engine().EachAccount(func(a *account.Account) bool {
		if a.Number == r.Account {
			out.Body.AccountID = a.ID
		}
		return a.Number < r.Account
	})
	return out, err
}
