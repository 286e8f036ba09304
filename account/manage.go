package account

import (
	"cmp"
	"encoding/hex"
	"regexp"
	"slices"

	"github.com/tallygate/tallygate/rating/money"
)

var namePattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._@-]{0,63}$`)

// checkName admits what can stand in a path, a log line and a file name.
func checkName(field, name string) error {
	if !namePattern.MatchString(name) {
		return refuse(Invalid, field, "%q must be 1 to 64 letters, digits or . _ @ - and begin with a letter or digit", name)
	}
	return nil
}

// CreateAccount opens an account.
type CreateAccount struct {
	Account     string `json:"account"`
	Number      uint32 `json:"number"` // given by the ledger
	Customer    string `json:"customer,omitempty"`
	CreditLimit string `json:"credit_limit,omitempty"`
	LowBalance  string `json:"low_balance,omitempty"`
	NoPayPerUse bool   `json:"no_pay_per_use,omitempty"`
}

func (*CreateAccount) Type() string { return "create-account" }

// Apply fills the empty account it is given.
func (c *CreateAccount) Apply(a *Account, e Env) (Effects, error) {
	if err := checkName("account", c.Account); err != nil {
		return Effects{}, err
	}
	customer := c.Customer
	if customer == "" {
		customer = c.Account
	}
	if err := checkName("customer", customer); err != nil {
		return Effects{}, err
	}
	limit, err := creditLimit(e, cmp.Or(c.CreditLimit, "0"))
	if err != nil {
		return Effects{}, err
	}
	low, err := lowBalance(e, cmp.Or(c.LowBalance, "0"))
	if err != nil {
		return Effects{}, err
	}
	*a = Account{Number: c.Number, ID: c.Account, Customer: customer, Created: e.unix(), Seen: e.unix(),
		CreditLimit: limit, LowBalance: low, NoPayPerUse: c.NoPayPerUse}
	return Effects{Answer: AccountAnswer{Account: a.ID, Customer: a.Customer}}, nil
}

// AccountAnswer says which account there is now.
type AccountAnswer struct {
	Account  string `json:"account"`
	Customer string `json:"customer"`
}

func creditLimit(e Env, s string) (money.Amount, error) {
	limit, err := e.Currency.Parse(s)
	if err != nil {
		return 0, refuse(Invalid, "credit_limit", "%v", err)
	}
	if limit < 0 {
		return 0, refuse(Invalid, "credit_limit", "must not be negative: it says how far below zero the balance may be")
	}
	return limit, nil
}

func lowBalance(e Env, s string) (money.Amount, error) {
	low, err := e.Currency.Parse(s)
	if err != nil {
		return 0, refuse(Invalid, "low_balance", "%v", err)
	}
	return low, nil
}

// ChangeAccount changes what an operator decides of an account. What is nil
// stays.
type ChangeAccount struct {
	CreditLimit *string `json:"credit_limit,omitempty"`
	LowBalance  *string `json:"low_balance,omitempty"`
	PayPerUse   *bool   `json:"pay_per_use,omitempty"`
}

func (*ChangeAccount) Type() string { return "change-account" }

// Apply changes the settings. A higher credit limit ends arrears at once, as a
// top-up does (D22); a lower one is judged at the next settlement (D19).
func (c *ChangeAccount) Apply(a *Account, e Env) (Effects, error) {
	if c.CreditLimit == nil && c.LowBalance == nil && c.PayPerUse == nil {
		return Effects{}, refuse(Invalid, "", "nothing to change: give credit_limit, low_balance or pay_per_use")
	}
	var events []Event
	if c.LowBalance != nil {
		low, err := lowBalance(e, *c.LowBalance)
		if err != nil {
			return Effects{}, err
		}
		a.LowBalance = low
	}
	if c.CreditLimit != nil {
		limit, err := creditLimit(e, *c.CreditLimit)
		if err != nil {
			return Effects{}, err
		}
		a.CreditLimit = limit
		events = a.leaveArrears(e.unix())
	}
	if c.PayPerUse != nil {
		a.NoPayPerUse = !*c.PayPerUse
	}
	return Effects{Events: events, Answer: AccountAnswer{Account: a.ID, Customer: a.Customer}}, nil
}

// AddKey lets a key stand for the account. The secret itself is never here.
type AddKey struct {
	Key      string  `json:"key"` // the public id
	Kind     KeyKind `json:"kind"`
	Hash     string  `json:"hash"` // hex of the SHA-256
	Instance string  `json:"instance,omitempty"`
	Label    string  `json:"label,omitempty"`
}

func (*AddKey) Type() string { return "add-key" }

// KeyAnswer names a key without its secret.
type KeyAnswer struct {
	Account  string  `json:"account"`
	Key      string  `json:"key"`
	Kind     KeyKind `json:"kind"`
	Instance string  `json:"instance,omitempty"`
	Label    string  `json:"label,omitempty"`
}

// Apply adds the key. That no other account has it is the ledger's business.
func (c *AddKey) Apply(a *Account, e Env) (Effects, error) {
	hash, err := hex.DecodeString(c.Hash)
	if err != nil || len(hash) != 32 {
		return Effects{}, refuse(Invalid, "hash", "must be the 64 hex digits of a SHA-256")
	}
	switch c.Kind {
	case SecretKey, AccessKeyID, Identity:
	default:
		return Effects{}, refuse(Invalid, "kind", "%q must be %s, %s or %s", c.Kind, SecretKey, AccessKeyID, Identity)
	}
	if c.Instance != "" {
		if err := checkName("instance", c.Instance); err != nil {
			return Effects{}, err
		}
	}
	if slices.ContainsFunc(a.Keys, func(k Key) bool { return k.ID == c.Key }) {
		return Effects{}, refuse(Conflict, "key", "the account has a key %s already", c.Key)
	}
	a.Keys = append(a.Keys, Key{ID: c.Key, Kind: c.Kind, Hash: [32]byte(hash), Instance: c.Instance,
		Label: c.Label, Created: e.unix()})
	return Effects{Answer: KeyAnswer{a.ID, c.Key, c.Kind, c.Instance, c.Label}}, nil
}

// RevokeKey takes a key away.
type RevokeKey struct {
	Key string `json:"key"`
}

func (*RevokeKey) Type() string { return "revoke-key" }

// Apply removes the key.
func (c *RevokeKey) Apply(a *Account, _ Env) (Effects, error) {
	i := slices.IndexFunc(a.Keys, func(k Key) bool { return k.ID == c.Key })
	if i < 0 {
		return Effects{}, refuse(NotFound, "key", "account %s has no key %q", a.ID, c.Key)
	}
	k := a.Keys[i]
	a.Keys = slices.Delete(a.Keys, i, i+1)
	return Effects{Answer: KeyAnswer{a.ID, k.ID, k.Kind, k.Instance, k.Label}}, nil
}
