package web

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/tallygate/tallygate/rating"
)

// Refusals that have to do with a wall clock that is doubted.
var (
	ErrClockDoubted = errors.New("the wall clock and event time disagree: nothing is settled until an operator accepts the wall clock " +
		"(tallygate clock shows both, tallygate clock accept accepts it), or until it is right again")
	// ErrClockBehind: the open period begins later than the clock is; the instant
	// is added.
	ErrClockBehind = errors.New("the clock was put back behind what is settled: the open period is settled once the clock has reached its end")
	ErrNotDoubted  = errors.New("there is nothing to accept: the wall clock is followed")
	// ErrOtherWall: the wall clock is not what the operator saw; what it is, is
	// added.
	ErrOtherWall = errors.New("the wall clock is more than a minute away from what you accept, so look again")
)

// WallTolerance is how far the wall clock may be from what the operator saw of it.
const WallTolerance = time.Minute

// ClockState is the wall clock beside event time, which decides hours, months and
// terms (D6).
type ClockState struct {
	Now            time.Time     `json:"now" doc:"Event time"`
	Wall           time.Time     `json:"wall" doc:"The machine's clock; a test ledger has none of it, and says its own"`
	Disagreement   time.Duration `json:"disagreement_ns" doc:"Wall clock minus event time"`
	Suspended      bool          `json:"suspended" doc:"They disagree by more than five minutes: nothing is settled, expires or is released until the wall clock is accepted or right again"`
	SuspendedSince time.Time     `json:"suspended_since,omitzero" doc:"In event time"`
	LastKnown      time.Time     `json:"last_known,omitzero" doc:"The latest event time that was known when the gateway started"`
	ReleasesFrom   time.Time     `json:"releases_from" doc:"Nothing is released before it: a day after the latest start or accepted jump"`
	TestClock      bool          `json:"test_clock"`
}

// ClockAcceptance repeats what the operator saw.
type ClockAcceptance struct {
	Wall time.Time `json:"wall" doc:"The wall clock as you saw it, a minute ago at most. Make sure that it is right: hours that it settles stay settled"`
}

func (h *handlers) registerClock() {
	register(h, get("get-clock", "/clock", "Show the wall clock and event time"), func(context.Context, *struct{}) (*body[ClockState], error) {
		return h.clock(nil)
	})
	accept := post("accept-clock", "/clock/accept", "Accept the wall clock where it disagrees with event time")
	accept.Description = "Returns when everything due by then has happened. Nothing is released for another day."
	accept.DefaultStatus = http.StatusOK
	register(h, accept, func(_ context.Context, in *struct{ Body ClockAcceptance }) (*body[ClockState], error) {
		return h.clock(h.gateway.AcceptClock(in.Body.Wall))
	})
}

// openMonth is the month that calls and commands belong to now: where the clock was
// put back, that of what is settled, which lies ahead of it.
func (h *handlers) openMonth(now time.Time) rating.Month {
	e := h.gateway.Engine()
	return rating.MonthOf(max(now.Unix(), e.Meta().Settled), e.Zone)
}

func (h *handlers) clock(err error) (*body[ClockState], error) {
	c, zone := h.gateway.Clock(), h.gateway.Engine().Zone
	c.Now, c.Wall = c.Now.In(zone), c.Wall.In(zone)
	c.ReleasesFrom = time.Unix(h.gateway.Engine().ReleasesFrom(), 0).In(zone)
	if !c.SuspendedSince.IsZero() {
		c.SuspendedSince = c.SuspendedSince.In(zone)
	}
	if !c.LastKnown.IsZero() {
		c.LastKnown = c.LastKnown.In(zone)
	}
	return &body[ClockState]{c}, err
}
