package meter

import (
	"errors"
	"time"
)

// Why calls cannot be counted.
var (
	ErrNoCounters = errors.New("there are no counters for the present period")
	ErrStopping   = errors.New("the gateway is stopping")
)

// rollLate is how long after a period's end the next one must have begun: the
// first call begins it, or else the loop that looks once a second.
const rollLate = int64(10 * time.Second)

// Counting reports why calls cannot be counted, nil where they can. It takes no
// lock.
func (m *Meter) Counting() error {
	p := m.current.Load()
	switch {
	case m.stopping.Load():
		return ErrStopping
	case p == nil, m.clock.Now().Event >= p.end.Load()+rollLate:
		return ErrNoCounters
	}
	return nil
}
