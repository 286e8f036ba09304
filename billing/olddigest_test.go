package billing

import (
	"crypto/sha256"
	"fmt"
	"iter"
	"math"
	"reflect"
	"sort"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/journal"
	"github.com/tallygate/tallygate/rating"
)

func (r *rig) monthOf(at time.Time) rating.Month { return rating.MonthOf(at.Unix(), r.Zone) }

// digester writes a line for each thing in a ledger. It does not depend on how the
// ledger encodes it, and fields that a later release adds do not show where they
// are zero.
type digester struct {
	t    *testing.T
	text strings.Builder
}

func (d *digester) add(name string, v any) {
	var b strings.Builder
	canon(&b, reflect.ValueOf(v))
	hash := sha256.Sum256([]byte(b.String()))
	fmt.Fprintf(&d.text, "%s %s\n", name, short(hash[:]))
}

// canon writes a value without its zero fields.
func canon(b *strings.Builder, v reflect.Value) {
	switch v.Kind() {
	case reflect.Pointer, reflect.Interface:
		if !v.IsNil() {
			canon(b, v.Elem())
		}
	case reflect.Struct:
		b.WriteByte('{')
		for i := range v.NumField() {
			if f := v.Field(i); !f.IsZero() && !(f.Kind() == reflect.Slice && f.Len() == 0) {
				b.WriteString(v.Type().Field(i).Name + ":")
				canon(b, f)
				b.WriteByte(' ')
			}
		}
		b.WriteByte('}')
	case reflect.Slice, reflect.Array:
		b.WriteByte('[')
		for i := range v.Len() {
			canon(b, v.Index(i))
			b.WriteByte(' ')
		}
		b.WriteByte(']')
	case reflect.String:
		fmt.Fprintf(b, "%q", v.String())
	case reflect.Bool:
		fmt.Fprint(b, v.Bool())
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		fmt.Fprint(b, v.Int())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		fmt.Fprint(b, v.Uint())
	default:
		panic("a kind that no ledger has: " + v.Type().String())
	}
}

func each[T any](d *digester, list iter.Seq2[T, error], name func(T) string) {
	for v, err := range list {
		if err != nil {
			d.t.Fatal(err)
		}
		d.add(name(v), v)
	}
}

// digestsOf is all that a ledger has, up to the head of the journal that it was
// made from: what opening it adds is left out.
func digestsOf(t *testing.T, r *rig, head journal.Head) string {
	t.Helper()
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	d := &digester{t: t}
	fmt.Fprintf(&d.text, "journal %d %s\n", head.Seq, short(head.Hash[:]))
	meta, err := r.store.Meta()
	if err != nil {
		t.Fatal(err)
	}
	meta.Folded, meta.Started = 0, 0 // opening is a start
	d.add("ledger", meta)
	books, err := r.store.PriceBooks()
	if err != nil {
		t.Fatal(err)
	}
	for _, b := range books {
		d.add(fmt.Sprint("price book of input ", b.Input), b)
	}
	for n := range ledger.BlockOf(meta.Accounts) + 1 {
		block, err := r.store.Block(n)
		if err != nil {
			t.Fatal(err)
		}
		d.add(fmt.Sprint("block ", n), struct{ Folded uint64 }{block.Folded})
		each(d, r.store.Hours(n, math.MinInt64, math.MaxInt64), func(h ledger.BlockHour) string { return fmt.Sprint("hour ", n, " ", h.Start) })
		for _, a := range block.Accounts {
			d.account(r, a)
		}
	}
	d.inputs(r, head)
	return d.text.String()
}

func (d *digester) account(r *rig, a *account.Account) {
	name := "account " + a.ID + " "
	d.add(name+"state", a)
	each(d, r.store.Movements(a.Number, 0), func(m account.Movement) string { return fmt.Sprint(name, "movement ", m.Number) })
	each(d, r.store.Events(a.Number, 0), func(v account.Event) string { return fmt.Sprint(name, "event ", v.Number, " ", v.Kind) })
	each(d, r.store.Statements(a.Number, 0), func(s account.StatementRecord) string { return fmt.Sprint(name, "closed ", s.Month) })
	for _, i := range a.Instances {
		var held []string
		for image, err := range r.store.Pictures(a.Number, i.ID) {
			if err != nil {
				d.t.Fatal(err)
			}
			held = append(held, fmt.Sprintf("%x/%x", image.Product, image.Picture))
		}
		sort.Strings(held)
		if i.Released == 0 { // what is released is purged some time
			d.add(name+"images of "+i.Name, held)
		}
	}
	for _, k := range a.Keys {
		owner, err := r.store.KeyOwner(k.Hash)
		if err != nil || owner != a.Number {
			d.t.Errorf("key %s of account %s is owned by %d, %v", k.ID, a.ID, owner, err)
		}
	}
	if trial, err := r.store.Trial(a.Customer); err == nil {
		d.add(name+"trial", trial)
	}
	for month := november; month.Before(time.Unix(0, r.now)); month = month.AddDate(0, 1, 0) {
		d.add(name+"statement "+r.monthOf(month).String(), string(renderings(d.t, r, a.ID, month)))
	}
}

// inputs are the answers to commands and the results of settlements.
func (d *digester) inputs(r *rig, head journal.Head) {
	for rec, err := range r.log.Read(1) {
		if err != nil {
			d.t.Fatal(err)
		}
		if rec.Seq > head.Seq {
			return
		}
		switch rec.Kind {
		case inputSettled:
			in, err := decode[settledInput](rec.Seq, rec.Payload)
			if err != nil {
				d.t.Fatal(err)
			}
			d.add(fmt.Sprint("result of input ", in.Input), in)
		case inputCommand:
			in, err := decode[commandInput](rec.Seq, rec.Payload)
			if err != nil {
				d.t.Fatal(err)
			}
			if len(in.Key) == 0 {
				continue
			}
			answer, err := r.store.Answer([32]byte(in.Key))
			if err != nil {
				d.t.Errorf("the answer to input %d: %v", rec.Seq, err)
			}
			d.add(fmt.Sprint("answer to input ", rec.Seq, " ", in.Type), answer)
		}
	}
}
