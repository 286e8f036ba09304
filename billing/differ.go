package billing

import (
	"encoding/json"
	"fmt"
	"math"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// differ holds a block of the ledger against the same block made again.
type differ struct {
	*refold
	block    uint32
	only     uint32 // the account that is asked for, 0 = all
	ids      map[uint32]string
	seen     map[entry]bool
	accounts int
	found    []Difference
}

func (d *differ) all(have, want ledger.Block) error {
	d.ids, d.seen = map[uint32]string{}, map[entry]bool{}
	remade := map[uint32]*account.Account{}
	for _, a := range want.Accounts {
		remade[a.Number], d.ids[a.Number] = a, a.ID
	}
	for _, a := range have.Accounts {
		if d.ids[a.Number] = a.ID; !d.asked(a.Number) {
			continue
		}
		d.accounts++
		d.account(a, remade[a.Number])
		if err := d.histories(a); err != nil {
			return err
		}
		delete(remade, a.Number)
	}
	for n, a := range remade {
		if d.asked(n) {
			d.add(n, "account", nil, a)
		}
	}
	if err := d.hours(); err != nil {
		return err
	}
	d.missing()
	return nil
}

func (d *differ) asked(number uint32) bool { return d.only == 0 || d.only == number }

func (d *differ) add(number uint32, what string, have, want any) {
	id := d.ids[number]
	if id == "" {
		id = fmt.Sprintf("account number %d", number)
	}
	d.found = append(d.found, Difference{Account: id, What: what, Ledger: shown(have), Recomputed: shown(want)})
}

// shown is a value as people can read it.
func shown(v any) string {
	if s, ok := v.(string); ok {
		return s
	}
	b, err := json.Marshal(v)
	if err != nil || string(b) == "null" {
		return "nothing"
	}
	return string(b)
}

// account compares state.
func (d *differ) account(have, want *account.Account) {
	encoded := func(a *account.Account) string {
		if a == nil {
			return ""
		}
		return string(ledger.AppendBlock(nil, ledger.Block{Number: d.block, Accounts: []*account.Account{a}}))
	}
	if encoded(have) != encoded(want) {
		d.add(have.Number, "state", have, want)
	}
}

// histories compares movements, events, statements and images.
func (d *differ) histories(a *account.Account) error {
	store := d.live.Store
	for m, err := range store.Movements(a.Number, 0) {
		if err != nil {
			return err
		}
		d.grown(entry{'m', a.Number, int64(m.Number)}, ledger.AppendMovement(nil, m), fmt.Sprintf("movement %d", m.Number), m)
	}
	for v, err := range store.Events(a.Number, 0) {
		if err != nil {
			return err
		}
		d.grown(entry{'e', a.Number, int64(v.Number)}, ledger.AppendEvent(nil, v), fmt.Sprintf("event %d", v.Number), v)
	}
	for r, err := range store.Statements(a.Number, 0) {
		if err != nil {
			return err
		}
		d.grown(entry{'s', a.Number, int64(r.Month)}, ledger.AppendStatement(nil, r), fmt.Sprintf("statement of %d", r.Month), r)
	}
	for _, i := range a.Instances {
		if err := d.images(a.Number, i); err != nil {
			return err
		}
	}
	return nil
}

// images counts the pictures of an instance and looks each up.
func (d *differ) images(number uint32, i account.Instance) error {
	if i.Released != 0 {
		return nil
	}
	held := int64(0)
	for image, err := range d.live.Store.Pictures(number, i.ID) {
		if err != nil {
			return err
		}
		held++
		key := ledger.ProductKey{Account: number, Instance: i.ID, Product: image.Product}
		if !d.store.pictures[ledger.PictureKey{ProductKey: key, Generation: d.store.products[key].Generation, Picture: image.Picture}] {
			d.add(number, "image of "+i.Name, fmt.Sprintf("%x/%x", image.Product, image.Picture), nil)
		}
	}
	if held != i.Images {
		d.add(number, "images of "+i.Name, held, i.Images)
	}
	return nil
}

// hours compares usage by settled period.
func (d *differ) hours() error {
	for h, err := range d.live.Store.Hours(d.block, math.MinInt64, math.MaxInt64) {
		if err != nil {
			return err
		}
		what := "usage of the period at " + time.Unix(h.Start, 0).UTC().Format(time.RFC3339)
		d.grown(entry{'h', d.block, h.Start}, ledger.AppendHour(nil, h), what, h)
	}
	return nil
}

// grown compares one of what only grows.
func (d *differ) grown(e entry, encoded []byte, what string, have any) {
	d.seen[e] = true
	want, ok := d.store.grown[e]
	switch {
	case !ok:
		d.add(d.owner(e), what, have, nil)
	case want != d.store.digest(encoded):
		d.add(d.owner(e), what, have, "otherwise: "+d.remade(e, want))
	}
}

// owner is the account that an entry is of; hours are of a block.
func (d *differ) owner(e entry) uint32 {
	if e.kind == 'h' {
		return max(d.only, d.block*ledger.BlockSize)
	}
	return e.of
}

// remade shows a value that was made again, where it was kept.
func (d *differ) remade(e entry, encoded string) string {
	if !d.store.whole {
		return "verify the account by itself to see it"
	}
	var v any
	switch e.kind {
	case 'h':
		v, _ = ledger.DecodeHour(e.of, e.at, []byte(encoded))
	case 'm':
		v, _ = ledger.DecodeMovement(e.of, uint32(e.at), []byte(encoded))
	case 'e':
		v, _ = ledger.DecodeEvent(e.of, uint32(e.at), []byte(encoded))
	case 's':
		v, _ = ledger.DecodeStatement(e.of, uint32(e.at), []byte(encoded))
	}
	return shown(v)
}

// missing lists what was made again and is not in the ledger.
func (d *differ) missing() {
	names := map[byte]string{'h': "usage of the period at %d", 'm': "movement %d", 'e': "event %d", 's': "statement of %d"}
	for e, encoded := range d.store.grown {
		mine := e.kind == 'h' && e.of == d.block || e.kind != 'h' && ledger.BlockOf(e.of) == d.block && d.asked(e.of)
		if mine && !d.seen[e] {
			d.add(d.owner(e), fmt.Sprintf(names[e.kind], e.at), nil, d.remade(e, encoded))
		}
	}
}
