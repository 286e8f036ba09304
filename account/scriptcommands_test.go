package account_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/rating"
	"github.com/tallygate/tallygate/rating/money"
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
		return &account.Subscribe{Instance: a["instance"], Row: a["row"], Months: int(a.number("months")), Trial: a.has("trial"), MaxAmount: a["max-amount"]}
	}},
	"renew subscription": {"account instance months", "row max-amount held", func(a args) account.Command {
		return &account.RenewSubscription{Instance: a["instance"], Row: a["row"], Months: int(a.number("months")), MaxAmount: a["max-amount"], Held: a.number("held")}
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
		return &account.ReconcileImages{Instance: a["instance"], Added: a.number("added"), Removed: a.number("removed"), Reason: a.or("reason", "check")}
	}},
	"add key": {"account key", "kind hash instance", func(a args) account.Command {
		return &account.AddKey{Key: a["key"], Kind: account.KeyKind(a.or("kind", "secret")), Hash: a.or("hash", strings.Repeat("ab", 32)), Instance: a["instance"]}
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

// number is 0 for what is no number: the command refuses it then.
func (a args) number(name string) int64 {
	n, _ := number(a[name])
	return n
}

// number reads 10_000, and plain words for nothing.
func number(s string) (int64, error) { return strconv.ParseInt(strings.ReplaceAll(s, "_", ""), 10, 64) }

// args reads the words of a line: those that must be there, then options.
func (w *world) args(words []string, required, options string) (args, error) {
	a := args{}
	for _, name := range strings.Fields(required) {
		if len(words) == 0 {
			return nil, fmt.Errorf("the %s is missing; write %s", name, required)
		}
		a[name], words = words[0], words[1:]
	}
	known := strings.Fields(options)
	for len(words) > 0 {
		name := words[0]
		switch {
		case slices.Contains(known, name+"!"):
			a[name], words = "", words[1:]
		case slices.Contains(known, name) && len(words) > 1:
			a[name], words = words[1], words[2:]
		default:
			return nil, fmt.Errorf("there is no %q here; there may be: %s", strings.Join(words, " "), options)
		}
	}
	return a, nil
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
			a, err := w.args(words[n:], c.words, c.options)
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
	p.Account = next
	w.take(p, effects)
	return p.check()
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
	var due money.Amount
	for _, m := range effects.Movements {
		due -= m.Amount
	}
	w.price = &due
	return nil
}

// settings are the words of scripts that are no account.Command.
var settings = map[string]func(w *world, l line) error{
	"zone":       (*world).setZone,
	"notices":    func(w *world, l line) error { w.noNotices = true; return say(l, "notices off") },
	"settlement": func(w *world, l line) error { w.noSettlement = slices.Contains(l.words, "off"); return nil },
	"settle":     func(w *world, l line) error { return errors.Join(say(l, "settle"), w.settle()) },
	"policy":     (*world).setPolicy,
	"price":      (*world).priceBook,
	"at":         func(w *world, l line) error { return w.at(l.words[1:], w.live) },
	"restart":    (*world).restart,
	"end":        func(w *world, l line) error { return w.flight(l, true) },
	"fail":       func(w *world, l line) error { return w.flight(l, false) },
	"images":     (*world).images,
}

func say(l line, want string) error {
	if got := strings.Join(l.words, " "); got != want {
		return fmt.Errorf("write %s", want)
	}
	return nil
}

func (w *world) setZone(l line) (err error) {
	if len(l.words) != 2 {
		return fmt.Errorf("write zone +08:00, or zone Europe/Berlin")
	}
	if t, err := time.Parse("-07:00", l.words[1]); err == nil {
		_, offset := t.Zone()
		w.zone = time.FixedZone(l.words[1], offset)
	} else if w.zone, err = time.LoadLocation(l.words[1]); err != nil {
		return err
	}
	w.now = time.Date(2027, 1, 1, 0, 0, 0, 0, w.zone).Unix()
	return nil
}

// setPolicy changes what it names; the rest stays. What was due before it has
// happened: a policy is in force from the instant of its entry (D20).
func (w *world) setPolicy(l line) error {
	a, err := w.args(l.words[1:], "", "grace retention allow-in-grace! end-of-day! purchases")
	if err == nil {
		err = w.lookAtAll()
	}
	if err != nil {
		return err
	}
	for name, field := range map[string]*int64{"grace": &w.policy.Grace, "retention": &w.policy.Retention} {
		if a.has(name) {
			if *field, err = duration(a[name]); err != nil {
				return err
			}
		}
	}
	w.policy.AllowInGrace = w.policy.AllowInGrace || a.has("allow-in-grace")
	w.policy.EndOfDay = w.policy.EndOfDay || a.has("end-of-day")
	if a.has("purchases") {
		w.policy.Purchases = uint32(a.number("purchases"))
	}
	return nil
}

// duration reads 15d or 36h.
func duration(s string) (seconds int64, err error) {
	if days, ok := strings.CutSuffix(s, "d"); ok {
		n, err := number(days)
		return n * 24 * 3600, err
	}
	d, err := time.ParseDuration(s)
	return int64(d / time.Second), err
}

func (w *world) priceBook(l line) error {
	words, from := l.words[1:], int64(math.MinInt64)
	if len(words) == 0 || words[0] != "book" {
		return fmt.Errorf("write price book")
	}
	words = words[1:]
	if i := slices.Index(words, "from"); i >= 0 {
		at, err := w.instant(words[i+1:])
		if err != nil {
			return err
		}
		words, from = words[:i], at
	}
	switch {
	case len(words) == 1 && l.block == nil:
		return w.loadBook(from, words[0], nil)
	case len(words) == 0 && l.block != nil:
		return w.loadBook(from, l.place, []byte(strings.Join(l.block, "\n")+"\n"))
	}
	return fmt.Errorf("write the book's name, or the book itself below, indented")
}

// instant reads "2027-01-01 09:00", "09:30" of the same day, with seconds or
// without; an offset such as +02:00 picks one of two instants that a clock
// shows alike.
func (w *world) instant(words []string) (int64, error) {
	text := strings.Join(words, " ")
	if len(words) > 0 && !strings.Contains(words[0], "-") {
		text = time.Unix(w.now, 0).In(w.zone).Format(time.DateOnly) + " " + text
	}
	for _, layout := range []string{"2006-01-02 15:04", time.DateTime, "2006-01-02 15:04 -07:00"} {
		if t, err := time.ParseInLocation(layout, text, w.zone); err == nil {
			return t.Unix(), nil
		}
	}
	return 0, fmt.Errorf("%q is no instant; write 2027-01-31 09:00, or 09:00", text)
}

func (w *world) at(words []string, live func(until int64) error) error {
	at, err := w.instant(words)
	if err != nil {
		return err
	}
	if at < w.now {
		return fmt.Errorf("it is past that already")
	}
	return live(at)
}

// restart is a start of the gateway, which was down since the last line if it
// names an instant. Nothing is released for a day (D23).
func (w *world) restart(l line) error {
	up := func(at int64) error {
		w.now, w.floor = at, at+account.RestartGrace
		if w.noSettlement {
			return w.lookAtAll()
		}
		return errors.Join(w.settle(), w.lookAtAll())
	}
	if len(l.words) == 1 {
		return up(w.now)
	}
	if l.words[1] != "at" {
		return fmt.Errorf("write restart at 2027-01-31 09:00")
	}
	return w.at(l.words[2:], up)
}

// flight ends the calls of an account that have begun.
func (w *world) flight(l line, counted bool) error {
	if len(l.words) != 3 || l.words[1] != "calls" {
		return fmt.Errorf("write %s calls <account>", l.words[0])
	}
	p, err := w.party(l.words[2])
	if err != nil {
		return err
	}
	w.endCalls(p, counted)
	return nil
}

// images says how many images an instance holds.
func (w *world) images(l line) error {
	a, err := w.args(l.words[1:], "account instance images", "uncertain")
	if err != nil {
		return err
	}
	p, err := w.party(a["account"])
	if err != nil {
		return err
	}
	if err := w.lookAt(p); err != nil {
		return err
	}
	inst := p.InstanceNamed(a["instance"])
	if inst == nil {
		return fmt.Errorf("there is no instance %q", a["instance"])
	}
	inst.Images, inst.Uncertain = a.number("images"), a.number("uncertain")
	return nil
}
