package account

import "fmt"

// Kind says what paid for a call, or why a call was not billed. The numbers
// are stored in tallies and sealed files: append, never renumber.
type Kind uint8

// What paid (D11). Ref of the Line names the month, package or subscription.
const (
	Free         Kind = 1 // Ref is the month, as YYYYMM
	Package      Kind = 2 // Ref is the package's number within the account
	PayPerUse    Kind = 3 // Ref is 0
	Subscription Kind = 4 // Ref is the subscription's number within the account
)

// Why not billed (D5). Ref is 0. Refusals come first, then calls that were
// forwarded and did not succeed.
const (
	Unauthenticated     Kind = 32
	RateLimited         Kind = 33
	InArrears           Kind = 34
	PaymentRequired     Kind = 35
	SubscriptionExpired Kind = 36
	ImageCapacity       Kind = 37
	WrongInstance       Kind = 38
	Released            Kind = 39
	UnknownOperation    Kind = 40
	MeteringUnavailable Kind = 41

	FailedStatus    Kind = 64 // the status says failure
	FailedBody      Kind = 65 // a JSON member, or a trailer, says failure
	FailedNotJSON   Kind = 66 // the body should be JSON and is not
	FailedTruncated Kind = 67 // the upstream died mid-body
	FailedUpstream  Kind = 68 // no response at all, or the client left before it
	FailedUpgrade   Kind = 69 // the connection was upgraded (D3)
)

var kindNames = map[Kind]string{
	Free: "free", Package: "package", PayPerUse: "payg", Subscription: "subscription",
	Unauthenticated: "unauthenticated", RateLimited: "rate-limited", InArrears: "arrears",
	PaymentRequired: "payment-required", SubscriptionExpired: "subscription-expired",
	ImageCapacity: "image-capacity", WrongInstance: "wrong-instance", Released: "released",
	UnknownOperation: "unknown-operation", MeteringUnavailable: "metering-unavailable",
	FailedStatus: "failed-status", FailedBody: "failed-body", FailedNotJSON: "failed-not-json",
	FailedTruncated: "failed-truncated", FailedUpstream: "failed-upstream", FailedUpgrade: "failed-upgrade",
}

// Billed reports whether lines of this kind are calls that counted (D1).
func (k Kind) Billed() bool { return k >= Free && k <= Subscription }

// Refusal reports whether the gateway itself turned the call away.
func (k Kind) Refusal() bool { return k >= Unauthenticated && k <= MeteringUnavailable }

func (k Kind) String() string {
	if s, ok := kindNames[k]; ok {
		return s
	}
	return fmt.Sprintf("kind-%d", uint8(k))
}

// Line is what one counter counts: the calls of an account to an operation
// that one thing paid for, or that were not billed for one reason.
type Line struct {
	Account   uint32 // number of the account in its ledger; 0 = nobody
	Operation uint16 // number of the operation in its ledger; 0 = none
	Kind      Kind
	Observed  bool   // a refusal that `mode observe` let through
	Ref       uint32 // see Kind
}

// Compare orders lines as sealed files list them.
func (l Line) Compare(o Line) int {
	switch {
	case l.Account != o.Account:
		return order(l.Account, o.Account)
	case l.Operation != o.Operation:
		return order(l.Operation, o.Operation)
	case l.Kind != o.Kind:
		return order(l.Kind, o.Kind)
	case l.Observed != o.Observed:
		if o.Observed {
			return -1
		}
		return 1
	default:
		return order(l.Ref, o.Ref)
	}
}

func order[T uint8 | uint16 | uint32 | Kind](a, b T) int {
	switch {
	case a < b:
		return -1
	case a > b:
		return 1
	}
	return 0
}

// Count is a line and how many calls it counted.
type Count struct {
	Line
	Calls uint64
}

// Funding names what paid, as people see it: "free:202611", "package:3", "payg".
func (l Line) Funding() string {
	if l.Kind == PayPerUse || !l.Kind.Billed() {
		return l.Kind.String()
	}
	return fmt.Sprintf("%s:%d", l.Kind, l.Ref)
}
