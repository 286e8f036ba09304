package billing

import (
	"maps"
	"testing"

	"pgregory.net/rapid"

	"github.com/tallygate/tallygate/account"
)

// TestImagesAgainstModel: adding, overwriting, deleting and deleting products,
// with flushes, kills and refolds in between, leave the set that a map would be
// (D28).
func TestImagesAgainstModel(t *testing.T) {
	smallSteps(t)
	rapid.Check(t, func(rt *rapid.T) {
		r := openRig(rt, t.TempDir(), november)
		defer func() { r.close(rt) }()
		base, model, unsure := shop(rt, r), map[account.Image]bool{}, int64(0)
		id := r.numbered(rt, base.Account)
		some := func(rt *rapid.T) account.Image {
			return named(base, rapid.IntRange(0, 2).Draw(rt, "product"), rapid.IntRange(0, 3).Draw(rt, "picture"))
		}
		counts := func(rt *rapid.T, images, uncertain int64) {
			if images != int64(len(model)) || uncertain != unsure {
				rt.Fatalf("%d images and %d uncertain, want %d and %d", images, uncertain, len(model), unsure)
			}
		}
		add := func(rt *rapid.T) {
			i := some(rt)
			model[i] = true
			images, uncertain := r.change(rt, account.ImageAdded, i)
			counts(rt, images, uncertain)
		}
		rt.Repeat(map[string]func(*rapid.T){
			"add": add, "add more": add,
			"delete": func(rt *rapid.T) {
				i := some(rt)
				delete(model, i)
				images, uncertain := r.change(rt, account.ImageDeleted, i)
				counts(rt, images, uncertain)
			},
			"delete product": func(rt *rapid.T) {
				i := some(rt)
				maps.DeleteFunc(model, func(o account.Image, _ bool) bool { return o.Product == i.Product })
				images, uncertain := r.change(rt, account.ProductDeleted, i)
				counts(rt, images, uncertain)
			},
			"uncertain": func(rt *rapid.T) {
				unsure++
				images, uncertain := r.change(rt, account.ImageUncertain, some(rt))
				counts(rt, images, uncertain)
			},
			"settle uncertain": func(rt *rapid.T) {
				r.must(rt, id, &account.ReconcileImages{Instance: "shop", Reason: "looked"})
				unsure = 0
			},
			"flush": func(rt *rapid.T) {
				if err := r.Flush(); err != nil {
					rt.Fatal(err)
				}
			},
			"flush twice": func(rt *rapid.T) {
				g := r.flushSome(rt)
				i := some(rt)
				if has, err := r.HasImage(i); err != nil || has != model[i] {
					rt.Fatalf("%v is there: %t, %v", i, has, err)
				}
				g.commit.Store(nil)
				if err := r.Flush(); err != nil {
					rt.Fatal(err)
				}
			},
			"crash": func(rt *rapid.T) {
				r.flushSome(rt)
				r.crash(rt)
				r.open(rt)
			},
			"refold": func(rt *rapid.T) {
				r.close(rt)
				r.loseLedger(rt)
				r.open(rt)
			},
			"": func(rt *rapid.T) {
				i := some(rt)
				has, err := r.HasImage(i)
				if err != nil || has != model[i] {
					rt.Fatalf("%v is there: %t, %v", i, has, err)
				}
				inst := r.account(rt, id).Instances[0]
				counts(rt, inst.Images, inst.Uncertain)
			},
		})
		if got := r.pictures(rt, base); !maps.Equal(got, model) {
			rt.Fatalf("%v, want %v", got, model)
		}
		r.verified(rt)
	})
}
