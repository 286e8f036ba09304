package meter

// A package's place is its turn (D14). Most accounts have one at most, which is
// in the account itself.

// packages is how many an account has.
func (a *Account) packages(s *store) int {
	switch {
	case !a.packed:
		return 0
	case a.more == 0:
		return 1
	}
	return 1 + len(s.accountMore.at(a.more).packages)
}

// packageAt is the package of a turn, from 0.
func (a *Account) packageAt(s *store, turn int) *Package {
	if turn == 0 {
		return &a.pack
	}
	return &s.accountMore.at(a.more).packages[turn-1]
}

// findPackage returns nil where the account has none of a number.
func (a *Account) findPackage(s *store, number uint32) *Package {
	for turn := range a.packages(s) {
		if p := a.packageAt(s, turn); p.Number == number {
			return p
		}
	}
	return nil
}

// setPackages takes over the ledger's packages. What is left of one that is
// known stays: it is ahead of the ledger.
func (a *Account) setPackages(s *store, list []Package) {
	var rest []Package
	if len(list) > 1 {
		rest = make([]Package, 0, len(list)-1)
	}
	var first Package
	for turn, p := range list {
		if known := a.findPackage(s, p.Number); known != nil {
			p.Left = known.Left
		}
		if turn == 0 {
			first = p
		} else {
			rest = append(rest, p)
		}
	}
	a.pack, a.packed = first, len(list) > 0
	if a.more != 0 || rest != nil {
		a.rest(s).packages = rest
	}
}
