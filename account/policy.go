package account

// Law is how long the states after the arrears instant last, and what passes in
// them. An account keeps the one that was in force when its arrears began
// (D20).
type Law struct {
	Grace, Retention int64 // seconds
	AllowInGrace     bool  // free and pay-per-use calls pass in grace and are billed (D21)
}

// Policy is what the operator sets for all accounts of a ledger. A change is an
// input of its own, and applies to what happens after it.
type Policy struct {
	Law
	EndOfDay  bool   // terms end at the next local midnight (D15)
	Purchases uint32 // of an instance in a calendar month (D25); 0 = 1
	Realtime  bool   // pay-per-use is refused where unsettled charges would pass the limit (D19)
}

// DefaultPolicy is what the rules say where nothing is set.
var DefaultPolicy = Policy{Law: Law{Grace: 15 * day, Retention: 15 * day}, Purchases: 1}

const day int64 = 24 * 3600

// InstanceRetention is how long an instance outlives its last term (D32).
const InstanceRetention = 15 * day

// RestartGrace is how long nothing is released after a start, or after the
// operator accepted a jump of the clock (D23).
const RestartGrace = day
