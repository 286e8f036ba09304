package service

import (
	"sync"
	"time"

	"github.com/tallygate/tallygate/billing"
)

// exposureEvery is how old a figure of the exposure may be. It may also be as old
// as many times as long as it took, so that asking costs little of the machine.
const (
	exposureEvery = 15 * time.Second
	exposureShare = 20
)

// exposure keeps the newest figure.
type exposure struct {
	mu    sync.Mutex
	value billing.Exposure
	err   error
	at    time.Time // when it was made, by the machine's clock; zero = never
	took  time.Duration
}

// Exposure is what open calls will cost and what accounts owe, as of an instant
// some seconds ago. Who asks when it is too old waits for a new one.
func (s *Service) Exposure() (billing.Exposure, time.Time, error) {
	x := &s.exposure
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.at.IsZero() || time.Since(x.at) > max(exposureEvery, exposureShare*x.took) {
		began := time.Now()
		x.value, x.err = s.expose()
		x.at, x.took = began, time.Since(began)
	}
	return x.value, x.at, x.err
}

func (s *Service) expose() (billing.Exposure, error) {
	var open []billing.OpenCounts
	now := s.Now().Unix()
	for _, p := range s.meter.OpenPeriods() {
		p.End = max(p.Start+1, min(p.End, now))
		open = append(open, billing.OpenCounts{Period: p.Period, Counts: p.Counts})
	}
	return s.engine.Exposure(open)
}
