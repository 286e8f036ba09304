package meter

import (
	"time"

	"github.com/tallygate/tallygate/account"
)

// ViewOf is what admission cares about in an account of the ledger.
func ViewOf(a *account.Account) View {
	v := View{Number: a.Number, InArrears: a.Arrears != 0, ReleasedAt: nanos(a.Released), PayPerUse: !a.NoPayPerUse,
		Balance: a.Balance, CreditLimit: a.CreditLimit}
	if a.Arrears != 0 && a.ArrearsLaw.AllowInGrace {
		v.GraceUntil = nanos(a.Arrears + a.ArrearsLaw.Grace)
	}
	for _, u := range a.Usage {
		v.FreeUsed = append(v.FreeUsed, FreeUsed{u.Operation, u.Month, u.Free})
		v.Usage = append(v.Usage, Usage{u.Operation, u.Month, u.PayPerUse, u.Successful, u.Exact, u.Debited})
	}
	for _, p := range a.Packages {
		v.Packages = append(v.Packages, Package{Number: p.Number, Operation: p.Operation,
			Left: p.Quota - min(p.Quota, p.Used), Start: nanos(p.Start), End: nanos(p.End)})
	}
	for _, s := range a.Subscriptions {
		v.Subscriptions = append(v.Subscriptions, Subscription{Number: s.Number, Instance: s.Instance, Service: s.Service,
			Start: nanos(s.Start), End: nanos(s.End), Limits: [classes]uint32{s.Search, s.Add, s.Delete},
			MaxImages: s.MaxImages, Void: s.Void})
	}
	for _, i := range a.Instances {
		v.Instances = append(v.Instances, Instance{Name: i.Name, ID: i.ID, ReleasedAt: nanos(i.Released),
			Images: i.Images, Uncertain: i.Uncertain})
	}
	return v
}

func nanos(unix int64) int64 { return unix * int64(time.Second) }

// KindOf translates where the ledger says a key is read from.
func KindOf(k account.KeyKind) KeyKind {
	switch k {
	case account.AccessKeyID:
		return AccessKeyID
	case account.Identity:
		return Identity
	}
	return Secret
}
