package meter

import "math"

// imageCount is how many images an instance holds, by the ledger and in flight.
type imageCount struct {
	images    int64 // in the ledger's set
	uncertain int64 // in the ledger as of unknown outcome
	lost      int64 // of unknown outcome, and not in the ledger yet
	held      int64 // adds in flight that may be new images
	lowered   int64 // the cap while a smaller row is being bought (Lower)

	changing                    bool // the ledger is being told of a change
	heard                       bool // and has said something else meanwhile:
	heardImages, heardUncertain int64
}

const noLimit = math.MaxInt64

// total is what occupies capacity.
func (c *imageCount) total() int64 { return c.images + c.uncertain + c.lost + c.held }

// hold takes room for one image more, if there is any (D28).
func (c *imageCount) hold(most int64) bool {
	if c.total() >= min(most, c.lowered) {
		return false
	}
	c.held++
	return true
}

// told takes over the ledger's figures with a view of the account. While a
// change is under way it cannot be known which of the two is older, unless the
// view has the figures from before.
func (c *imageCount) told(images, uncertain int64) {
	switch {
	case !c.changing:
		c.images, c.uncertain = images, uncertain
	case images != c.images || uncertain != c.uncertain:
		c.heard, c.heardImages, c.heardUncertain = true, images, uncertain
	}
}

// changed takes over the figures after a change, or after a change that failed.
// In doubt it is the larger ones, until the next change or view.
func (c *imageCount) changed(images, uncertain int64, err error) {
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
	in := a.instance(instance)
	if in == nil {
		return 0, true
	}
	if held = in.images.total(); held > most {
		return held, false
	}
	in.images.lowered = min(in.images.lowered, most)
	return held, true
}
