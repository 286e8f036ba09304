package meter

import (
	"context"
	"time"
)

// imageQueue keeps adds and deletes that may touch the same images apart, so
// that the ledger learns of them in the order in which the upstream ran them
// (D28). Adds go together, and so do deletes. A delete waits for the adds of its
// product and for those whose product is not known yet, and an add likewise for
// deletes. Who comes later waits behind those that wait for the same.
type imageQueue []*turn // in the order of arrival: running and waiting

// turn is a call's place in the queue.
type turn struct {
	delete  bool
	known   bool // the product; always of a delete
	product [16]byte
	granted chan struct{} // closed when it is the call's turn
	running bool
}

func (t *turn) conflicts(o *turn) bool {
	return t.delete != o.delete && (!t.known || !o.known || t.product == o.product)
}

// join takes a place.
func (q *imageQueue) join(t *turn) {
	t.granted = make(chan struct{})
	*q = append(*q, t)
	q.grant()
}

func (q *imageQueue) leave(t *turn) {
	for n, o := range *q {
		if o == t {
			*q = append((*q)[:n], (*q)[n+1:]...)
			break
		}
	}
	q.grant()
}

// narrow: an add's product is known, so the others need not wait for it.
func (q *imageQueue) narrow(t *turn, product [16]byte) {
	if !t.known {
		t.known, t.product = true, product
		q.grant()
	}
}

// grant lets everyone run who conflicts with nobody before him.
func (q *imageQueue) grant() {
next:
	for n, t := range *q {
		if t.running {
			continue
		}
		for _, before := range (*q)[:n] {
			if t.conflicts(before) {
				continue next
			}
		}
		t.running = true
		close(t.granted)
	}
}

// await waits for the call's turn, until the context ends or for wait of real
// time, and reports whether it has come.
func (i *imageHold) await(ctx context.Context, n ImageNames, wait time.Duration) bool {
	a := i.account
	a.mu.Lock()
	i.names = n
	i.turn = &turn{delete: i.class == ClassDelete, known: n.Product.Known, product: n.Product.Hash}
	i.changes.calls.join(i.turn)
	t, running := i.turn, i.turn.running
	a.mu.Unlock()
	if running {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-t.granted:
		return true
	case <-ctx.Done():
	case <-timer.C:
	}
	return false
}
