package integration

import "fmt"

// Instances and subscriptions of the model (D25–D32).

type yearInstance struct {
	name         string
	anchor       int64
	months       int
	boughtIn     string // month
	released     int64
	acknowledged bool
	terms        []yearTerm
	images       map[string]bool // product/picture (D28)
	uncertain    int64           // adds and deletes whose answer broke off
}

type yearTerm struct {
	number      int
	row         string
	qps, delete int
	images      int64
	start, end  int64
	whole       int64 // start of what the basis paid for
	months      int
	basis       int64
	void, trial bool
}

func (a *yearAccount) row(id string) (yearRow, bool) {
	if r, ok := a.rows[id]; ok {
		return r, true
	}
	r, ok := a.book(a.now).rows[id]
	return r, ok
}

func (a *yearAccount) instance(name string) *yearInstance {
	for i := range a.instances {
		if a.instances[i].name == name {
			return &a.instances[i]
		}
	}
	return nil
}

// last is the term that ends last, running that which is in force.
func (i *yearInstance) last() (last *yearTerm) {
	for n := range i.terms {
		if t := &i.terms[n]; !t.void && (last == nil || t.end > last.end) {
			last = t
		}
	}
	return last
}

func (i *yearInstance) running(now int64) *yearTerm {
	for n := range i.terms {
		if t := &i.terms[n]; !t.void && t.start <= now && now < t.end {
			return t
		}
	}
	return nil
}

// held is the images that take up room.
func (i *yearInstance) held() int64 { return int64(len(i.images)) + i.uncertain }

func (a *yearAccount) newTerm(id string, r yearRow, start, end int64, months int, basis int64) yearTerm {
	return yearTerm{number: a.terms + 1, row: id, qps: r.qps, delete: r.delete, images: r.images, start: start, end: end, whole: start, months: months, basis: basis}
}

func (a *yearAccount) hadTrial() bool {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.trials[a.customer]
}

func (a *yearAccount) subscribe(name, id string, months int, trial bool, most string) outcome {
	r, ok := a.row(id)
	if !ok {
		return refused("not-found")
	}
	price := r.price * int64(months)
	if trial {
		switch {
		case !r.trial:
			return refused("not-allowed")
		case months != 1:
			return refused("invalid")
		case a.hadTrial():
			return refused("conflict")
		}
		price = 0
	}
	old := a.instance(name)
	if old != nil && (old.released == 0 || !old.acknowledged || old.boughtIn == monthOf(a.now)) {
		return refused("conflict")
	}
	t := a.newTerm(id, r, a.now, monthsOn(a.now, months), months, price)
	t.trial = trial
	out := a.pay(most, "subscription", price)
	if out.word != "" {
		return out
	}
	a.terms++
	if old == nil {
		a.instances = append(a.instances, yearInstance{})
		old = &a.instances[len(a.instances)-1]
	} else {
		a.seen["subscription of a name that was released"]++
	}
	*old = yearInstance{name: name, anchor: a.now, months: months, boughtIn: monthOf(a.now), terms: []yearTerm{t}, images: map[string]bool{}}
	out.start, out.end, out.trial = t.start, t.end, trial
	a.setInstanceAlarms(name)
	return out
}

func (a *yearAccount) renew(name, id string, months int, most string) outcome {
	in := a.instance(name)
	switch {
	case in == nil:
		return refused("not-found")
	case in.released != 0:
		return refused("not-allowed")
	}
	last := in.last()
	if id == "" {
		id = last.row
	}
	r, ok := a.row(id)
	switch {
	case !ok:
		return refused("not-found")
	case r.images < last.images && in.held() > r.images:
		return refused("conflict")
	}
	t := a.newTerm(id, r, last.end, monthsOn(in.anchor, in.months+months), months, r.price*int64(months))
	if t.end <= a.now {
		return refused("not-allowed")
	}
	out := a.pay(most, "subscription-renewal", t.basis)
	if out.word != "" {
		return out
	}
	a.terms++
	in.months += months
	in.terms = append(in.terms, t)
	out.start, out.end = t.start, t.end
	a.setInstanceAlarms(name)
	return out
}

// change prices the rest of the running term, and the prepaid ones of the same
// row, by the second (D30).
func (a *yearAccount) change(name, id, most string) outcome {
	in := a.instance(name)
	switch {
	case in == nil:
		return refused("not-found")
	case in.released != 0:
		return refused("not-allowed")
	}
	old := in.running(a.now)
	if old == nil {
		return refused("not-found")
	}
	r, ok := a.row(id)
	switch {
	case !ok:
		return refused("not-found")
	case id == old.row, in.held() > r.images:
		return refused("conflict")
	}
	t := a.newTerm(id, r, a.now, old.end, old.months, r.price*int64(old.months))
	t.whole = old.whole
	due := []int64{shareOf(t.basis-old.basis, old.end-a.now, old.end-old.whole)}
	var later []int
	for n, l := range in.terms {
		if l.row == old.row && !l.void && l.start > a.now {
			later = append(later, n)
			due = append(due, shareOf(r.price*int64(l.months)-l.basis, l.end-l.start, l.end-l.whole))
		}
	}
	out := a.pay(most, "subscription-change", due...)
	if out.word != "" {
		return out
	}
	a.terms++
	for _, n := range later {
		l := &in.terms[n]
		l.row, l.basis, l.qps, l.delete, l.images = id, r.price*int64(l.months), r.qps, r.delete, r.images
	}
	old.end, old.void = a.now, true
	in.terms = append(in.terms, t)
	out.start, out.end = t.start, t.end
	return out
}

func (a *yearAccount) setInstanceAlarms(name string) {
	in := a.instance(name)
	ref, anchor, end := "instance:"+name, in.anchor, in.last().end
	for _, t := range in.terms {
		if !t.void && t.start > in.anchor {
			term := fmt.Sprint("subscription:", t.number)
			a.alarm(t.start, dueStart, "start "+term, func(a *yearAccount, at int64) { a.event(at, "subscription-term-started", term) })
		}
	}
	still := func(then func(*yearInstance, *yearAccount, int64)) func(*yearAccount, int64) {
		return func(a *yearAccount, at int64) {
			if in := a.instance(name); in.anchor == anchor && in.released == 0 && in.last().end == end {
				then(in, a, at)
			}
		}
	}
	tell := func(kind string) func(*yearAccount, int64) {
		return still(func(_ *yearInstance, a *yearAccount, at int64) { a.event(at, kind, ref) })
	}
	a.alarm(end, dueExpiry, "expiry "+ref, tell("subscription-expired"))
	for _, days := range []int64{15, 7, 3, 1} {
		if at := end - days*aDay; at > anchor {
			a.alarm(at, dueNotice, "notice "+ref, tell("notice-expiry"))
		}
	}
	const retained = 15 * aDay
	for _, days := range []int64{7, 3, 1} {
		a.alarm(end+retained-days*aDay, dueNotice, "removal "+ref, tell("notice-instance-release"))
	}
	var release func(*yearInstance, *yearAccount, int64)
	release = func(in *yearInstance, a *yearAccount, at int64) {
		if a.floor > at {
			a.seen["release of an instance that waited"]++
			a.alarm(a.floor, dueState, "release "+ref, still(release))
			return
		}
		in.released, in.images, in.uncertain = at, nil, 0
		a.event(at, "instance-released", ref)
	}
	a.alarm(end+retained, dueState, "release "+ref, still(release))
}
