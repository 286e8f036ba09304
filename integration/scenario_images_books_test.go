package integration

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

type eventOf struct{ Kind, Subject, Text string }

// events are those of a kind that happened to an account.
func (s *shelf) events(kind string) (list []eventOf) {
	s.t.Helper()
	var page struct{ Events []eventOf }
	s.do("GET", "/accounts/"+s.account+"/events?limit=1000", nil, &page)
	for _, e := range page.Events {
		if e.Kind == kind {
			list = append(list, e)
		}
	}
	return list
}

// releases are those that nobody has acknowledged, as account/instance.
func (s *scene) releases() (list []string) {
	s.t.Helper()
	var all struct {
		Releases []struct{ Account, Instance string }
	}
	s.do("GET", "/releases", nil, &all)
	for _, r := range all.Releases {
		list = append(list, r.Account+"/"+r.Instance)
	}
	return list
}

type reconciled struct {
	Images, Added, Removed int
	Settled                int `json:"uncertain_settled"`
}

// reconcileWithUpstream gives the gateway the upstream's list, by the command
// line, and returns its answer.
func (s *shelf) reconcileWithUpstream() (r reconciled, text string) {
	s.t.Helper()
	var list strings.Builder
	for _, p := range s.up.Pictures(s.instance) {
		fmt.Fprintf(&list, "{\"product\":%q,\"picture\":%q}\n", p.Product, p.Name)
	}
	path := filepath.Join(s.t.TempDir(), "upstream.ndjson")
	if err := os.WriteFile(path, []byte(list.String()), 0o600); err != nil {
		s.t.Fatal(err)
	}
	text, err := s.commandLine(&r, "images", "reconcile", s.account, s.instance, path, "--format=ndjson", "--reason=in a test")
	if err != nil {
		s.t.Fatalf("images reconcile: %v: %s", err, text)
	}
	return r, text
}
