package meter

// fewAllowances is how many operations with a free allowance an account uses
// without needing more memory.
const fewAllowances = 2

// allowances is how many free calls an account used in its newest month, held
// ones included, by operation (D10). Those of older months do not matter: no
// call arrives there any more.
type allowances struct {
	used      [fewAllowances]uint64
	operation [fewAllowances]uint16 // 0 = not taken
	month     uint32
}

// freeUse is one operation's use.
type freeUse struct {
	operation uint16
	used      uint64
}

// findFree returns an operation's use in the newest month, nil where there is
// none.
func (a *Account) findFree(s *store, operation uint16) *uint64 {
	for i := range a.free.operation {
		if a.free.operation[i] == operation {
			return &a.free.used[i]
		}
	}
	if more := s.accountMore.at(a.more); more != nil {
		for i := range more.free {
			if more.free[i].operation == operation {
				return &more.free[i].used
			}
		}
	}
	return nil
}

// addFree makes room for an operation that is not there.
func (a *Account) addFree(s *store, operation uint16) *uint64 {
	for i := range a.free.operation {
		if a.free.operation[i] == 0 {
			a.free.operation[i] = operation
			return &a.free.used[i]
		}
	}
	more := a.rest(s)
	more.free = append(more.free, freeUse{operation: operation})
	return &more.free[len(more.free)-1].used
}

// freeUsed is how many free calls of a month are used.
func (a *Account) freeUsed(s *store, operation uint16, month uint32) uint64 {
	if month > a.free.month {
		return 0
	}
	if used := a.findFree(s, operation); used != nil {
		return *used
	}
	return 0
}

// useFree uses free calls. Those of a month that is over use none of the
// newest's (D6).
func (a *Account) useFree(s *store, operation uint16, month uint32, calls uint64) {
	a.rollFree(s, month)
	if month < a.free.month {
		return
	}
	used := a.findFree(s, operation)
	if used == nil {
		used = a.addFree(s, operation)
	}
	*used += calls
}

// giveFree gives one back.
func (a *Account) giveFree(s *store, operation uint16, month uint32) {
	if used := a.findFree(s, operation); used != nil && month == a.free.month {
		*used--
	}
}

// setFree takes over what the ledger says.
func (a *Account) setFree(s *store, f FreeUsed) {
	a.rollFree(s, f.Month)
	if used := a.findFree(s, f.Operation); used != nil && f.Month == a.free.month {
		*used = 0
	}
	if f.Calls > 0 {
		a.useFree(s, f.Operation, f.Month, f.Calls)
	}
}

// rollFree begins a month.
func (a *Account) rollFree(s *store, month uint32) {
	if month <= a.free.month {
		return
	}
	a.free = allowances{month: month}
	if more := s.accountMore.at(a.more); more != nil {
		more.free = more.free[:0]
	}
}
