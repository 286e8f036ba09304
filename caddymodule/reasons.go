package caddymodule

import (
	"strings"

	"github.com/tallygate/tallygate/account"
)

// reason is how a refusal is told. Its short name, which ends the problem's
// type and stands in vendors' error codes, is the Kind's.
type reason struct {
	kind   account.Kind
	status int
	title  string
	detail string
}

// reasons is every refusal there is; a new one is a line here.
var reasons = [...]reason{
	{account.Unauthenticated, 401, "Unauthenticated", "The request carries no API key that is known here."},
	{account.RateLimited, 429, "Too many requests", "The calls of the last second use up the rate that was bought. Retry-After says when there is room."},
	{account.InArrears, 402, "Account in arrears", "The account's balance is in debt. Calls go on as soon as a top-up has paid it."},
	{account.PaymentRequired, 402, "Payment required", "No allowance, package or subscription pays for this call, and pay-per-use is off."},
	{account.SubscriptionExpired, 402, "Subscription expired", "The subscription of this instance has ended. Calls go on when it is renewed."},
	{account.ImageCapacity, 403, "Image capacity reached", "The instance holds as many images as its subscription allows."},
	{account.WrongInstance, 403, "Wrong instance", "The request does not say, once and clearly, which instance it is for, or names one that does not belong to its API key."},
	{account.Released, 403, "Released", "The account or the instance has been released."},
	{account.UnknownOperation, 404, "Unknown operation", "No operation has this method and path."},
	{account.MeteringUnavailable, 503, "Metering unavailable", "The call cannot be counted at present, and so it is not served. Try again."},
}

// problemType is what the types of all problems begin with.
const problemType = "urn:tallygate:problem:"

// reasonNames maps short names to indexes of reasons.
var reasonNames = func() map[string]int {
	names := make(map[string]int)
	for i, r := range reasons {
		names[r.kind.String()] = i
	}
	return names
}()

// reasonList names all reasons, for messages.
func reasonList() string {
	var names []string
	for _, r := range reasons {
		names = append(names, r.kind.String())
	}
	return strings.Join(names, ", ")
}
