package meter

import (
	"sync"

	"github.com/tallygate/tallygate/account"
)

// instance is a search index: its rates, the terms that pay for it, and how many
// images it holds (D28).
type instance struct {
	name       string
	id         uint32
	releasedAt int64
	terms      []Subscription
	windows    [classes]window
	images     imageCount
	changeLock sync.Mutex // held while the ledger is told of a change; taken before the account's
	calls      imageQueue
}

func (a *Account) instance(name string) *instance {
	for _, i := range a.instances {
		if i.name == name {
			return i
		}
	}
	return nil
}

// applyInstances takes over instances and terms from the ledger. What calls in
// flight hold stays.
func (a *Account) applyInstances(v View) {
	for _, i := range a.instances {
		i.terms = i.terms[:0]
		i.images.lowered = noLimit
	}
	for _, n := range v.Instances {
		i := a.openInstance(n.Name, n.ID)
		i.releasedAt = n.ReleasedAt
		i.images.told(n.Images, n.Uncertain)
	}
	for _, s := range v.Subscriptions {
		i := a.instance(s.Instance)
		if i == nil {
			i = a.openInstance(s.Instance, 0)
		}
		i.terms = append(i.terms, s)
	}
}

// openInstance returns the instance of a name, made where it is not there or is
// an older one that was released.
func (a *Account) openInstance(name string, id uint32) *instance {
	fresh := &instance{name: name, id: id, images: imageCount{lowered: noLimit}}
	for n, i := range a.instances {
		if i.name != name {
			continue
		}
		if i.id != id {
			a.instances[n] = fresh
		}
		return a.instances[n]
	}
	a.instances = append(a.instances, fresh)
	return fresh
}

// instanceOf finds the instance a call is for: the key's own, or one of the
// account's where the key is bound to none (D38).
func (a *Account) instanceOf(c *Call) (*instance, account.Kind) {
	name := c.Key.instance
	switch {
	case name == "":
		name = c.Instance
	case c.Instance != "" && c.Instance != name:
		return nil, account.WrongInstance
	}
	switch {
	case name != "":
		if in := a.instance(name); in != nil {
			return in, 0
		}
		if c.Key.instance == "" {
			return nil, account.WrongInstance
		}
		return nil, account.PaymentRequired
	case len(a.instances) == 1:
		return a.instances[0], 0
	case len(a.instances) == 0:
		return nil, account.PaymentRequired
	}
	return nil, account.WrongInstance
}

// term finds the subscription to a service that is in force at an instant (D26,
// D32).
func (in *instance) term(service string, now int64) (*Subscription, account.Kind) {
	if in.releasedAt != 0 && now >= in.releasedAt {
		return nil, account.Released
	}
	reason := account.PaymentRequired
	for i := range in.terms {
		t := &in.terms[i]
		switch {
		case t.Service != service: // it pays for another one's calls
		case now >= t.End:
			reason = account.SubscriptionExpired
		case now >= t.Start && !t.Void:
			return t, 0
		}
	}
	return nil, reason
}
