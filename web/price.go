package web

import (
	"cmp"
	"context"
	"net/http"

	"github.com/tallygate/tallygate/account"
)

func (h *handlers) registerPrice() {
	price := post("price", "/price", "Say what a use would cost, under every plan")
	price.DefaultStatus = http.StatusOK
	price.Description = "At the prices in force. Every plan is lived through by an account that buys and settles, so that a quote is the charge (D34)."
	register(h, price, h.price)
}

// PriceQuestion asks for calls or for a subscription.
type PriceQuestion struct {
	Calls        *CallsQuestion        `json:"calls,omitempty"`
	Subscription *SubscriptionQuestion `json:"subscription,omitempty"`
}

// CallsQuestion is a use of a pay-per-use operation: as many calls in every month,
// or those of each.
type CallsQuestion struct {
	Operation string   `json:"operation" example:"recognition/image-tagging"`
	PerMonth  uint64   `json:"per_month,omitempty" example:"50000"`
	Months    int      `json:"months,omitempty" minimum:"1" maximum:"60" doc:"Default 12"`
	Profile   []uint64 `json:"profile,omitempty" maxItems:"60" doc:"Calls of successive months, instead of the two"`
}

// SubscriptionQuestion is what a search instance has to hold (D25).
type SubscriptionQuestion struct {
	Service string `json:"service,omitempty" example:"search" doc:"Default: search"`
	Images  int64  `json:"images" minimum:"0" example:"2000000"`
	QPS     int    `json:"qps" minimum:"0" example:"5" doc:"Searches and adds in any second"`
	Months  int    `json:"months,omitempty" minimum:"1" maximum:"36" doc:"Default 1"`
	Account string `json:"account,omitempty" doc:"Whose own rows count in"`
}

// PriceAnswer is one of the two, as it was asked.
type PriceAnswer struct {
	Calls        *account.Quotation             `json:"calls,omitempty"`
	Subscription *account.SubscriptionQuotation `json:"subscription,omitempty"`
}

func (h *handlers) price(_ context.Context, in *struct{ Body PriceQuestion }) (*body[PriceAnswer], error) {
	calls, subscription := in.Body.Calls, in.Body.Subscription
	if (calls == nil) == (subscription == nil) {
		return nil, invalid("", "ask for either calls or a subscription")
	}
	if env := h.gateway.Engine().Env(); env.Books(h.gateway.Now().Unix()) == nil {
		return nil, errNoBook()
	}
	if calls != nil {
		return h.priceCalls(*calls)
	}
	return h.priceSubscription(*subscription)
}

func (h *handlers) priceCalls(q CallsQuestion) (*body[PriceAnswer], error) {
	profile := q.Profile
	if len(profile) > 0 && (q.PerMonth != 0 || q.Months != 0) {
		return nil, invalid("profile", "has the calls of each month: leave per_month and months away")
	}
	if len(profile) == 0 {
		profile = make([]uint64, cmp.Or(q.Months, 12))
		for i := range profile {
			profile[i] = q.PerMonth
		}
	}
	quotation, err := account.Quote(h.gateway.Engine().Env(), account.Profile{Operation: q.Operation, Months: profile})
	return &body[PriceAnswer]{PriceAnswer{Calls: &quotation}}, err
}

func (h *handlers) priceSubscription(q SubscriptionQuestion) (*body[PriceAnswer], error) {
	e := h.gateway.Engine()
	var a *account.Account
	if q.Account != "" {
		var err error
		if a, err = e.Account(q.Account); err != nil {
			return nil, err
		}
	}
	quotation, err := account.QuoteSubscription(e.Env(), a, cmp.Or(q.Service, "search"), q.Images, q.QPS, cmp.Or(q.Months, 1))
	return &body[PriceAnswer]{PriceAnswer{Subscription: &quotation}}, err
}
