package cli

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/billing"
	"github.com/tallygate/tallygate/web"
	"github.com/tallygate/tallygate/web/webtest"
)

var update = flag.Bool("update", false, "write what the commands print into testdata")

func TestMain(m *testing.M) {
	os.Setenv(financeToken, "s3cret")
	os.Exit(m.Run())
}

// root is the binary's command line without Caddy's own commands.
func root() *cobra.Command {
	root := &cobra.Command{Use: "tallygate", SilenceUsage: true}
	for _, c := range commands {
		cmd := &cobra.Command{Use: strings.TrimSpace(c.Name + " " + c.Usage), Short: c.Short, Long: c.Long}
		c.CobraFunc(cmd)
		root.AddCommand(cmd)
	}
	return root
}

// execute runs a command line and gives all it prints.
func execute(in string, args ...string) (string, error) {
	var out bytes.Buffer
	cmd := root()
	cmd.SetArgs(args)
	cmd.SetIn(strings.NewReader(in))
	cmd.SetOut(&out)
	cmd.SetErr(&out)
	err := cmd.ExecuteContext(context.Background())
	return out.String(), err
}

// TestTranscripts runs the command lines of testdata against the API of a real
// engine and compares what they print. Run it with -update to write it anew,
// and read the difference.
func TestTranscripts(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("testdata/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no transcripts: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			s := newTranscript(t)
			if filepath.Base(file) == "clock.txt" {
				s = transcriptOn(t, webtest.Config{WallClock: true})
			}
			got := s.play(t, string(want))
			if got == string(want) {
				return
			}
			if *update {
				if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			t.Errorf("%s differs, run with -update to accept:\n%s", file, difference(string(want), got))
		})
	}
}

type transcript struct {
	gateway *webtest.Gateway
	key     string // id of the one made last
	dir     string // of files, $DIR in transcripts
}

func newTranscript(t *testing.T) *transcript {
	return transcriptOn(t, webtest.Config{Finance: "s3cret"})
}

func transcriptOn(t *testing.T, c webtest.Config) *transcript {
	book, err := os.ReadFile("testdata/pricebook.yaml")
	if err != nil {
		t.Fatal(err)
	}
	c.Book = book
	return &transcript{gateway: webtest.New(t, c), dir: t.TempDir()}
}

// play keeps the comments and the commands of a transcript, and gives the rest
// anew: lines with "$ " run the command line, those with "! count" count calls,
// those with "! images" let the upstream take images, those with "! wall" shift
// the wall clock, and those with "! remove" remove a file below $DIR.
func (s *transcript) play(t *testing.T, text string) string {
	var out strings.Builder
	comment := true // whether an empty line belongs to the script
	for line := range strings.Lines(text) {
		line = strings.TrimSuffix(line, "\n")
		switch {
		case strings.HasPrefix(line, "$ "):
			fmt.Fprintf(&out, "%s\n%s\n", line, s.run(line))
			comment = false
		case strings.HasPrefix(line, "! "):
			s.happen(t, strings.Fields(line))
			fmt.Fprintln(&out, line)
			comment = true
		case strings.HasPrefix(line, "#"), comment && line == "":
			fmt.Fprintln(&out, line)
			comment = true
		}
	}
	return out.String()
}

// happen lets something happen that is no command.
func (s *transcript) happen(t *testing.T, w []string) {
	switch w[1] {
	case "images":
		s.gateway.ChangeImages(t, w[2], w[3], w[4], w[5], w[6])
	case "wall":
		by, err := time.ParseDuration(w[2])
		if err != nil {
			t.Fatal(err)
		}
		s.gateway.ShiftWall(by)
	case "remove":
		if err := os.RemoveAll(filepath.Join(s.dir, w[2])); err != nil {
			t.Fatal(err)
		}
	default:
		s.count(t, w)
	}
}

var word = regexp.MustCompile(`"[^"]*"|\S+`)

func (s *transcript) run(line string) string {
	var args []string
	for _, w := range word.FindAllString(line, -1)[2:] {
		args = append(args, strings.NewReplacer(shownKey, s.key, "$DIR", s.dir).Replace(strings.Trim(w, `"`)))
	}
	if !offline.MatchString(line) {
		end := slices.Index(append(args, "--"), "--")
		args = slices.Insert(args, end, "--address", strings.TrimPrefix(s.gateway.URL, "http://"))
	}
	out, err := execute("", args...)
	if key := madeKey.FindStringSubmatch(out); key != nil && strings.Contains(out, "Secret") {
		s.key = key[1]
	}
	if s.key != "" {
		out = strings.ReplaceAll(out, s.key, shownKey)
	}
	out = strings.ReplaceAll(out, s.dir, "$DIR")
	for _, r := range random {
		out = r.pattern.ReplaceAllString(out, r.name)
	}
	if err == nil {
		return out
	}
	if strings.HasPrefix(err.Error(), "exiting with status 2") {
		return out + "[exit 2]\n"
	}
	return out + "[exit 1]\n"
}

