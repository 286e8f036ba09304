package meter

import (
	"math"
	"sync"
)

// imageChanges is what an instance has beside the number of its images once
// images are added or deleted.
type imageChanges struct {
	windows [classes - ClassAdd]window // of adds and deletes

	uncertain int64 // in the ledger as of unknown outcome
	lost      int64 // of unknown outcome, and not in the ledger yet
	held      int64 // adds in flight that may be new images
	lowered   int64 // the cap while a smaller row is being bought (Lower)

	changing                    bool // the ledger is being told of a change
	heard                       bool // and has said something else meanwhile:
	heardImages, heardUncertain int64

	lock  sync.Mutex // held while the ledger is told of a change; taken before the account's
	calls imageQueue
}

const noLimit = math.MaxInt64

// imageChanges is made at its first use. The account is locked.
func (in *instance) imageChanges() *imageChanges {
	more := in.rest()
	if more.changes == nil {
		more.changes = &imageChanges{lowered: noLimit}
	}
	return more.changes
}

// unchanged reports whether all there is to know of the instance's images is how
// many the ledger has.
func (in *instance) unchanged() bool { return in.more == nil || in.more.changes == nil }

// occupied is how many images occupy capacity, by the ledger and in flight.
func (in *instance) occupied() int64 {
	if in.unchanged() {
		return in.images
	}
	c := in.more.changes
	return in.images + c.uncertain + c.lost + c.held
}

// hold takes room for one image more, if there is any (D28).
func (in *instance) hold(most int64) bool {
	c := in.imageChanges()
	if in.occupied() >= min(most, c.lowered) {
		return false
	}
	c.held++
	return true
}

// told takes over the ledger's figures with a view of the account. While a
// change is under way it cannot be known which of the two is older, unless the
// view has the figures from before.
func (in *instance) told(images, uncertain int64) {
	if in.unchanged() && uncertain == 0 {
		in.images = images
		return
	}
	c := in.imageChanges()
	switch {
	case !c.changing:
		in.images, c.uncertain = images, uncertain
	case images != in.images || uncertain != c.uncertain:
		c.heard, c.heardImages, c.heardUncertain = true, images, uncertain
	}
}

// changed takes over the figures after a change, or after a change that failed.
// In doubt it is the larger ones, until the next change or view.
func (in *instance) changed(images, uncertain int64, err error) {
	c := in.imageChanges()
	if err == nil && !(c.heard && c.heardImages+c.heardUncertain > images+uncertain) {
		in.images, c.uncertain = images, uncertain
	} else if c.heard {
		in.images, c.uncertain = c.heardImages, c.heardUncertain
	}
	c.changing, c.heard = false, false
}

// Lower makes an instance admit no more than most images from now on, if it
// holds no more with the adds in flight, and reports how many it holds (D30,
// D31). It lasts until the next Update of the account, which has the new term.
func (m *Meter) Lower(number uint32, instance string, most int64) (held int64, ok bool) {
	a := m.account(number)
	a.mu.Lock()
	defer a.mu.Unlock()
	in := a.findInstance(instance)
	if in == nil {
		return 0, true
	}
	if held = in.occupied(); held > most {
		return held, false
	}
	c := in.imageChanges()
	c.lowered = min(c.lowered, most)
	return held, true
}

// raise ends what Lower did.
func (in *instance) raise() {
	if !in.unchanged() {
		in.more.changes.lowered = noLimit
	}
}
