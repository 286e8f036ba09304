package meter

import (
	"context"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/meter/names"
)

// Images is the ledger's sets of images, one for each instance (D28).
//
// An error says that the ledger cannot be read or written at present: adds and
// deletes are refused until it can. A change of an instance that has been
// released meanwhile is no error, and changes nothing.
type Images interface {
	// HasImage reports whether a picture is in the set.
	HasImage(account.Image) (bool, error)

	// ChangeImages changes a set and returns how many images the instance holds
	// after it. The change is durable when it returns.
	ChangeImages(account.ImageChange) (images, uncertain int64, err error)
}

// SetImages says where the sets are; before the first call.
func (m *Meter) SetImages(s Images) { m.images.set = s }

// ImageName is what is known of the name of a product or a picture.
type ImageName struct {
	Hash  [16]byte
	Known bool
	Empty bool // the request names none
}

// NameOf is a name that is known.
func NameOf(name string) ImageName {
	return ImageName{Hash: names.Hash(name), Known: true, Empty: name == ""}
}

// ImageNames is what is known of the image that a call is about.
type ImageNames struct{ Product, Picture ImageName }

// Known reports whether nothing is left to be learned.
func (n ImageNames) Known() bool { return n.Product.Known && n.Picture.Known }

// imageHold is what an add or a delete holds beside its rate. All of it is under
// the account's lock.
type imageHold struct {
	account  *Account
	instance uint32        // its id
	changes  *imageChanges // the instance's
	class    Class
	max      int64 // images of the term in force
	stamp    int64 // its place in the rate window
	observe  bool
	slot     bool // one image more is held for it
	names    ImageNames
	turn     *turn  // nil before Ready
	intent   uint64 // 0 = none
	doubtful bool   // nobody knows whether the upstream has done it
}

// KeepsImages reports whether the calls of an operation change images, by the
// price book in force.
func (m *Meter) KeepsImages(operation uint16) bool {
	now := m.clock.Now().Event
	p, err := m.periodAt(now)
	if err != nil {
		p = m.uncountable(now, err)
	}
	op := p.catalog.operation(operation)
	return op != nil && op.Subscribed && op.Class != ClassSearch
}

// holdImage holds room for one image more, if there is any.
func (in *instance) holdImage(s *store, a *Account, class Class, most, stamp int64, observe bool) *imageHold {
	i := &imageHold{account: a, instance: in.id, changes: in.imageChanges(s), class: class, max: most, stamp: stamp, observe: observe}
	if class == ClassAdd {
		i.slot = i.changes.hold(most)
	}
	return i
}

// HasImage reports whether the call is one that changes images: it has to get
// Ready before it is forwarded.
func (h *Hold) HasImage() bool { return h.image != nil }

// NeedsNames reports whether the call must not be forwarded before the names of
// its image are known: a delete, and an add for which there is no room unless it
// overwrites.
func (h *Hold) NeedsNames() bool {
	return h.image != nil && (h.image.class == ClassDelete || !h.image.slot)
}

// Ready is the last step before an add or a delete is forwarded: it waits for
// its turn among the calls that touch the same images, asks for room where there
// was none, and writes down what is about to change. Where it fails the verdict
// says why, and the hold is given back as though the call had never been
// admitted.
func (m *Meter) Ready(ctx context.Context, h *Hold, v *Verdict, n ImageNames, wait time.Duration) {
	if why := m.ready(ctx, h.image, n, wait); why != 0 {
		m.Withdraw(h, v, why)
	}
}

func (m *Meter) ready(ctx context.Context, i *imageHold, n ImageNames, wait time.Duration) account.Kind {
	if m.images.set == nil || !m.recordLost() || !i.await(ctx, n, wait) {
		return account.MeteringUnavailable
	}
	if why := m.findRoom(i); why != 0 {
		return why
	}
	if err := m.beginIntent(i); err != nil {
		m.log.Error("a change of images could not be written down; adds and deletes are refused", "error", err)
		return account.MeteringUnavailable
	}
	return 0
}

// findRoom: an add without room may pass where it overwrites (D28).
func (m *Meter) findRoom(i *imageHold) account.Kind {
	if i.class != ClassAdd || i.slot || i.takeRoom() {
		return 0
	}
	if !i.names.Known() {
		return account.ImageCapacity
	}
	has, err := m.images.set.HasImage(i.image())
	switch {
	case err != nil:
		m.log.Error("the ledger does not say which images there are; adds at the cap are refused", "error", err)
		return account.MeteringUnavailable
	case !has:
		return account.ImageCapacity
	}
	return 0
}

// takeRoom looks again: another add may have failed meanwhile.
func (i *imageHold) takeRoom() bool {
	i.account.mu.Lock()
	defer i.account.mu.Unlock()
	i.slot = i.changes.hold(i.max)
	return i.slot
}

func (i *imageHold) image() account.Image {
	return account.Image{Account: i.account.number, Instance: i.instance, Product: i.names.Product.Hash, Picture: i.names.Picture.Hash}
}

// Name says what has become known of a call's image while its body streamed by.
func (m *Meter) Name(h *Hold, n ImageNames) {
	i := h.image
	if i == nil {
		return
	}
	a := i.account
	a.mu.Lock()
	complete := n.Known() && !i.names.Known()
	i.names = n
	if n.Product.Known && i.turn != nil {
		i.changes.calls.narrow(i.turn, n.Product.Hash)
	}
	id := i.intent
	a.mu.Unlock()
	if complete && id != 0 {
		m.nameIntent(id, n)
	}
}

// Withdraw gives back all that an add or a delete holds that did not get Ready, as
// though it had not been admitted, and counts it as refused.
func (m *Meter) Withdraw(h *Hold, v *Verdict, why account.Kind) {
	a, i := h.account, h.image
	a.mu.Lock()
	if v.Limit > 0 {
		i.changes.window(i.class).giveBack(&m.store.rings, i.stamp, m.clock.Now().Mono)
		v.Remaining++
	}
	m.leave(i)
	v.Reason, v.Observed = why, i.observe
	m.unbilled(h, account.Line{Account: a.number, Operation: h.line.Operation, Kind: why, Observed: i.observe})
	a.mu.Unlock()
	h.period.inflight.Add(-1)
}

// leave gives back room and turn. The account is locked.
func (m *Meter) leave(i *imageHold) {
	if i == nil {
		return
	}
	if i.slot {
		i.changes.held--
		i.slot = false
	}
	if i.turn != nil {
		i.changes.calls.leave(i.turn)
		i.turn = nil
	}
}

// change is what a call that succeeded did, or may have done. The account is
// locked.
func (i *imageHold) change() account.ImageChange {
	c := account.ImageChange{Image: i.image(), Kind: account.ImageAdded}
	switch {
	case i.doubtful, !i.names.Known(): // or it was answered before its body was read
		c.Kind = account.ImageUncertain
	case i.class == ClassDelete && i.names.Picture.Empty:
		c.Kind, c.Picture = account.ProductDeleted, [16]byte{}
	case i.class == ClassDelete:
		c.Kind = account.ImageDeleted
	}
	return c
}