// offline are command lines that no gateway answers.
var offline = regexp.MustCompile(` lint | backup verify | restore | repair|--help`)

// shownKey stands in transcripts for the id of the key whose secret was made last.
const shownKey = "3fa94bc81d20"

var madeKey = regexp.MustCompile(`(?m)^Key +([0-9a-f]{12})$`)

// random is what differs from run to run.
var random = []struct {
	pattern *regexp.Regexp
	name    string
}{
	{regexp.MustCompile(`tg_[a-z2-7]{52}`), "$$SECRET"},
	{regexp.MustCompile(`[0-9]+ journal records`), "$$SEQUENCE journal records"},
	{regexp.MustCompile(`Journal head.*`), "Journal head     $$SEQUENCE $$HASH"},
	{regexp.MustCompile(`Anchor .*`), "Anchor           $$SEQUENCE, written 1s ago"},
	{regexp.MustCompile(`In the ledger.*`), "In the ledger    up to $$SEQUENCE"},
	{regexp.MustCompile(`Ledger +[0-9a-f]{32}`), "Ledger           $$ID"},
	{regexp.MustCompile(`\b[0-9a-f]{32}\b`), "$$ID"},
	{regexp.MustCompile(`(head |Head +[0-9]+ )[0-9a-f]{64}`), "$1$$HASH"},
	{regexp.MustCompile(`("hash"|"sha256"): "[0-9a-f]{64}"`), `$1: "$$HASH"`},
	{regexp.MustCompile(`damaged-[0-9TZ]+(-[0-9]+)?`), "damaged-$$TIME"},
	{regexp.MustCompile(`(?m)^Bytes .*`), "Bytes         $$BYTES"},
}

var kinds = map[string]account.Kind{"free": account.Free, "package": account.Package, "payg": account.PayPerUse, "subscription": account.Subscription,
	"failed-status": account.FailedStatus, "rate-limited": account.RateLimited}

// count reads "! count account operation kind ref calls".
func (s *transcript) count(t *testing.T, w []string) {
	var ref uint32
	var calls uint64
	if _, err := fmt.Sscan(strings.Join(w[5:], " "), &ref, &calls); err != nil {
		t.Fatal(err)
	}
	s.gateway.Count(t, w[2], w[3], kinds[w[4]], ref, calls)
}

// difference shows the first line that differs.
func difference(want, got string) string {
	w, g := strings.Split(want, "\n"), strings.Split(got, "\n")
	for i := range min(len(w), len(g)) {
		if w[i] != g[i] {
			return fmt.Sprintf("line %d\nwant %s\ngot  %s", i+1, w[i], g[i])
		}
	}
	return fmt.Sprintf("want %d lines, got %d", len(w), len(g))
}

func TestValueFromStandardInput(t *testing.T) {
	t.Parallel()
	s := newTranscript(t)
	address := strings.TrimPrefix(s.gateway.URL, "http://")
	if out, err := execute("", "account", "create", "acme", "--address", address); err != nil {
		t.Fatal(out, err)
	}
	out, err := execute("the customer's own secret\n", "key", "create", "acme", "--value", "-", "--address", address)
	// printf %s "the customer's own secret" | sha256sum
	if err != nil || !strings.Contains(out, "e9a1f3648e95") || strings.Contains(out, "own secret") {
		t.Errorf("%v: %s", err, out)
	}
	if out, err := execute("\n", "key", "create", "acme", "--value", "-", "--address", address); err == nil || !strings.Contains(out, "empty") {
		t.Errorf("no secret: %v: %s", err, out)
	}
}

