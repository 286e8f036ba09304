package integration

import (
	"maps"
	"net/http"
	"testing"
)

// lateBook has two free calls, and a cent for each of the others.
const lateBook = `
currency: USD
pay_per_use:
  - operations: [recognition/image-tagging, recognition/main-object-detection, recognition/celebrity-recognition, recognition/media-tagging]
    free_per_month: 2
    tiers: [{up_to: 3, price: 0.01}, {price: 0.005}]
subscriptions:
  - service: search
    operations: {search/search: search, search/add: add, search/delete: delete}
    delete_qps: 20
    rows: [{id: small, images: 1000, qps: 10, price: 30.00}]
`

// TestCallsOverTheMonthEnd: a call that ends in time belongs to the month of its
// arrival; one that outlives the sealing belongs to the next, keeps what paid
// for it, and takes nothing of the new month's allowance (D6).
func TestCallsOverTheMonthEnd(t *testing.T) {
	t.Parallel()
	clock, at := testClock("2026-11-30T23:50:00+08:00")
	s := newScene(t, lateBook, clock, at+"\n\t\tseal_wait 800ms")
	key := s.account("acme", "1.00")
	ended := make(chan answer)
	start := func(wait string) { // one in flight more, once it has reached the upstream
		c := tag("acme", key)
		c.Fault = "canned,chunked,slow-body=" + wait
		begun := make(chan struct{})
		go func() { ended <- s.callFrom(c, func() { close(begun) }) }()
		<-begun
	}
	await := func(n int) {
		for range n {
			if a := <-ended; a.Status != http.StatusOK || !a.Whole {
				t.Errorf("%d %s", a.Status, a.Body)
			}
		}
	}
	start("100ms") // free, ends before the hour is sealed
	start("3s")    // free, outlives it
	start("3s")    // pay-per-use, outlives it
	s.advance("2026-12-01T00:00:00+08:00")
	november := s.statement("acme", "2026-11")
	november.check(t, nil)
	if len(november.Lines) != 1 || november.Lines[0].Funding != "free:202611" || november.Lines[0].Calls != 1 {
		t.Errorf("November: %+v", november.Lines)
	}
	await(3)
	for range 6 { // two free ones again, and four to pay: 1 + 4 are in the tiers
		if a := s.call(tag("acme", key)); a.Status != http.StatusOK {
			t.Fatalf("%d %s", a.Status, a.Body)
		}
	}
	s.Kill()
	s.restart()
	s.advance("2026-12-01T01:00:00+08:00")
	december := s.statement("acme", "2026-12")
	december.check(t, prices{tagging: {{3, "0.01"}, {0, "0.005"}}})
	got := map[string]int64{}
	for _, l := range december.Lines {
		got[l.Funding] = l.Calls
	}
	if want := map[string]int64{"free:202611": 1, "free:202612": 2, "payg": 5}; !maps.Equal(got, want) || december.Usage != "0.04" {
		t.Errorf("December: %v for %s, want %v for 0.04", got, december.Usage, want)
	}
	if again := s.statement("acme", "2026-11"); again.Closing != november.Closing || again.Closing != december.Opening {
		t.Errorf("November closes with %s, then with %s; December opens with %s", november.Closing, again.Closing, december.Opening)
	}
}

// callFrom is call, and tells when the answer's header has come.
func (s *scene) callFrom(c call, begun func()) answer {
	told := false
	client := *s.client
	client.Transport = headerTold{s.client.Transport, func() { told = true; begun() }}
	a := (&scene{Gateway: s.Gateway, t: s.t, client: &client}).call(c)
	if !told {
		begun()
	}
	return a
}

type headerTold struct {
	http.RoundTripper
	tell func()
}

func (h headerTold) RoundTrip(r *http.Request) (*http.Response, error) {
	response, err := h.RoundTripper.RoundTrip(r)
	if err == nil {
		h.tell()
	}
	return response, err
}

// TestFromArrearsToRelease takes an account in debt through its states by the
// clock, with a kill in each (D20, D21, D23, D32).
func TestFromArrearsToRelease(t *testing.T) {
	t.Parallel()
	clock, at := testClock("2026-11-10T09:00:00+08:00")
	s := newScene(t, lateBook, clock, at)
	key := s.account("acme", "90.00")
	s.do("POST", "/accounts/acme/subscriptions", map[string]any{"instance": "products", "row": "small", "months": 3}, nil)
	for range 3 {
		s.call(tag("acme", key))
	}
	s.advance("2026-11-10T10:00:00+08:00") // the debt of one cent begins
	search := call{Key: key, Path: "/v2/image/search", Fault: "canned"}
	expect := func(state, tagged, searched string) {
		t.Helper()
		if got := s.state("acme"); got != state {
			t.Errorf("the account is in %s, want %s", got, state)
		}
		if got := s.call(tag("acme", key)).reason(); got != tagged {
			t.Errorf("in %s a call to pay is %q, want %q", state, got, tagged)
		}
		if got := s.call(search).reason(); got != searched {
			t.Errorf("in %s a subscribed call is %q, want %q", state, got, searched)
		}
	}
	for _, step := range []struct{ to, state, tagged, searched string }{
		{"2026-11-10T10:00:00+08:00", "grace", "arrears", ""},
		{"2026-11-25T09:59:59+08:00", "grace", "arrears", ""},
		{"2026-11-25T10:00:00+08:00", "retention", "arrears", ""},
		{"2026-12-10T09:59:59+08:00", "retention", "arrears", ""},
		{"2026-12-10T10:00:00+08:00", "released", "released", "released"},
	} {
		s.advance(step.to)
		expect(step.state, step.tagged, step.searched)
		if step.state != "released" && step.to < "2026-12" { // not within a day of the release
			s.Kill()
			s.restart()
			expect(step.state, step.tagged, step.searched)
		}
	}
	s.topUp("acme", "50.00")
	s.Kill()
	s.restart()
	expect("released", "released", "released")
	if status, p := s.refusal("POST", "/accounts/acme/subscriptions", map[string]any{"instance": "other", "row": "small"}); status < 400 || p.Detail == "" {
		t.Errorf("a released account buys: %d %+v", status, p)
	}
	s.advance("2027-01-01T00:00:00+08:00")
	closing := "0.00"
	for _, month := range []string{"2026-11", "2026-12", "2027-01"} {
		st := s.statement("acme", month)
		st.check(t, prices{tagging: {{3, "0.01"}, {0, "0.005"}}})
		if st.Opening != closing {
			t.Errorf("%s opens with %s after %s", month, st.Opening, closing)
		}
		closing = st.Closing
	}
	if closing != "49.99" {
		t.Errorf("the balance in the end is %s, want 49.99", closing)
	}
}
