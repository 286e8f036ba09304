package web_test

import (
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/web/webtest"
)

// TestClock: a wall clock that is doubted is shown, and accepted by who has seen
// it; taken back, what is open stays in sight.
func TestClock(t *testing.T) {
	t.Parallel()
	g := webtest.New(t, webtest.Config{Book: prices(t), WallClock: true})
	const seen = `{"wall":"2027-12-27T10:30:00+08:00"}`
	run(t, g, []step{
		{"POST /accounts", `{"account":"acme"}`, nil, 201, nil},
		{"GET /clock", "", nil, 200, []string{"now = 2026-11-22T10:30:00+08:00", "wall = 2026-11-22T10:30:00+08:00", "suspended = false",
			"disagreement_ns = 0", "releases_from = 2026-11-23T10:30:00+08:00", "test_clock = false"}},
		{"POST /clock/accept", seen, nil, 409, []string{"type = urn:tallygate:problem:clock-not-suspended"}},
	})
	g.ShiftWall(400 * 24 * time.Hour)
	run(t, g, []step{
		{"GET /clock", "", nil, 200, []string{"now = 2026-11-22T10:30:00+08:00", "wall = 2027-12-27T10:30:00+08:00", "suspended = true",
			"suspended_since = 2026-11-22T10:30:00+08:00", "last_known = 2026-11-22T10:30:00+08:00"}},
		{"GET /status", "", nil, 200, []string{"clock_suspended = true"}},
		{"POST /clock/accept", `{"wall":"2027-12-27T10:28:59+08:00"}`, nil, 409, []string{"type = urn:tallygate:problem:other-wall-clock", "text ~ it is 2027-12-27T10:30:00"}},
		{"POST /clock/accept", `{"wall":"soon"}`, nil, 422, []string{"field = wall"}},
		{"POST /clock/accept", `{}`, nil, 422, []string{"field = wall"}},
		{"POST /clock/accept", `{"wall":"2027-12-27T02:30:30Z"}`, nil, 200, []string{"now = 2027-12-27T10:30:00+08:00", "suspended = false",
			"releases_from = 2027-12-28T10:30:00+08:00"}},
		{"POST /settle", "", nil, 200, nil},
		{"GET /status", "", nil, 200, []string{"clock_suspended = false", "settled_until = 2027-12-27T10:30:01+08:00"}},
	})
	g.Count(t, "acme", tagging, account.Free, 202712, 7)
	g.ShiftWall(-400 * 24 * time.Hour)
	run(t, g, []step{
		{"POST /clock/accept", `{"wall":"2026-11-22T10:30:00+08:00"}`, nil, 200, []string{"now = 2026-11-22T10:30:01+08:00",
			"releases_from = 2026-11-23T10:30:01+08:00"}},
		{"GET /accounts/acme/usage", "", nil, 200, []string{"month = 2027-12", "lines.0.open = 7"}},
		{"GET /accounts/acme/statements/2027-12", "", nil, 200, []string{"closing = 0.00"}},
		{"GET /accounts/acme/statements/2028-01", "", nil, 422, []string{"text ~ has not begun: it is 2027-12"}},
	})
}
