package meter

import (
	"time"

	"github.com/tallygate/tallygate/account"
)

// ViewOf is what admission cares about in an account of the ledger.
func ViewOf(a *account.Account) View {
	v := View{Number: a.Number, InArrears: a.Arrears != 0, ReleasedAt: nanos(a.ReleaseAt()), PayPerUse: !a.NoPayPerUse}
	for _, u := range a.Usage {
		v.FreeUsed = append(v.FreeUsed, FreeUsed{u.Operation, u.Month, u.Free})
	}
	for _, p := range a.Packages {
		v.Packages = append(v.Packages, Package{Number: p.Number, Operation: p.Operation,
			Left: p.Quota - min(p.Quota, p.Used), Start: nanos(p.Start), End: nanos(p.End)})
	}
	lastEnd := make(map[string]int64)
	for _, s := range a.Subscriptions {
		lastEnd[s.Instance] = max(lastEnd[s.Instance], s.End)
	}
	for _, s := range a.Subscriptions {
		v.Subscriptions = append(v.Subscriptions, Subscription{Number: s.Number, Instance: s.Instance,
			Start: nanos(s.Start), End: nanos(s.End), Limits: [classes]uint32{s.Search, s.Add, s.Delete},
			ReleasedAt: nanos(lastEnd[s.Instance] + account.SubscriptionRetention)})
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
