package integration

import (
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
)

// TestReloadKeepsHolds: what a call in flight holds stays held over a reload,
// accepted or not, and the full window of an account stays full (D18, D27).
func TestReloadKeepsHolds(t *testing.T) {
	t.Parallel()
	book := strings.Replace(rigBook, "calls: 300", "calls: 1", 1)
	book = strings.Replace(book, "free_per_month: 150", "free_per_month: 0", 1)
	r := newRig(t, harness.Config{Files: map[string]string{"pricebook.yaml": book}}, nil)
	r.start()
	r.open("prepaid", "10.00")
	r.api(harness.Request{Method: http.MethodPatch, Path: "/tallygate/accounts/prepaid", Body: map[string]any{"pay_per_use": false}}, nil)
	r.api(harness.Request{Path: "/tallygate/accounts/prepaid/packages", Header: once("package"), Body: map[string]any{"package": "tagging-300"}}, nil)
	const tagging = "recognition/image-tagging"
	slow := &customer{site: r.URL(), account: "prepaid", operation: tagging, fault: "delay=2s", http: connections()}
	next := &customer{site: r.URL(), account: "prepaid", operation: tagging, http: connections(), again: true}
	held := make(chan sight)
	go func() { held <- slow.call() }()
	eventually(t, "the only call of the package is at the upstream", time.Minute, func() bool { return r.inFlight() == 1 })

	reload := func(vars map[string]any, accepted bool) {
		t.Helper()
		var refused *harness.Refused
		if err := r.with(vars); accepted && err != nil || !accepted && !errors.As(err, &refused) {
			t.Fatalf("reload: %v", err)
		}
		if a := next.call(); a.status != http.StatusPaymentRequired {
			t.Errorf("a second call ran on the package's only one after a reload: %d %s", a.status, a.body)
		}
	}
	reload(map[string]any{"flush": "1s", "arrears": "16d"}, true)
	reload(map[string]any{"timezone": "+05:00", "mode": "observe"}, false)
	select {
	case a := <-held:
		t.Fatalf("the call in flight ended before the reloads did: %d (%v)", a.status, a.err)
	default:
	}
	if a := <-held; !a.ok() {
		t.Errorf("the call in flight over the reloads: %d %s (%v)", a.status, a.body, a.err)
	}
	reload(map[string]any{"flush": "2s"}, true)
	r.settle()
	if u := r.usage("prepaid"); len(u.Lines) != 1 || u.Lines[0].Funding != "package:1" || u.Lines[0].Settled != 1 {
		t.Errorf("usage: %+v", u.Lines)
	}
}

// TestReloadAppliesSettings: a shorter settlement period and another policy hold
// from an accepted reload on, those of a refused one never.
func TestReloadAppliesSettings(t *testing.T) {
	t.Parallel()
	r := newRig(t, harness.Config{}, nil)
	r.start()
	r.open("acme", "10.00")
	c := &customer{site: r.URL(), account: "acme", operation: "recognition/media-tagging", http: connections(), again: true}
	if a := c.call(); !a.ok() {
		t.Fatal(a)
	}
	status := func() (s struct {
		Now          time.Time
		SettledUntil time.Time `json:"settled_until"`
		PriceBook    string    `json:"price_book"`
	}) {
		r.api(harness.Request{Path: "/tallygate/status"}, &s)
		return s
	}
	book := status().PriceBook
	if err := r.with(map[string]any{"flush": "1s", "timezone": "+03:00"}); err == nil {
		t.Fatal("another billing zone was accepted")
	}
	if err := r.with(map[string]any{"flush": "1s"}); err != nil {
		t.Fatal(err)
	}
	before := status().Now
	eventually(t, "the period that was an hour long is settled by one of a second", 20*time.Second, func() bool {
		u := r.usage("acme")
		return len(u.Lines) == 1 && u.Lines[0].Settled == 1
	})
	if after := status(); after.Now.Sub(before) > 10*time.Second || after.PriceBook != book {
		t.Errorf("settled %v after the reload, price book %s then %s", after.Now.Sub(before), book, after.PriceBook)
	}
}

// inFlight is how many calls the gateway waits for at the upstream.
func (r *rig) inFlight() (n int) {
	r.t.Helper()
	var upstreams []struct {
		Requests int `json:"num_requests"`
	}
	r.api(harness.Request{Path: "/reverse_proxy/upstreams"}, &upstreams)
	for _, u := range upstreams {
		n += u.Requests
	}
	return n
}
