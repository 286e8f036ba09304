package account

// State is where an account stands (D20).
type State string

const (
	Active        State = "active"
	Grace         State = "grace"
	Retention     State = "retention"
	ReleasedState State = "released"
)

// Policy is how long the states after the arrears instant last, in seconds.
type Policy struct {
	Grace, Retention int64
}

// SubscriptionRetention is how long an instance outlives its last term (D32).
const SubscriptionRetention int64 = 15 * 24 * 3600

// StateAt is a pure function of account and instant (D20). The policy is the one
// that was in force when the arrears began.
func (a *Account) StateAt(now int64) State {
	switch {
	case a.Arrears == 0:
		return Active
	case now < a.Arrears+a.ArrearsLaw.Grace:
		return Grace
	case now < a.ReleaseAt():
		return Retention
	}
	return ReleasedState
}

// ReleaseAt is when the account is released if nothing is paid, 0 = never.
func (a *Account) ReleaseAt() int64 {
	if a.Arrears == 0 {
		return 0
	}
	return a.Arrears + a.ArrearsLaw.Grace + a.ArrearsLaw.Retention
}
