package account

import "slices"

// Clone returns a copy that shares nothing with a.
func (a *Account) Clone() *Account {
	c := *a
	c.Months = slices.Clone(a.Months)
	c.Usage = slices.Clone(a.Usage)
	c.Packages = slices.Clone(a.Packages)
	c.Subscriptions = slices.Clone(a.Subscriptions)
	c.Instances = slices.Clone(a.Instances)
	c.Rows = slices.Clone(a.Rows)
	c.Keys = slices.Clone(a.Keys)
	return &c
}

// Cloner makes clones side by side in memory that it allocates at once: an hour
// changes a million accounts, and each has half a dozen lists.
type Cloner struct {
	accounts      []Account
	months        []OpenMonth
	usage         []OperationUsage
	packages      []BoughtPackage
	subscriptions []BoughtSubscription
	instances     []Instance
	rows          []OwnRow
	keys          []Key
}

// NewCloner makes room for a clone of each account.
func NewCloner(accounts []*Account) *Cloner {
	var months, usage, packages, subscriptions, instances, rows, keys int
	for _, a := range accounts {
		months += len(a.Months)
		usage += len(a.Usage)
		packages += len(a.Packages)
		subscriptions += len(a.Subscriptions)
		instances += len(a.Instances)
		rows += len(a.Rows)
		keys += len(a.Keys)
	}
	return &Cloner{make([]Account, 0, len(accounts)), make([]OpenMonth, 0, months), make([]OperationUsage, 0, usage),
		make([]BoughtPackage, 0, packages), make([]BoughtSubscription, 0, subscriptions), make([]Instance, 0, instances),
		make([]OwnRow, 0, rows), make([]Key, 0, keys)}
}

// Clone returns a copy that shares nothing with a, nor with any other clone.
func (c *Cloner) Clone(a *Account) *Account {
	c.accounts = append(c.accounts, *a)
	n := &c.accounts[len(c.accounts)-1]
	n.Months = cut(&c.months, a.Months)
	n.Usage = cut(&c.usage, a.Usage)
	n.Packages = cut(&c.packages, a.Packages)
	n.Subscriptions = cut(&c.subscriptions, a.Subscriptions)
	n.Instances = cut(&c.instances, a.Instances)
	n.Rows = cut(&c.rows, a.Rows)
	n.Keys = cut(&c.keys, a.Keys)
	return n
}

// cut copies a list to the end of a slab. Its capacity ends with it, so that
// whatever is appended to it goes elsewhere. Where the slab is full it grows,
// which leaves alone what was cut from it.
func cut[T any](slab *[]T, list []T) []T {
	if list == nil {
		return nil
	}
	from := len(*slab)
	*slab = append(*slab, list...)
	return (*slab)[from:len(*slab):len(*slab)]
}
