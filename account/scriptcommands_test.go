package account_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating"
)

// accountCommand is a command for an account: the words that must follow it,
// those that may, and what it becomes.
type accountCommand struct {
	words   string
	options string // with a value; those that end in ! have none
	make    func(a args) account.Command
}

type args map[string]string

// commands are the words of scripts that carry out an account.Command.
var commands = map[string]accountCommand{
	"account": {"account", "customer credit-limit low-balance payg", func(a args) account.Command {
		return &account.CreateAccount{Account: a["account"], Customer: a["customer"], CreditLimit: a["credit-limit"],
			LowBalance: a["low-balance"], NoPayPerUse: a["payg"] == "off"}
	}},
	"change account": {"account", "credit-limit low-balance payg", func(a args) account.Command {
		c := &account.ChangeAccount{CreditLimit: a.maybe("credit-limit"), LowBalance: a.maybe("low-balance")}
		if payg, ok := a["payg"]; ok {
			on := payg == "on"
			c.PayPerUse = &on
		}
		return c
	}},
	"top up": {"account amount", "reference", func(a args) account.Command {
		return &account.TopUp{Amount: a["amount"], Reference: a.or("reference", "wire")}
	}},
	"adjust": {"account amount", "reason reference", func(a args) account.Command {
		return &account.Adjust{Amount: a["amount"], Reason: a.or("reason", "mistyped"), Reference: a.or("reference", "ticket")}
	}},
	"buy package": {"account package", "auto-renew! max-amount", func(a args) account.Command {
		return &account.BuyPackage{Package: a["package"], AutoRenew: a.has("auto-renew"), MaxAmount: a["max-amount"]}
	}},
	"renew package": {"account number", "max-amount", func(a args) account.Command {
		return &account.RenewPackage{Package: uint32(a.number("number")), MaxAmount: a["max-amount"]}
	}},
	"auto-renew": {"account number switch", "", func(a args) account.Command {
		return &account.SetAutoRenewal{Package: uint32(a.number("number")), On: a["switch"] == "on"}
	}},
	"subscribe": {"account instance row months", "trial! max-amount", func(a args) account.Command {
		return &account.Subscribe{Instance: a["instance"], Row: a["row"], Months: int(a.number("months")),
			Trial: a.has("trial"), MaxAmount: a["max-amount"]}
	}},
	"renew subscription": {"account instance months", "row max-amount held", func(a args) account.Command {
		return &account.RenewSubscription{Instance: a["instance"], Row: a["row"], Months: int(a.number("months")),
			MaxAmount: a["max-amount"], Held: a.number("held")}
	}},
	"change subscription": {"account instance row", "max-amount held", func(a args) account.Command {
		return &account.ChangeSubscription{Instance: a["instance"], Row: a["row"], MaxAmount: a["max-amount"], Held: a.number("held")}
	}},
	"add row": {"account row", "service images qps delete price", func(a args) account.Command {
		return &account.AddRow{Row: a["row"], Service: a.or("service", "search"), MaxImages: a.number("images"),
			Search: uint32(a.number("qps")), Add: uint32(a.number("qps")), Delete: uint32(a.number("delete")), Price: a["price"]}
	}},
	"acknowledge": {"account", "instance", func(a args) account.Command {
		return &account.AcknowledgeRelease{Instance: a["instance"]}
	}},
	"reconcile": {"account instance", "added removed reason", func(a args) account.Command {
		return &account.ReconcileImages{Instance: a["instance"], Added: a.number("added"), Removed: a.number("removed"),
			Reason: a.or("reason", "check")}
	}},
	"add key": {"account key", "kind hash instance", func(a args) account.Command {
		return &account.AddKey{Key: a["key"], Kind: account.KeyKind(a.or("kind", "secret")),
			Hash: a.or("hash", strings.Repeat("ab", 32)), Instance: a["instance"]}
	}},
	"revoke key": {"account key", "", func(a args) account.Command { return &account.RevokeKey{Key: a["key"]} }},
}

func (a args) has(name string) bool { _, ok := a[name]; return ok }

func (a args) or(name, otherwise string) string {
	if v, ok := a[name]; ok {
		return v
	}
	return otherwise
}

func (a args) maybe(name string) *string {
	if v, ok := a[name]; ok {
		return &v
	}
	return nil
}

// number is 0 for what is not there.
func (a args) number(name string) int64 {
	n, _ := number(a[name])
	return n
}

// number reads 10_000.
func number(s string) (int64, error) { return strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64) }

