package billing

import (
	"context"
	"crypto/rand"
	"fmt"
	"iter"
	"maps"
	"slices"

	"github.com/tallygate/tallygate/account"
)

// ReconcileImages makes an instance's set what the upstream lists, and settles
// what was uncertain, with an audit entry (D28). The differences are inputs that
// say what is true, so a reconciliation that is interrupted is simply made again. Adds
// and deletes must rest from the time at which the list was taken: an image that
// was added since is missing in the list, and would be taken away.
func (e *Engine) ReconcileImages(ctx context.Context, id, instance, reason string, upstream iter.Seq2[account.Image, error]) (account.ReconcileAnswer, error) {
	none := account.ReconcileAnswer{}
	a, err := e.Account(id)
	if err != nil {
		return none, err
	}
	inst := a.InstanceNamed(instance)
	cmd := &account.ReconcileImages{Instance: instance, Reason: reason}
	if _, err := e.Preview(id, cmd, e.instant()); err != nil { // before anything is changed
		return none, err
	}
	missing, extra, err := e.compareImages(ctx, a.Number, inst.ID, upstream)
	if err != nil {
		return none, err
	}
	if cmd.Added, err = e.changeAll(account.ImageAdded, missing); err == nil {
		cmd.Removed, err = e.changeAll(account.ImageDeleted, extra)
	}
	if err != nil {
		return none, fmt.Errorf("reconciling: %w", err)
	}
	result, err := e.Do(Request{Key: "reconcile " + rand.Text(), Account: id, Command: cmd})
	if err != nil {
		return none, err
	}
	return decode[account.ReconcileAnswer](result.Input, result.JSON)
}

// compareImages finds what the upstream lists and the set lacks, and the other
// way. It reads the whole list before anything is changed.
func (e *Engine) compareImages(ctx context.Context, number, instance uint32, upstream iter.Seq2[account.Image, error]) (missing, extra map[account.Image]bool, err error) {
	if err := e.Flush(); err != nil {
		return nil, nil, err
	}
	missing, extra = map[account.Image]bool{}, map[account.Image]bool{}
	for image, err := range e.Store.Pictures(number, instance) {
		if err != nil {
			return nil, nil, err
		}
		extra[image] = true
	}
	held := maps.Clone(extra)
	for image, err := range upstream {
		if err == nil {
			err = ctx.Err()
		}
		if err != nil {
			return nil, nil, err
		}
		image.Account, image.Instance = number, instance
		if delete(extra, image); !held[image] {
			missing[image] = true
		}
	}
	return missing, extra, nil
}

// changeAll records differences, in inputs of bounded size, and returns how many
// there still were: a call may have come before.
func (e *Engine) changeAll(kind account.ImageChangeKind, images map[account.Image]bool) (changed int64, err error) {
	for list := range slices.Chunk(slices.Collect(maps.Keys(images)), imagesOfInput) {
		n, _, err := e.changeImages(kind, list)
		if err != nil {
			return changed, err
		}
		changed += n
	}
	return changed, nil
}
