package billing

import (
	"slices"
	"sync"
	"testing"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/ledger"
)

// shop is an account with an instance, in the second block.
func shop(t tester, r *rig) account.Image {
	t.Helper()
	r.createMany(t, 70)
	id := r.numbered(t, 70)
	r.must(t, id, &account.Subscribe{Instance: "shop", Row: "large", Months: 3})
	return account.Image{Account: 70, Instance: r.account(t, id).Instances[0].ID}
}

func named(i account.Image, product, picture int) account.Image {
	i.Product[0], i.Picture[0], i.Picture[1] = byte(product), byte(picture), byte(picture>>8)
	return i
}

func (r *rig) change(t tester, kind account.ImageChangeKind, i account.Image) (images, uncertain int64) {
	t.Helper()
	images, uncertain, err := r.ChangeImages(account.ImageChange{Image: i, Kind: kind})
	if err != nil {
		t.Fatal(err)
	}
	return images, uncertain
}

func (r *rig) pictures(t tester, of account.Image) map[account.Image]bool {
	t.Helper()
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	list, err := collect(r.store.Pictures(of.Account, of.Instance))
	if err != nil {
		t.Fatal(err)
	}
	set := map[account.Image]bool{}
	for _, i := range list {
		set[i] = true
	}
	if len(set) != len(list) {
		t.Fatalf("%d pictures are listed as %d", len(set), len(list))
	}
	return set
}

// TestWhatChangesNothingIsNotRecorded: an overwrite, and deleting what is
// missing.
func TestWhatChangesNothingIsNotRecorded(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	base := shop(t, r)
	r.change(t, account.ImageAdded, named(base, 1, 1))
	head := r.log.Head().Seq
	for range 2 {
		r.change(t, account.ImageAdded, named(base, 1, 1))
		r.change(t, account.ImageDeleted, named(base, 1, 2))
		r.change(t, account.ProductDeleted, named(base, 2, 1))
		if err := r.Flush(); err != nil {
			t.Fatal(err)
		}
	}
	if got := r.log.Head().Seq; got != head {
		t.Errorf("%d records", got-head)
	}
}

// TestImagesOfAReleasedInstance: the set is dropped with the release; what comes
// late changes nothing, and a new purchase begins with none (D28, D32).
func TestImagesOfAReleasedInstance(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	base := shop(t, r)
	id := r.numbered(t, base.Account)
	r.change(t, account.ImageAdded, named(base, 1, 1))
	r.change(t, account.ImageUncertain, named(base, 1, 2))
	r.live(t, november.Unix()+120*day)
	if i := r.account(t, id).Instances[0]; i.Released == 0 || i.Images != 0 || i.Uncertain != 0 {
		t.Fatalf("%+v", i)
	}
	head := r.log.Head().Seq
	for _, kind := range []account.ImageChangeKind{account.ImageAdded, account.ImageDeleted, account.ProductDeleted, account.ImageUncertain} {
		if images, uncertain := r.change(t, kind, named(base, 1, 3)); images != 0 || uncertain != 0 {
			t.Errorf("%d images, %d uncertain after a change of kind %d", images, uncertain, kind)
		}
	}
	if got := r.log.Head().Seq; got != head {
		t.Errorf("%d records", got-head)
	}
	r.must(t, id, &account.AcknowledgeRelease{Instance: "shop"})
	r.must(t, id, &account.Subscribe{Instance: "shop", Row: "large", Months: 1})
	anew := account.Image{Account: base.Account, Instance: r.account(t, id).Instances[0].ID}
	if has, err := r.HasImage(named(anew, 1, 1)); has || err != nil {
		t.Errorf("the new instance has the old one's image: %v", err)
	}
	if images, _ := r.change(t, account.ImageAdded, named(anew, 1, 1)); images != 1 {
		t.Errorf("the new instance holds %d images", images)
	}
	if images, _ := r.change(t, account.ImageAdded, base); images != 0 {
		t.Error("an instance that is gone got an image")
	}
	if images, _ := r.change(t, account.ImageAdded, named(anew, 1, 2)); images != 2 {
		t.Errorf("the new instance holds %d images after one for the old one, want 2", images)
	}
	r.survives(t)
}

// TestImagesAtOnce: many adds and deletes of few pictures, beside flushes and
// commands, leave a count that is that of the set.
func TestImagesAtOnce(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	base := shop(t, r)
	id := r.numbered(t, base.Account)
	var all sync.WaitGroup
	for w := range 6 {
		all.Go(func() {
			for n := range 40 {
				i := named(base, (n+w)%3, n%5)
				kind := account.ImageAdded
				switch (n * w) % 7 {
				case 3:
					kind = account.ImageDeleted
				case 5:
					kind = account.ProductDeleted
				}
				r.change(t, kind, i)
				if _, err := r.HasImage(i); err != nil {
					t.Error(err)
				}
			}
		})
	}
	all.Go(func() {
		for range 20 {
			r.must(t, id, &account.TopUp{Amount: "0.01", Reference: "r"})
			if err := r.Flush(); err != nil {
				t.Error(err)
			}
		}
	})
	all.Wait()
	if held := int64(len(r.pictures(t, base))); held != r.account(t, id).Instances[0].Images {
		t.Errorf("%d pictures, and the instance counts %d", held, r.account(t, id).Instances[0].Images)
	}
	r.survives(t)
}

