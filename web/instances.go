package web

import (
	"cmp"
	"time"

	"github.com/tallygate/tallygate/account"
)

// Instance is a search index of an account, for as long as its data may exist.
// What is zero while no term is in force stays as it was in the last one.
type Instance struct {
	Instance   string        `json:"instance"`
	State      InstanceState `json:"state" enum:"running,retained,released"`
	Row        string        `json:"row"`
	QPS        QPS           `json:"qps"`
	MaxImages  int64         `json:"max_images"`
	Images     int64         `json:"images" doc:"Held (D28)"`
	Uncertain  int64         `json:"uncertain" doc:"Of unknown outcome: they occupy capacity until they are reconciled (D28)"`
	PaidUntil  time.Time     `json:"paid_until,omitzero"`
	ReleaseDue time.Time     `json:"release_due,omitzero" doc:"When it is released if it is not renewed (D32)"`
	Released   time.Time     `json:"released,omitzero"`
	ReleaseAck bool          `json:"release_acknowledged,omitempty" doc:"Its data is deleted"`
}

// InstanceState is where an instance stands (D32).
type InstanceState string

// An instance is retained from the end of its last term on.
const (
	InstanceRunning  InstanceState = "running"
	InstanceRetained InstanceState = "retained"
	InstanceReleased InstanceState = "released"
)

func (h *handlers) instanceView(a *account.Account, i account.Instance) Instance {
	now := h.gateway.Now().Unix()
	v := Instance{Instance: i.Name, State: InstanceRunning, Images: i.Images, Uncertain: i.Uncertain,
		Released: h.at(i.Released), ReleaseAck: i.Ack}
	shown, last := termsOf(a, i.Name, now)
	if shown == nil { // it ended so long ago that nothing of it is kept
		v.State = InstanceReleased
		return v
	}
	v.Row, v.MaxImages, v.QPS = shown.Row, shown.MaxImages, QPS{int(shown.Search), int(shown.Add), int(shown.Delete)}
	v.PaidUntil = h.at(last.End)
	switch {
	case i.Released != 0:
		v.State = InstanceReleased
		return v
	case now >= last.End:
		v.State = InstanceRetained
	}
	v.ReleaseDue = h.at(max(last.End+account.InstanceRetention, h.gateway.Engine().Env().Floor))
	return v
}

// termsOf finds the term of an instance that is in force, else the last one
// before, and the one that ends last. Nil where there is none.
func termsOf(a *account.Account, instance string, now int64) (shown, last *account.BoughtSubscription) {
	for n := range a.Subscriptions {
		s := &a.Subscriptions[n]
		if s.Instance != instance || s.Void {
			continue
		}
		if s.Start <= now && (shown == nil || later(s, shown)) {
			shown = s
		}
		if last == nil || later(s, last) {
			last = s
		}
	}
	return cmp.Or(shown, last), last
}

func later(s, than *account.BoughtSubscription) bool {
	return cmp.Or(cmp.Compare(s.End, than.End), cmp.Compare(s.Number, than.Number)) > 0
}
