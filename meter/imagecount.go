package meter

import (
	"math"
	"sync"
)

// imageChanges is what there is to know of an instance's images once images are
// added or deleted. Calls in flight keep it, also where the instance is released
// and bought anew meanwhile.
type imageChanges struct {
	windows [classes - ClassAdd]window // of adds and deletes

	images    int64 // in the ledger's set
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
func (in *instance) imageChanges(s *store) *imageChanges {
	more := in.rest(s)
	if more.changes == nil {
		more.changes = &imageChanges{images: in.images, lowered: noLimit}
	}
	return more.changes
}

// changes is nil where all there is to know of the instance's images is how many
// the ledger has.
func (in *instance) changes(s *store) *imageChanges {
	if more := s.instanceMore.at(in.more); more != nil {
		return more.changes
	}
	return nil
}

// window is the rate window of a class of calls that change images.
func (c *imageChanges) window(class Class) *window { return &c.windows[class-ClassAdd] }

// drop: no call is admitted to the instance any more.
func (c *imageChanges) drop(s *rings) {
	for i := range c.windows {
		c.windows[i].drop(s)
	}
}

// occupied is how many images occupy capacity, by the ledger and in flight.
func (in *instance) occupied(s *store) int64 {
	if c := in.changes(s); c != nil {
		return c.occupied()
	}
	return in.images
}

func (c *imageChanges) occupied() int64 { return c.images + c.uncertain + c.lost + c.held }

// hold takes room for one image more, if there is any (D28).
func (c *imageChanges) hold(most int64) bool {
	if c.occupied() >= min(most, c.lowered) {
		return false
	}
	c.held++
	return true
}

// told takes over the ledger's figures with a view of the account.
func (in *instance) told(s *store, images, uncertain int64) {
	if uncertain == 0 && in.changes(s) == nil {
		in.images = images
		return
	}
	in.imageChanges(s).told(images, uncertain)
}

// told takes over the ledger's figures. While a change is under way it cannot be
// known which of the two is older, unless the view has the figures from before.
func (c *imageChanges) told(images, uncertain int64) {
	switch {
	case !c.changing:
		c.images, c.uncertain = images, uncertain
	case images != c.images || uncertain != c.uncertain:
		c.heard, c.heardImages, c.heardUncertain = true, images, uncertain
	}
}

// changed takes over the figures after a change, or after a change that failed.
// In doubt it is the larger ones, until the next change or view.
func (c *imageChanges) changed(images, uncertain int64, err error) {
	if err == nil && !(c.heard && c.heardImages+c.heardUncertain > images+uncertain) {
		c.images, c.uncertain = images, uncertain
	} else if c.heard {
		c.images, c.uncertain = c.heardImages, c.heardUncertain
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
	in := a.findInstance(m.store, instance)
	if in == nil {
		return 0, true
	}
	if held = in.occupied(m.store); held > most {
		return held, false
	}
	c := in.imageChanges(m.store)
	c.lowered = min(c.lowered, most)
	return held, true
}

// raise ends what Lower did.
func (in *instance) raise(s *store) {
	if c := in.changes(s); c != nil {
		c.lowered = noLimit
	}
}
