package meter

import "github.com/tallygate/tallygate/account"

// instances is how many an account has. A place in the list is never given to
// another name.
func (a *Account) instances(s *store) int {
	switch {
	case a.instance == 0:
		return 0
	case a.more == 0:
		return 1
	}
	return 1 + len(s.accountMore.at(a.more).instances)
}

func (a *Account) instanceAt(s *store, n int) *instance {
	if n == 0 {
		return s.instances.at(a.instance)
	}
	return s.instances.at(s.accountMore.at(a.more).instances[n-1])
}

// findInstance returns nil where the account has none of a name.
func (a *Account) findInstance(s *store, name string) *instance {
	for n := range a.instances(s) {
		if i := a.instanceAt(s, n); s.names.at(i.name) == name {
			return i
		}
	}
	return nil
}

// applyInstances takes over instances and terms from the ledger. What calls in
// flight hold stays.
func (a *Account) applyInstances(s *store, v View) {
	for n := range a.instances(s) {
		i := a.instanceAt(s, n)
		i.clearTerms(s)
		i.raise(s)
	}
	for _, n := range v.Instances {
		i := a.openInstance(s, n.Name, n.ID)
		if i.more != 0 || n.ReleasedAt != 0 {
			i.rest(s).releasedAt = n.ReleasedAt
		}
		i.told(s, n.Images, n.Uncertain)
	}
	for n := range v.Subscriptions {
		t := &v.Subscriptions[n]
		i := a.findInstance(s, t.Instance)
		if i == nil {
			i = a.openInstance(s, t.Instance, 0)
		}
		i.addTerm(s, t)
	}
}

// openInstance returns the instance of a name, made where it is not there or is
// an older one that was released.
func (a *Account) openInstance(s *store, name string, id uint32) *instance {
	if i := a.findInstance(s, name); i != nil {
		if i.id != id {
			i.renew(s, id)
		}
		return i
	}
	number, fresh := s.instances.take()
	fresh.name, fresh.id = s.names.number(name), id
	if a.instance == 0 {
		a.instance = number
	} else {
		more := a.rest(s)
		more.instances = append(more.instances, number)
	}
	return fresh
}

// instanceOf finds the instance a call is for: the key's own, or one of the
// account's where the key is bound to none (D38).
func (a *Account) instanceOf(s *store, c *Call) (*instance, account.Kind) {
	name := a.boundTo(s, c.Key.bound)
	switch {
	case name == "":
		name = c.Instance
	case c.Instance != "" && c.Instance != name:
		return nil, account.WrongInstance
	}
	switch {
	case name != "":
		if in := a.findInstance(s, name); in != nil {
			return in, 0
		}
		if c.Key.bound == 0 {
			return nil, account.WrongInstance
		}
		return nil, account.PaymentRequired
	case a.instance == 0:
		return nil, account.PaymentRequired
	case a.instances(s) == 1:
		return s.instances.at(a.instance), 0
	}
	return nil, account.WrongInstance
}
