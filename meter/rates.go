package meter

// rate is the window of a pay-per-use operation, in a list of an account's.
type rate struct {
	next      uint32
	window    window
	operation uint16
}

// rate returns an operation's window, made at its first use.
func (a *Account) rate(s *store, operation uint16) *window {
	for r := s.rates.at(a.rates); r != nil; r = s.rates.at(r.next) {
		if r.operation == operation {
			return &r.window
		}
	}
	number, r := s.rates.take()
	r.next, r.operation, a.rates = a.rates, operation, number
	return &r.window
}
