package meter

import "github.com/tallygate/tallygate/account"

// instance is a search index: the terms that pay for it, its rates, and how many
// images it holds (D28). 80 bytes: most have one term, nothing that changes
// their images, and no two searches within a second.
type instance struct {
	name   string
	first  uint32 // number of the first term; the other terms come after it
	id     uint32
	start  int64 // of the first term
	end    int64
	plan   planned // of the first term; none where there is no term
	images int64   // in the ledger's set
	search window
	more   *instanceMore
}

// instanceMore is what few instances have.
type instanceMore struct {
	releasedAt int64
	terms      []term
	changes    *imageChanges
}

// rest returns what few instances have, made at its first use.
func (in *instance) rest() *instanceMore {
	if in.more == nil {
		in.more = &instanceMore{}
	}
	return in.more
}

// window is the rate window of a class.
func (in *instance) window(class Class) *window {
	if class == ClassSearch {
		return &in.search
	}
	return &in.imageChanges().windows[class-ClassAdd]
}

// instances is how many an account has. A place in the list is never given to
// another name.
func (a *Account) instances() int {
	switch {
	case a.instance == nil:
		return 0
	case a.more == nil:
		return 1
	}
	return 1 + len(a.more.instances)
}

func (a *Account) instanceAt(n int) **instance {
	if n == 0 {
		return &a.instance
	}
	return &a.more.instances[n-1]
}

// findInstance returns nil where the account has none of a name.
func (a *Account) findInstance(name string) *instance {
	for n := range a.instances() {
		if i := *a.instanceAt(n); i.name == name {
			return i
		}
	}
	return nil
}

// applyInstances takes over instances and terms from the ledger. What calls in
// flight hold stays.
func (a *Account) applyInstances(v View, names *repeats) {
	for n := range a.instances() {
		i := *a.instanceAt(n)
		i.clearTerms()
		i.raise()
	}
	for _, n := range v.Instances {
		i := a.openInstance(n.Name, n.ID, names)
		if i.more != nil || n.ReleasedAt != 0 {
			i.rest().releasedAt = n.ReleasedAt
		}
		i.told(n.Images, n.Uncertain)
	}
	for _, s := range v.Subscriptions {
		i := a.findInstance(s.Instance)
		if i == nil {
			i = a.openInstance(s.Instance, 0, names)
		}
		i.addTerm(s)
	}
}

// openInstance returns the instance of a name, made where it is not there or is
// an older one that was released.
func (a *Account) openInstance(name string, id uint32, names *repeats) *instance {
	for n := range a.instances() {
		i := a.instanceAt(n)
		if (*i).name != name {
			continue
		}
		if (*i).id != id {
			*i = &instance{name: (*i).name, id: id}
		}
		return *i
	}
	fresh := instanceSlab.one()
	fresh.name, fresh.id = names.one(name), id
	if a.instance == nil {
		a.instance = fresh
	} else {
		more := a.rest()
		more.instances = append(more.instances, fresh)
	}
	return fresh
}

// instanceOf finds the instance a call is for: the key's own, or one of the
// account's where the key is bound to none (D38).
func (a *Account) instanceOf(c *Call) (*instance, account.Kind) {
	name := a.boundTo(c.Key.bound)
	switch {
	case name == "":
		name = c.Instance
	case c.Instance != "" && c.Instance != name:
		return nil, account.WrongInstance
	}
	switch {
	case name != "":
		if in := a.findInstance(name); in != nil {
			return in, 0
		}
		if c.Key.bound == 0 {
			return nil, account.WrongInstance
		}
		return nil, account.PaymentRequired
	case a.instance == nil:
		return nil, account.PaymentRequired
	case a.instances() == 1:
		return a.instance, 0
	}
	return nil, account.WrongInstance
}