// readArgs reads the words of a line: those that must be there, then options.
func readArgs(words []string, required, options string) (args, error) {
	a := args{}
	for _, name := range strings.Fields(required) {
		if len(words) == 0 {
			return nil, fmt.Errorf("the %s is missing; write %s", name, required)
		}
		a[name], words = words[0], words[1:]
		if err := checkValue(name, a[name]); err != nil {
			return nil, err
		}
	}
	known := strings.Fields(options)
	for len(words) > 0 {
		name := words[0]
		switch {
		case slices.Contains(known, name+"!"):
			a[name], words = "", words[1:]
		case slices.Contains(known, name) && len(words) > 1:
			a[name], words = words[1], words[2:]
			if err := checkValue(name, a[name]); err != nil {
				return nil, err
			}
		default:
			return nil, fmt.Errorf("there is no %q here; there may be: %s", strings.Join(words, " "), options)
		}
	}
	return a, nil
}

// checkValue refuses what would silently mean something else.
func checkValue(name, value string) error {
	switch name {
	case "number", "calls", "months", "images", "uncertain", "qps", "delete", "held", "added", "removed", "purchases":
		_, err := number(value)
		return err
	case "payg", "switch":
		if value != "on" && value != "off" {
			return fmt.Errorf("%q: write on or off", value)
		}
	}
	return nil
}

func (w *world) party(id string) (*party, error) {
	if p := w.parties[id]; p != nil {
		return p, nil
	}
	return nil, fmt.Errorf("there is no account %q", id)
}

// run carries out a line.
func (w *world) run(l line) error {
	words := l.words
	if w.refusal != nil && (words[0] != "expect" || len(words) < 2 || words[1] != "refusal") {
		return fmt.Errorf("before it, refused and not expected: %w", w.refusal)
	}
	if l.block != nil && words[0] != "expect" && words[0] != "price" {
		return fmt.Errorf("it takes no indented lines")
	}
	if len(w.books) == 0 && words[0] != "price" {
		if err := w.loadBook(0, "default", nil); err != nil {
			return err
		}
	}
	switch words[0] {
	case "expect":
		return w.expect(l)
	case "calls", "begin":
		return w.calls(l)
	case "preview":
		return w.command(words[1:], w.preview)
	}
	if setting, ok := settings[words[0]]; ok {
		return setting(w, l)
	}
	return w.command(words, w.do)
}

// command finds the command that words begin with.
func (w *world) command(words []string, carryOut func(id string, c account.Command) error) error {
	for n := min(2, len(words)); n > 0; n-- {
		if c, ok := commands[strings.Join(words[:n], " ")]; ok {
			a, err := readArgs(words[n:], c.words, c.options)
			if err != nil {
				return err
			}
			return carryOut(a["account"], c.make(a))
		}
	}
	return fmt.Errorf("there is no such command")
}

// do carries out a command: all of it, or nothing.
func (w *world) do(id string, c account.Command) error {
	if create, ok := c.(*account.CreateAccount); ok {
		w.parties[id] = &party{Account: &account.Account{}, used: map[account.Line]uint64{}, hours: map[int64]map[account.Line]uint64{},
			inFlight: map[account.Line]uint64{}, tierUse: map[uint32]*rating.TierUse{}}
		create.Number = uint32(len(w.parties))
	}
	p, err := w.party(id)
	if err != nil {
		return err
	}
	next := p.Clone()
	effects, err := account.Do(next, c, w.env())
	if w.refusal = err; err != nil {
		return nil
	}
	before := p.Clone()
	p.Account = next
	w.take(p, effects)
	return errors.Join(w.checkAnswer(before, next, effects.Answer), p.check())
}

// checkAnswer proves that what the caller is told is what the command moved;
// what was due before it may have moved something, too.
func (w *world) checkAnswer(before, after *account.Account, answer any) error {
	var told struct{ Amount, Balance *string }
	data, err := json.Marshal(answer)
	if err == nil {
		err = json.Unmarshal(data, &told)
	}
	if err != nil || told.Balance == nil {
		return err
	}
	before.Advance(w.now, w.env())
	moved := after.Balance - before.Balance
	if *told.Amount != w.money(moved) || *told.Balance != w.money(after.Balance) {
		return fmt.Errorf("the answer says %s, %s was moved and the balance is %s", data, w.money(moved), w.money(after.Balance))
	}
	return nil
}

// preview finds out what a command would cost, and carries nothing out.
func (w *world) preview(id string, c account.Command) error {
	p, err := w.party(id)
	if err != nil {
		return err
	}
	next := p.Clone()
	effects, err := account.Do(next, c, w.env())
	if w.refusal = err; err != nil {
		return nil
	}
	before := p.Clone()
	before.Advance(w.now, w.env())
	due := before.Balance - next.Balance
	w.price = &due
	return w.checkAnswer(before, next, effects.Answer)
}