// TestMoreImagesThanACommitHolds: images that came while the ledger could not be
// written go to it in parts, each with the count that belongs to it: wherever
// the disk fails again, the ledger counts what it has.
func TestMoreImagesThanACommitHolds(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.crash(t) }() // the journal has not got what the ledger has
	base := shop(t, r)
	if err := r.Flush(); err != nil {
		t.Fatal(err)
	}
	many := 5 * partImages()
	r.inputs.RLock()
	b, err := r.blocks.lock(1)
	if err != nil {
		t.Fatal(err)
	}
	for n := range many { // as ChangeImages, without a sync for each
		seq := r.log.Head().Seq + uint64(n) + 1
		f, err := r.imagesOf(b).effect(account.ImageChange{Image: named(base, n%7, n), Kind: account.ImageAdded}, seq)
		if err != nil {
			t.Fatal(err)
		}
		b.takeImage(seq, f)
		if len(b.step.Products)+len(b.step.Pictures) >= partImages() {
			b.cut()
		}
	}
	if f, err := r.imagesOf(b).effect(account.ImageChange{Image: named(base, 0, 0), Kind: account.ImageAdded}, 0); err != nil || f.changes() {
		t.Fatalf("the first image is not seen any more: %+v, %v", f, err)
	}
	r.blocks.unlock(b)
	r.inputs.RUnlock()
	r.settle(t, november.Unix(), payPerUse(1, 1)) // other blocks take part
	g := r.gated()
	counted := []int64{}
	for broken := true; broken; {
		committed := false
		g.set(func(s ledger.Step) error {
			if committed {
				return ledger.ErrNoSpace
			}
			committed = true
			return provenStore{r.store}.Commit(s)
		})
		broken = r.Flush() != nil
		stored, err := r.store.Block(1)
		if err != nil {
			t.Fatal(err)
		}
		list, err := collect(r.store.Pictures(base.Account, base.Instance))
		images := stored.Accounts[len(stored.Accounts)-1].Instances[0].Images
		if err != nil || int64(len(list)) != images {
			t.Fatalf("the ledger counts %d images and has %d, %v", images, len(list), err)
		}
		counted = append(counted, images)
		for _, n := range []int{0, many / 2, many - 1} {
			if has, err := r.HasImage(named(base, n%7, n)); !has || err != nil {
				t.Fatalf("image %d is not there while it is flushed: %v", n, err)
			}
		}
	}
	counted = slices.Compact(counted)
	if len(counted) < 3 || counted[len(counted)-1] != int64(many) {
		t.Errorf("counts in the ledger: %v, want several up to %d", counted, many)
	}
}

// TestReconcile makes the set what the upstream lists, with an audit entry
// (D28).
func TestReconcile(t *testing.T) {
	r := openRig(t, t.TempDir(), november)
	defer func() { r.close(t) }()
	base := shop(t, r)
	id := r.numbered(t, base.Account)
	for p := range 4 {
		r.change(t, account.ImageAdded, named(base, 1, p))
	}
	r.change(t, account.ImageUncertain, named(base, 2, 0))
	upstream := func(yield func(account.Image, error) bool) {
		for _, i := range []account.Image{named(account.Image{}, 1, 0), named(account.Image{}, 2, 0), named(account.Image{}, 2, 0)} {
			if !yield(i, nil) {
				return
			}
		}
	}
	for round := range 2 {
		answer, err := r.ReconcileImages(t.Context(), id, "shop", "checked", upstream)
		want := account.ReconcileAnswer{Account: id, Instance: "shop", Images: 2}
		if round == 0 {
			want.Added, want.Removed, want.Uncertain = 1, 3, 1
		}
		if err != nil || answer != want {
			t.Fatalf("%+v, %v; want %+v", answer, err, want)
		}
	}
	b := r.survives(t)
	if got := b.Images[id+"/shop"]; len(got) != 2 {
		t.Errorf("%v", got)
	}
	if got := kinds(b.Events[id], account.EventImagesReconciled); len(got) != 2 {
		t.Errorf("%d audit entries", len(got))
	}
	if _, err := r.ReconcileImages(t.Context(), id, "shop", "", upstream); err == nil {
		t.Error("reconciled without a reason")
	}
}
