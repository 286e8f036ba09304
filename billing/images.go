package billing

import (
	"fmt"
	"iter"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
	"github.com/tallygate/tallygate/ledger/journal"
)

// HasImage reports whether an instance holds a picture (D28).
func (e *Engine) HasImage(i account.Image) (bool, error) {
	e.inputs.RLock()
	defer e.inputs.RUnlock()
	b, err := e.blocks.lock(ledger.BlockOf(i.Account))
	if err != nil {
		return false, err
	}
	defer e.blocks.unlock(b)
	set := e.imagesOf(b)
	key, _, err := set.picture(i)
	if err != nil {
		return false, err
	}
	return set.has(key)
}

// ChangeImages records what a successful add or delete did, durably, and
// returns how many images the instance holds after it and how many are
// uncertain (D28). What changes nothing is not recorded; of an instance that has
// been released or replaced, nothing is left to be changed.
func (e *Engine) ChangeImages(c account.ImageChange) (images, uncertain int64, err error) {
	_, inst, err := e.changeImages(c.Kind, []account.Image{c.Image})
	return inst.Images, inst.Uncertain, err
}

// imagesOfInput bounds how many images one input changes.
const imagesOfInput = 500

// changeImages records changes of one kind, of one instance, as one input, and
// returns how many it made.
func (e *Engine) changeImages(kind account.ImageChangeKind, images []account.Image) (changed int64, inst account.Instance, err error) {
	e.inputs.RLock()
	defer e.inputs.RUnlock()
	if err := e.writable(); err != nil {
		return 0, inst, err
	}
	number, id := images[0].Account, images[0].Instance
	held := e.blocks.hold(ledger.BlockOf(number))
	defer e.blocks.leave(held)
	held.images.Lock()
	defer held.images.Unlock()
	b, err := e.blocks.lock(ledger.BlockOf(number))
	if err != nil {
		return 0, inst, err
	}
	defer e.blocks.unlock(b)
	in := imagesInput{Account: number, Instance: id, Kind: uint8(kind)}
	set := e.imagesOf(b)
	for _, i := range images {
		effect, err := set.effect(account.ImageChange{Image: i, Kind: kind}, 0)
		if err != nil {
			return 0, inst, err
		}
		if effect.changes() {
			in.Images = append(append(in.Images, i.Product[:]...), i.Picture[:]...)
		}
	}
	if len(in.Images) > 0 {
		rec, err := e.record(e.instant(), inputImages, in)
		if err == nil {
			changed, err = e.applyImages(set, rec, in)
		}
		if err != nil {
			return 0, inst, err
		}
	}
	if known := instanceByID(b.account(number), id); known != nil {
		inst = *known
	}
	return changed, inst, nil
}

// applyImages makes the changes of a journalled input those of the block, one
// after the other. They are in the ledger together or not at all. What it needs to
// know of the set has been read before, so that a store that fails leaves nothing
// half done.
func (e *Engine) applyImages(set imageSet, rec journal.Record, in imagesInput) (changed int64, err error) {
	b := set.block
	for c := range in.changes() {
		effect, err := set.effect(c, rec.Seq)
		if err != nil {
			return 0, err
		}
		if effect.changes() {
			changed++
			b.takeImage(rec.Seq, effect)
		}
	}
	if len(b.step.Products)+len(b.step.Pictures) >= partImages() {
		b.cut()
	}
	e.noteApplied(rec.Seq, in.Account)
	if e.Watcher != nil && changed > 0 {
		e.Watcher.AccountChanged(b.account(in.Account))
	}
	return changed, nil
}

// takeImage makes an effect that of the block.
func (b *block) takeImage(seq uint64, f imageEffect) {
	next := b.account(f.account).Clone()
	inst := instanceByID(next, f.instance)
	inst.Images, inst.Uncertain = inst.Images+f.images, inst.Uncertain+f.unsettled
	b.accounts[next.Number%ledger.BlockSize] = next
	b.folded, b.dirty = seq, true
	b.add(f.step)
}

// imageEffect is what a change does to the set.
type imageEffect struct {
	account           uint32
	instance          uint32
	images, unsettled int64 // added to the instance's counts
	step              ledger.Step
}

func (f imageEffect) changes() bool { return f.images != 0 || f.unsettled != 0 }

