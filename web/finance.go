package web

import (
	"context"
	"net/http"
	"strings"

	"github.com/tallygate/tallygate/account"
)

// Adjustment corrects a balance (D36).
type Adjustment struct {
	Amount    string `json:"amount" example:"-5.00" doc:"Signed: negative takes from the balance. It may cause arrears"`
	Reason    string `json:"reason" example:"wire 4711 was typed twice"`
	Reference string `json:"reference" example:"ticket 812" doc:"What it corrects, in your books"`
}

func (b Adjustment) command(target) account.Command {
	return &account.Adjust{Amount: b.Amount, Reason: b.Reason, Reference: b.Reference}
}

// Finance is a request that the finance role only may make.
type Finance struct {
	Authorization string `header:"Authorization" doc:"Bearer and the finance role's token, whose SHA-256 the configuration has"`
}

func (h *handlers) registerAdjustments() {
	adjust := post("adjust", "/accounts/{account}/adjustments", "Correct a balance, up or down")
	adjust.Description = "For the finance role only."
	register(h, adjust, func(_ context.Context, in *struct {
		OnAccount
		MustRepeat
		Finance
		Body Adjustment
	}) (*answered[account.BalanceAnswer], error) {
		if err := h.finance(in.Authorization); err != nil {
			return nil, err
		}
		return do[account.BalanceAnswer](h, in.Key, in.Account, in.Body.command(target{}))
	})
	register(h, previewOf(adjust), func(_ context.Context, in *struct {
		OnAccount
		Finance
		Body Adjustment
	}) (*body[Preview], error) {
		if err := h.finance(in.Authorization); err != nil {
			return nil, err
		}
		return h.preview(in.Account, in.Body.command(target{}))
	})
}

// finance refuses who is not of the finance role.
func (h *handlers) finance(authorization string) error {
	if !h.gateway.FinanceConfigured() {
		return wordedProblem(http.StatusForbidden, "finance-not-configured", "adjustments are for the finance role, and the gateway has none: choose a token, "+
			"put its SHA-256 in hex into the Caddyfile's tallygate block (finance <sha256>, which printf %s \"$TOKEN\" | sha256sum prints), and reload")
	}
	scheme, token, _ := strings.Cut(authorization, " ")
	if !strings.EqualFold(scheme, "Bearer") || !h.gateway.Finance(strings.TrimSpace(token)) {
		p := wordedProblem(http.StatusUnauthorized, "finance-only", "adjustments are for the finance role: "+
			"send its token as Authorization: Bearer <token> (the command line takes it from $TALLYGATE_FINANCE_TOKEN)")
		p.header = http.Header{"WWW-Authenticate": {`Bearer realm="tallygate finance"`}}
		return p
	}
	return nil
}
