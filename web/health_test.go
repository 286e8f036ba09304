package web_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"testing"

	"github.com/tallygate/tallygate/web"
)

// TestHealth: warnings are told and send nobody away; what failed is 503.
func TestHealth(t *testing.T) {
	t.Parallel()
	stopped := web.Check{Name: "journal", Err: errors.New("stopped"), Warning: true}
	late := web.Check{Name: "sync", Err: errors.New("late")}
	for _, test := range []struct {
		wrong  []web.Check
		status int
		all    string
	}{
		{nil, 200, "ok"},
		{[]web.Check{stopped}, 200, "warning"},
		{[]web.Check{late, stopped}, 503, "failed"},
		{[]web.Check{stopped, late}, 503, "failed"},
	} {
		g := start(t)
		g.Wrong = test.wrong
		for path, want := range map[string]int{"health": test.status, "ready": 200} {
			status, checks := checksAt(t, g.URL+"/tallygate/"+path)
			if status != want || path == "health" && (checks.Status != test.all || len(checks.Checks) != 1+len(test.wrong)) {
				t.Errorf("%s with %v: %d %+v", path, test.wrong, status, checks)
			}
			for i, c := range checks.Checks[1:] {
				if w := test.wrong[i]; c.Name != w.Name || c.Detail != w.Err.Error() || (c.Status == web.CheckWarning) != w.Warning {
					t.Errorf("%s: %+v of %+v", path, c, w)
				}
			}
		}
	}
}

func checksAt(t *testing.T, url string) (status int, checks web.Checks) {
	t.Helper()
	response, err := http.Get(url)
	if err != nil {
		t.Fatal(err)
	}
	defer response.Body.Close()
	if err := json.NewDecoder(response.Body).Decode(&checks); err != nil {
		t.Fatal(err)
	}
	if cache := response.Header.Get("Cache-Control"); cache != "no-store" {
		t.Errorf("%s may be cached: %q", url, cache)
	}
	return response.StatusCode, checks
}