// effect finds out what a change does. A deletion's new generation is the
// sequence of its input.
func (s imageSet) effect(c account.ImageChange, seq uint64) (f imageEffect, err error) {
	f = imageEffect{account: c.Account, instance: c.Instance}
	if inst := instanceByID(s.block.account(c.Account), c.Instance); inst == nil || inst.Released != 0 {
		return f, nil // the set was dropped (D28)
	}
	if c.Kind == account.ImageUncertain {
		f.unsettled = 1
		return f, nil
	}
	key, product, err := s.picture(c.Image)
	if err != nil {
		return f, err
	}
	switch c.Kind {
	case account.ProductDeleted:
		f.images = -int64(product.Pictures)
		f.step.Products = map[ledger.ProductKey]ledger.Product{key.ProductKey: {Generation: seq}}
		return f, nil
	case account.ImageAdded, account.ImageDeleted:
	default:
		return f, fmt.Errorf("image change of kind %d: it was written by a newer release", c.Kind)
	}
	there, err := s.has(key)
	if err != nil || there == (c.Kind == account.ImageAdded) {
		return f, err
	}
	f.images = 1
	if there {
		f.images = -1
	}
	product.Pictures = uint64(int64(product.Pictures) + f.images)
	f.step.Products = map[ledger.ProductKey]ledger.Product{key.ProductKey: product}
	f.step.Pictures = map[ledger.PictureKey]bool{key: !there}
	return f, nil
}

// foldImages applies a change of an earlier run, unless the ledger has it.
func (e *Engine) foldImages(rec journal.Record) error {
	in, err := decode[imagesInput](rec.Seq, rec.Payload)
	if err != nil {
		return err
	}
	if !e.folds(ledger.BlockOf(in.Account)) {
		e.noteApplied(rec.Seq, in.Account)
		return nil
	}
	b, err := e.blocks.lock(ledger.BlockOf(in.Account))
	if err != nil {
		return err
	}
	defer e.blocks.unlock(b)
	if b.folded >= rec.Seq {
		e.noteApplied(rec.Seq, in.Account)
		return nil
	}
	set := e.imagesOf(b)
	for c := range in.changes() {
		if _, err := set.effect(c, rec.Seq); err != nil {
			return err
		}
	}
	_, err = e.applyImages(set, rec, in)
	return err
}

func instanceByID(a *account.Account, id uint32) *account.Instance {
	if a == nil {
		return nil
	}
	for i := range a.Instances {
		if a.Instances[i].ID == id {
			return &a.Instances[i]
		}
	}
	return nil
}

// imageSet is the images of a block's accounts: what is not flushed yet, and
// the ledger behind it, of which it remembers what it has read. The block is
// locked.
type imageSet struct {
	store    ledger.Store
	block    *block
	products map[ledger.ProductKey]ledger.Product
	pictures map[ledger.PictureKey]bool
}

func (e *Engine) imagesOf(b *block) imageSet {
	return imageSet{e.Store, b, map[ledger.ProductKey]ledger.Product{}, map[ledger.PictureKey]bool{}}
}

// remembered reads a value of the ledger once.
func remembered[K comparable, V any](known map[K]V, key K, read func(K) (V, error)) (V, error) {
	if v, ok := known[key]; ok {
		return v, nil
	}
	v, err := read(key)
	if err == nil {
		known[key] = v
	}
	return v, err
}

// picture finds the key of a picture, and its product.
func (s imageSet) picture(i account.Image) (ledger.PictureKey, ledger.Product, error) {
	key := ledger.ProductKey{Account: i.Account, Instance: i.Instance, Product: i.Product}
	for step := range s.steps() {
		if p, ok := step.Products[key]; ok {
			return ledger.PictureKey{ProductKey: key, Generation: p.Generation, Picture: i.Picture}, p, nil
		}
	}
	p, err := remembered(s.products, key, s.store.Product)
	return ledger.PictureKey{ProductKey: key, Generation: p.Generation, Picture: i.Picture}, p, err
}

func (s imageSet) has(k ledger.PictureKey) (bool, error) {
	for step := range s.steps() {
		if there, ok := step.Pictures[k]; ok {
			return there, nil
		}
	}
	return remembered(s.pictures, k, s.store.HasPicture)
}

// steps are what the ledger may not have yet, the newest first.
func (s imageSet) steps() iter.Seq[*ledger.Step] {
	return func(yield func(*ledger.Step) bool) {
		if !yield(&s.block.step) {
			return
		}
		for _, list := range [][]ledger.Step{s.block.parts, s.block.flushing} {
			for i := len(list) - 1; i >= 0; i-- {
				if !yield(&list[i]) {
					return
				}
			}
		}
	}
}
