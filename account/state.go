package account

// State is where an account stands (D20).
type State string

const (
	Active        State = "active"
	Grace         State = "grace"
	Retention     State = "retention"
	ReleasedState State = "released"
)

// StateAt is a pure function of account and instant (D20). The law is the one
// that was in force when the arrears began; a release is final, and happens by
// Advance alone, since a restart defers it (D23).
func (a *Account) StateAt(now int64) State {
	switch {
	case a.Released != 0 && now >= a.Released:
		return ReleasedState
	case a.Arrears == 0:
		return Active
	case now < a.Arrears+a.ArrearsLaw.Grace:
		return Grace
	}
	return Retention
}

// ReleaseDue is when the account is released if nothing is paid, 0 = never:
// after grace and retention, and not before the floor (D23).
func (a *Account) ReleaseDue(floor int64) int64 {
	switch {
	case a.Released != 0:
		return a.Released
	case a.Arrears == 0:
		return 0
	}
	return max(a.Arrears+a.ArrearsLaw.Grace+a.ArrearsLaw.Retention, floor)
}

// enterArrears begins arrears at an instant (D19).
func (a *Account) enterArrears(at int64, law Law) Event {
	a.Arrears, a.ArrearsLaw, a.Retained = at, law, false
	return a.event(at, EventArrears, "", "")
}

// leaveArrears ends arrears where the balance allows it (D22). Released is
// final (D20): a top-up then only reduces the debt (D23).
func (a *Account) leaveArrears(now int64) []Event {
	if a.Arrears == 0 || a.Balance < -a.CreditLimit || a.Released != 0 {
		return nil
	}
	a.Arrears, a.ArrearsLaw, a.Retained = 0, Law{}, false
	return []Event{a.event(now, EventActive, "", "")}
}