// TestListHasAllPages: there are more accounts than one answer holds.
func TestListHasAllPages(t *testing.T) {
	t.Parallel()
	s := newTranscript(t)
	var wg sync.WaitGroup
	for part := range 8 {
		wg.Go(func() {
			for i := part; i < 1001; i += 8 {
				id := fmt.Sprint("account-", i)
				if _, err := s.gateway.Engine().Do(billing.Request{Account: id, Command: &account.CreateAccount{Account: id}}); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	out, err := execute("", "account", "list", "--address", strings.TrimPrefix(s.gateway.URL, "http://"))
	if lines := strings.Count(out, "\naccount-"); err != nil || lines != 1001 {
		t.Errorf("%d accounts, %v", lines, err)
	}
}

// TestUnixSocket: the admin endpoint may be a socket, with permissions in its
// address.
func TestUnixSocket(t *testing.T) {
	t.Parallel()
	socket := filepath.Join(t.TempDir(), "admin.sock")
	listener, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	api := web.NewAPI(newTranscript(t).gateway)
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.Host != "127.0.0.1" || r.Header.Get("Origin") != "" {
			t.Errorf("host %q and origin %q: Caddy refuses that on a socket", r.Host, r.Header.Get("Origin"))
		}
		api.ServeHTTP(w, r)
	})}
	go server.Serve(listener)
	t.Cleanup(func() { server.Close() })
	for _, address := range []string{"unix/" + socket, "unix/" + socket + "|0220"} {
		if out, err := execute("", "status", "--address", address); err != nil || !strings.Contains(out, "Asia/Shanghai") {
			t.Errorf("%s: %v: %s", address, err, out)
		}
	}
}

func TestNobodyListens(t *testing.T) {
	t.Parallel()
	for _, args := range [][]string{{"status"}, {"topup", "acme", "1.00", "--reference", "r"}} {
		out, err := execute("", append(args, "--address", "unix/"+filepath.Join(t.TempDir(), "none.sock"))...)
		if err == nil || !strings.Contains(out, "is the gateway running?") || strings.Contains(out, "idempotency") {
			t.Errorf("%v: %v: %s", args, err, out)
		}
	}
	if out, err := execute("", "status", "--address", "127.0.0.1:1-5"); err == nil || !strings.Contains(out, "write host:port") {
		t.Errorf("a range of ports: %v: %s", err, out)
	}
}

// TestLostConnection: the gateway takes the command and dies before it answers.
func TestLostConnection(t *testing.T) {
	t.Parallel()
	s := newTranscript(t)
	api := web.NewAPI(s.gateway)
	deaf := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if origin := r.Header.Get("Origin"); origin != "http://"+r.Host {
			t.Errorf("origin %q of a request to %s: Caddy may refuse it", origin, r.Host)
		}
		api.ServeHTTP(httptest.NewRecorder(), r)
		panic(http.ErrAbortHandler)
	}))
	t.Cleanup(deaf.Close)
	address := strings.TrimPrefix(s.gateway.URL, "http://")
	if out, err := execute("", "account", "create", "acme", "--address", address); err != nil {
		t.Fatal(out, err)
	}
	topUp := []string{"topup", "acme", "5.00", "--reference", "r", "--address"}
	out, err := execute("", append(topUp, strings.TrimPrefix(deaf.URL, "http://"))...)
	key := regexp.MustCompile(`--idempotency-key ([A-Z2-7]+): it is then done once`).FindStringSubmatch(out)
	if err == nil || key == nil {
		t.Fatalf("%v: %s", err, out)
	}
	out, err = execute("", append(topUp, address, "--idempotency-key", key[1])...)
	if err != nil || !strings.Contains(out, "done before") || !strings.Contains(out, "balance is 5.00 USD") {
		t.Errorf("repeated: %v: %s", err, out)
	}
	out, err = execute("", "status", "--address", strings.TrimPrefix(deaf.URL, "http://"))
	if err == nil || strings.Contains(out, "idempotency") || !strings.Contains(out, "did not answer") {
		t.Errorf("a question: %v: %s", err, out)
	}
}

// TestNoGateway: Caddy answers, but no gateway runs in it; and somebody else
// answers.
func TestNoGateway(t *testing.T) {
	t.Parallel()
	for want, handler := range map[string]http.HandlerFunc{
		"no ledger is open": func(w http.ResponseWriter, _ *http.Request) {
			w.WriteHeader(http.StatusServiceUnavailable)
			fmt.Fprintln(w, `{"error":"no ledger is open"}`)
		},
		"is no gateway":           http.NotFound,
		"status 500: out of cake": func(w http.ResponseWriter, _ *http.Request) { http.Error(w, "out of cake", 500) },
		"not what this release":   func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, "<html>") },
	} {
		server := httptest.NewServer(handler)
		t.Cleanup(server.Close)
		out, err := execute("", "status", "--address", strings.TrimPrefix(server.URL, "http://"))
		if err == nil || !strings.Contains(out, want) {
			t.Errorf("want %q: %v: %s", want, err, out)
		}
	}
}

// TestTerminalEscapes: what customers write does not steer the terminal.
func TestTerminalEscapes(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	table(&out, "Label,>Calls", []string{"\x1b[2Jshop\n\u009b31m", "7"})
	facts(&out, "Label", "\x1b]0;x\a")
	if strings.ContainsAny(out.String(), "\x1b\x07\u009b") || strings.Count(out.String(), "\n") != 3 {
		t.Errorf("%q", out.String())
	}
}
