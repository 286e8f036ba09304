package account

// instanceDues is what happens to an instance by time alone, but for its
// release (D31, D32).
func (a *Account) instanceDues(i int, e Env, yield func(due)) {
	inst := a.Instances[i]
	last := a.lastOf(inst.Name)
	if inst.Released != 0 || last == nil {
		return
	}
	ref, end, order := instanceRef(inst.Name), last.End, orderOf(ofInstance, inst.ID)
	for _, s := range a.Subscriptions {
		if s.Instance == inst.Name && !s.Void && s.Start > inst.Anchor {
			yield(due{s.Start, rankStart, orderOf(ofTerm, s.Number), func(Env) Effects {
				return a.notice(s.Start, EventTermStarted, subscriptionRef(s.Number), s.Row+" of "+s.Instance)
			}})
		}
	}
	yield(due{end, rankExpiry, order, func(Env) Effects { return a.notice(end, EventTermExpired, ref, last.Row) }})
	for _, days := range noticesOfExpiry {
		if at := end - days*day; at > inst.Anchor {
			yield(due{at, rankNotice, order, func(Env) Effects { return a.notice(at, NoticeExpiry, ref, last.Row+" expires "+inDays(days)) }})
		}
	}
	for _, days := range noticesOfRelease {
		at := end + InstanceRetention - days*day
		yield(due{at, rankNotice, order, func(Env) Effects {
			return a.notice(at, NoticeInstanceRemove, ref, inDays(days)+": its data is deleted unless it is renewed")
		}})
	}
}

// instanceRelease ends an instance that was not renewed (D32): not sooner than
// a day after a restart, as an account (D23).
func (a *Account) instanceRelease(i int, e Env, yield func(due)) {
	inst := a.Instances[i]
	last := a.lastOf(inst.Name)
	if inst.Released != 0 || last == nil {
		return
	}
	at := max(last.End+InstanceRetention, e.Floor)
	yield(due{at, rankState, orderOf(ofInstance, inst.ID), func(Env) Effects {
		a.Instances[i].Released = at
		a.Instances[i].dropImages()
		return a.notice(at, EventInstanceReleased, instanceRef(inst.Name), "delete the instance's data and acknowledge it")
	}})
}

// AcknowledgeRelease says that the operator's systems have deleted what a
// release told them to (D23).
type AcknowledgeRelease struct {
	Instance string `json:"instance,omitempty"` // "" = the account as a whole
}

func (*AcknowledgeRelease) Type() string { return "acknowledge-release" }

// Apply ends the repetition of the event.
func (c *AcknowledgeRelease) Apply(a *Account, e Env) (Effects, error) {
	if c.Instance == "" {
		if a.Released == 0 {
			return Effects{}, refuse(Conflict, "account", "%s is not released", a.ID)
		}
		a.ReleaseAck = true
		for i := range a.Instances {
			a.Instances[i].Ack = true
		}
		return Effects{Answer: AccountAnswer{Account: a.ID, Customer: a.Customer}}, nil
	}
	inst := a.InstanceNamed(c.Instance)
	if inst == nil {
		return Effects{}, refuse(NotFound, "instance", "account %s has no instance %q", a.ID, c.Instance)
	}
	if inst.Released == 0 {
		return Effects{}, refuse(Conflict, "instance", "%s is not released", c.Instance)
	}
	inst.Ack = true
	return Effects{Answer: AccountAnswer{Account: a.ID, Customer: a.Customer}}, nil
}

// ReconcileImages closes a reconciliation: the changes that it found are
// inputs of their own, and what was uncertain is settled (D28).
type ReconcileImages struct {
	Instance string `json:"instance"`
	Added    int64  `json:"added"`   // found at the upstream and missing here
	Removed  int64  `json:"removed"` // the other way
	Reason   string `json:"reason"`
}

func (*ReconcileImages) Type() string { return "reconcile-images" }

// ReconcileAnswer says what there is now.
type ReconcileAnswer struct {
	Account   string `json:"account"`
	Instance  string `json:"instance"`
	Images    int64  `json:"images"`
	Added     int64  `json:"added"`
	Removed   int64  `json:"removed"`
	Uncertain int64  `json:"uncertain_settled"`
}

// Apply writes the audit entry.
func (c *ReconcileImages) Apply(a *Account, e Env) (Effects, error) {
	inst, err := a.liveInstance(c.Instance)
	if err != nil {
		return Effects{}, err
	}
	if err := checkWords("reason", c.Reason, "why"); err != nil {
		return Effects{}, err
	}
	answer := ReconcileAnswer{a.ID, c.Instance, inst.Images, c.Added, c.Removed, inst.Uncertain}
	inst.Uncertain = 0
	text := itoa(c.Added) + " added, " + itoa(c.Removed) + " removed, " + itoa(answer.Uncertain) + " uncertain settled, " + itoa(inst.Images) + " held: " + c.Reason
	return Effects{Events: []Event{a.event(e.unix(), EventImagesReconciled, instanceRef(c.Instance), text)}, Answer: answer}, nil
}
