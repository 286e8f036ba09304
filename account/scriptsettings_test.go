package account_test

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/tallygate/tallygate/account"
)

// settings are the words of scripts that are no account.Command.
var settings = map[string]func(w *world, l line) error{
	"zone":       (*world).setZone,
	"notices":    func(w *world, l line) error { w.noNotices = true; return write(l, "notices off") },
	"settlement": (*world).setSettlement,
	"settle":     func(w *world, l line) error { return errors.Join(write(l, "settle"), w.settle()) },
	"policy":     (*world).setPolicy,
	"price":      (*world).priceBook,
	"at":         func(w *world, l line) error { return w.at(l.words[1:], w.live) },
	"restart":    (*world).restart,
	"end":        func(w *world, l line) error { return w.flight(l, true) },
	"fail":       func(w *world, l line) error { return w.flight(l, false) },
	"images":     (*world).images,
}

// write refuses a line that is none of those there are.
func write(l line, wants ...string) error {
	if !slices.Contains(wants, strings.Join(l.words, " ")) {
		return fmt.Errorf("write %s", strings.Join(wants, ", or "))
	}
	return nil
}

func (w *world) setSettlement(l line) error {
	w.noSettlement = l.words[len(l.words)-1] == "off"
	return write(l, "settlement off", "settlement on")
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
	a, err := readArgs(l.words[1:], "", "grace retention allow-in-grace! end-of-day! purchases")
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
	a, err := readArgs(l.words[1:], "account instance images", "uncertain")
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
