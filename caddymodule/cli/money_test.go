package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/web"
	"github.com/tallygate/tallygate/web/webtest"
)

// TestNoFinanceRole: the gateway's configuration has none, and the answer says
// how to set one.
func TestNoFinanceRole(t *testing.T) {
	t.Parallel()
	book, err := os.ReadFile("testdata/pricebook.yaml")
	if err != nil {
		t.Fatal(err)
	}
	address := strings.TrimPrefix(webtest.New(t, webtest.Config{Book: book}).URL, "http://")
	if out, err := execute("", "account", "create", "acme", "--address", address); err != nil {
		t.Fatal(out, err)
	}
	adjust := []string{"adjust", "acme", "5.00", "--reason", "r", "--reference", "r", "--address", address}
	out, err := execute("", adjust...)
	if err == nil || !strings.Contains(out, "finance <sha256>") || strings.Contains(out, "s3cret") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestEveryCommandHelps: each has a line, an example, and --json unless it needs
// no gateway.
func TestEveryCommandHelps(t *testing.T) {
	t.Parallel()
	var check func(cmd *cobra.Command)
	check = func(cmd *cobra.Command) {
		if cmd.Short == "" || cmd.HasParent() && !strings.Contains(cmd.Example, cmd.CommandPath()) {
			t.Errorf("%s: no line or no example of its own", cmd.CommandPath())
		}
		if !cmd.HasSubCommands() && cmd.Name() != "lint" && cmd.Flags().Lookup("json") == nil {
			t.Errorf("%s has no --json", cmd.CommandPath())
		}
		for line := range strings.Lines(cmd.Long + "\n" + cmd.Short) {
			if len([]rune(line)) > 121 {
				t.Errorf("%s: a line of %d characters: %s", cmd.CommandPath(), len([]rune(line)), line)
			}
		}
		for _, sub := range cmd.Commands() {
			check(sub)
		}
	}
	for _, noun := range root().Commands() {
		check(noun)
	}
}

// fake answers every request alike.
func fake(t *testing.T, answer http.HandlerFunc) (address string) {
	t.Helper()
	server := httptest.NewServer(answer)
	t.Cleanup(server.Close)
	return strings.TrimPrefix(server.URL, "http://")
}

func stream(lines ...web.VerifyLine) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		for _, l := range lines {
			json.NewEncoder(w).Encode(l)
		}
	}
}

// TestVerifyEnds: with 1 where something differs, where there is a problem, and
// where the answer breaks off.
func TestVerifyEnds(t *testing.T) {
	t.Parallel()
	step := func(done uint64) web.VerifyLine {
		return web.VerifyLine{Progress: &web.VerifyProgress{Done: done, Total: 1000}}
	}
	differs := web.VerifyLine{Report: &billing.Verification{Accounts: 2, Differences: []billing.Difference{
		{Account: "acme", What: "balance", Ledger: "5.00", Recomputed: "4.00"}}}}
	for want, answer := range map[string]http.HandlerFunc{
		"Error: the ledger differs from its journal in 1 place": stream(step(100), step(101), step(550), differs),
		"acme     balance  5.00            4.00":                stream(differs),
		"100 of 1000 journal records, 10%\n550 of 1000 journal": stream(step(99), step(100), step(101), step(550), differs),
		"Error: sealed file 3 is damaged":                       stream(step(100), web.VerifyLine{Problem: &web.Problem{Detail: "sealed file 3 is damaged"}}),
		"Error: the gateway's answer broke off":                 stream(step(100)),
		"Error: account: there is no account": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(404)
			fmt.Fprint(w, `{"detail":"account: there is no account"}`)
		},
	} {
		if out, err := execute("", "verify", "--address", fake(t, answer)); err == nil || !strings.Contains(out, want) {
			t.Errorf("want %q: %v: %s", want, err, out)
		}
	}
	out, err := execute("", "verify", "acme", "--json", "--address", fake(t, stream(differs)))
	if err == nil || !strings.Contains(out, `"recomputed": "4.00"`) {
		t.Errorf("as JSON: %v: %s", err, out)
	}
}

func TestProgressOnATerminal(t *testing.T) {
	t.Parallel()
	var out strings.Builder
	p := &progress{out: &out, terminal: true}
	p.show(1, 4)
	p.show(1<<63, 1<<63)
	p.end()
	if want := "\r\x1b[K1 of 4 journal records, 25%\r\x1b[K9223372036854775808 of 9223372036854775808 journal records, 100%\r\x1b[K"; out.String() != want {
		t.Errorf("%q", out.String())
	}
}

// TestEventsHaveAllPages: there are more than one answer holds.
func TestEventsHaveAllPages(t *testing.T) {
	t.Parallel()
	address := fake(t, func(w http.ResponseWriter, r *http.Request) {
		page := web.EventList{Account: "acme", Events: []web.Event{{Number: 42, Kind: "arrears"}}, Next: 42}
		switch r.URL.Query().Get("after") {
		case "41":
		case "42":
			page.Events[0].Number, page.Next = 43, 0
		default:
			t.Errorf("asked for %s", r.URL)
		}
		json.NewEncoder(w).Encode(page)
	})
	out, err := execute("", "events", "acme", "--after", "41", "--address", address)
	if err != nil || !strings.Contains(out, "42") || !strings.Contains(out, "43") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestReplayDiffers: it shows both sums and exits with 1.
func TestReplayDiffers(t *testing.T) {
	t.Parallel()
	address := fake(t, func(w http.ResponseWriter, _ *http.Request) {
		json.NewEncoder(w).Encode(billing.Replay{Account: "acme", Month: 202611, Debited: "4.00", Statement: "5.00"})
	})
	out, err := execute("", "statement", "replay", "acme", "--month", "2026-11", "--operation", "a/b", "--address", address)
	if !errors.Is(err, errReplay) || !strings.Contains(out, "says 5.00, and the hours sum up to 4.00") {
		t.Errorf("%v: %s", err, out)
	}
}

// TestUploadIsNotHeld: an image list goes out as it is read, with its type.
func TestUploadIsNotHeld(t *testing.T) {
	t.Parallel()
	for args, want := range map[string]string{
		"x.csv": "text/csv", "x.csv --header": "text/csv; header=present", "x.csv --header=false": "text/csv; header=absent",
		"x.jsonl": "application/x-ndjson", "- --format ndjson": "application/x-ndjson", "-": "text/csv",
	} {
		address := fake(t, func(w http.ResponseWriter, r *http.Request) {
			if got := r.Header.Get("Content-Type"); got != want || r.ContentLength > 0 || r.URL.Query().Get("reason") != "a reason" {
				t.Errorf("%s: %s, %d bytes, %s", args, got, r.ContentLength, r.URL)
			}
			fmt.Fprint(w, `{}`)
		})
		dir := t.TempDir()
		for _, name := range []string{"/x.csv", "/x.jsonl"} {
			if err := os.WriteFile(dir+name, []byte("shoe,front\n"), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		line := strings.Fields(strings.Replace(args, "x.", dir+"/x.", 1))
		if out, err := execute("shoe,front\n", append([]string{"images", "reconcile", "acme", "products", "--reason", "a reason", "--address", address}, line...)...); err != nil {
			t.Errorf("%s: %v: %s", args, err, out)
		}
	}
}
