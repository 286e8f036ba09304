package cli

import (
	"errors"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/web"
)

// TestStatusShowsProblems, each in a line of its own, whatever they hold.
func TestStatusShowsProblems(t *testing.T) {
	t.Parallel()
	s := newTranscript(t)
	s.gateway.Wrong = []web.Check{{Name: "sync", Err: errors.New("late\x1b[2J")}, {Name: "disk", Err: errors.New("full"), Warning: true}}
	out, err := execute("", "status", "--address", strings.TrimPrefix(s.gateway.URL, "http://"))
	if err != nil || !strings.Contains(out, "\nProblem: sync: late [2J\nProblem: disk: full\n") {
		t.Errorf("%v\n%s", err, out)
	}
}
