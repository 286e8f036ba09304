package integration

import (
	"net/http"
	"strings"
	"testing"
)

// TestScheduledPriceBook: a book that was scheduled through the API takes force
// in the running gateway, for calls and charges at the same instant, and stays
// in force over a restart and a kill (D35).
func TestScheduledPriceBook(t *testing.T) {
	t.Parallel()
	clock, at := testClock("2026-11-10T09:30:00+08:00")
	s := newScene(t, monthEndBook, clock, at)
	key := s.account("acme", "100.00")
	schedule := func(book, from string) {
		t.Helper()
		s.do("POST", "/pricebook/schedule", map[string]any{"source": book, "from": from}, nil)
	}
	passes := func(operation string) (calls int) {
		for calls < 60 && s.call(call{Key: key, Path: strings.ReplaceAll(paths[operation], "%s", "acme"), Fault: "canned"}).Status == http.StatusOK {
			calls++
		}
		return calls
	}

	// Rates a second may change at any hour, tiers and allowances may not.
	slower := strings.Replace(monthEndBook, "qps: 25", "qps: 7", 1)
	dearer := strings.Replace(strings.Replace(slower, "free_per_month: 100", "free_per_month: 3", 1), "0.01373", "0.5", 1)
	if status, p := s.refusal("POST", "/pricebook/schedule", map[string]any{"source": dearer, "from": "2026-11-10T10:00:00+08:00"}); status != http.StatusConflict || !strings.Contains(p.Detail, "2026-12-01T00:00:00+08:00") {
		t.Errorf("other tiers within a month: %d %+v", status, p)
	}
	schedule(slower, "2026-11-10T10:00:00+08:00")
	schedule(dearer, "2026-12")
	if n := passes(media); n != 25 {
		t.Errorf("%d calls passed in an instant, want 25 before the book takes force", n)
	}
	s.advance("2026-11-10T10:00:00+08:00")
	if n := passes(media); n != 7 {
		t.Errorf("%d calls passed in an instant, want 7 when it has", n)
	}
	s.Kill()
	s.restart()
	s.advance("2026-11-30T23:59:58+08:00")
	if n := passes(media); n != 7 {
		t.Errorf("%d calls passed in an instant, want 7 after a kill", n)
	}
	s.call(tag("acme", key))
	s.advance("2026-12-01T00:00:00+08:00")
	for range 5 {
		s.call(tag("acme", key))
	}
	s.advance("2026-12-01T01:00:00+08:00")
	november, december := s.statement("acme", "2026-11"), s.statement("acme", "2026-12")
	november.check(t, monthEndPrices)
	december.check(t, prices{tagging: {{150, "0.5"}, {700, "0.00955"}, {0, "0.0071"}}})
	if november.Usage != "0.20" || december.Usage != "1.00" || november.counted()[media] != 39 {
		t.Errorf("usage of November %s, of December %s: %v, %v", november.Usage, december.Usage, november.Lines, december.Lines)
	}
}
