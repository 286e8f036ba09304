package integration

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/harness"
	"github.com/tallygate/tallygate/integration/upstream"
)

// scene is a gateway in front of a sample upstream that keeps a truth log.
type scene struct {
	*harness.Gateway
	t      testing.TB
	up     *upstream.Server
	truth  string
	client *http.Client
}

// newScene runs the Caddyfile that ships, with a few of its lines replaced (old
// and new, in turn), on a price book; an empty one is that which ships. Without
// a test clock, the billing zone is one in which it is half past twelve.
func newScene(t testing.TB, book string, replace ...string) *scene {
	t.Helper()
	truth := filepath.Join(t.TempDir(), "truth.jsonl")
	up, err := upstream.Start(upstream.Config{Truth: truth})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { up.Close() })
	s := sceneBefore(t, up.URL(), book, replace...)
	s.up, s.truth = up, truth
	return s
}

// sceneBefore is newScene before another upstream.
func sceneBefore(t testing.TB, upstream, book string, replace ...string) *scene {
	t.Helper()
	if book == "" {
		book = shipped(t, "pricebook.yaml")
	}
	return &scene{t: t,
		Gateway: harness.Run(t, harness.Config{Caddyfile: example(t, replace...), Upstream: upstream,
			Files: map[string]string{"pricebook.yaml": book}}),
		client: &http.Client{Timeout: time.Minute, Transport: &http.Transport{MaxIdleConnsPerHost: 64}},
	}
}

// example is the shipped Caddyfile as a template for the harness.
func example(t testing.TB, replace ...string) string {
	t.Helper()
	text := shipped(t, "Caddyfile.example")
	replace = append([]string{
		"admin localhost:2019", "{{.Options}}",
		"http://127.0.0.1:8080", "http://{{.HTTP}}",
		"reverse_proxy 127.0.0.1:9000", "reverse_proxy {{.Upstream}}",
	}, replace...)
	if !strings.Contains(strings.Join(replace, ""), "test_clock") {
		replace = append(replace, "timezone +08:00", "timezone "+halfPastTwelve)
	}
	for i := 0; i < len(replace); i += 2 {
		if strings.Count(text, replace[i]) != 1 {
			t.Fatalf("Caddyfile.example has %q %d times", replace[i], strings.Count(text, replace[i]))
		}
		text = strings.Replace(text, replace[i], replace[i+1], 1)
	}
	return text
}

// halfPastTwelve is a zone where neither an hour nor a month ends soon.
var halfPastTwelve = func() string {
	now := time.Now().UTC()
	minutes := 12*60 + 30 - now.Hour()*60 - now.Minute()
	if minutes < 0 {
		return fmt.Sprintf("-%02d:%02d", -minutes/60, -minutes%60)
	}
	return fmt.Sprintf("+%02d:%02d", minutes/60, minutes%60)
}()

// testClock are the replacements that start a test clock.
func testClock(at string) (old, with string) {
	return "tallygate {", "tallygate {\n\t\ttest_clock " + at
}

func shipped(t testing.TB, name string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// restart starts the gateway again on its folder, after Stop or Kill.
func (s *scene) restart() {
	s.t.Helper()
	s.client.CloseIdleConnections()
	if err := s.Start(); err != nil {
		s.t.Fatal(err)
	}
}

// do is a call of the admin API that must be accepted.
func (s *scene) do(method, path string, body, out any) {
	s.t.Helper()
	header := http.Header{}
	if method == http.MethodPost {
		header.Set("Idempotency-Key", rand.Text())
	}
	if err := s.API(harness.Request{Method: method, Path: "/tallygate" + path, Header: header, Body: body}, out); err != nil {
		s.t.Fatalf("%s %s: %v", method, path, err)
	}
}

// refusal is the status and problem with which the admin API must refuse.
func (s *scene) refusal(method, path string, body any) (int, problem) {
	s.t.Helper()
	err := s.API(harness.Request{Method: method, Path: "/tallygate" + path, Body: body,
		Header: http.Header{"Idempotency-Key": {rand.Text()}}}, nil)
	var refused *harness.Refused
	if !errors.As(err, &refused) {
		s.t.Fatalf("%s %s: %v, want a refusal", method, path, err)
	}
	return refused.Status, problemOf([]byte(refused.Body))
}

// withEnv is the scene for a command line with more KEY=value.
func (s *scene) withEnv(env ...string) *scene {
	with := *s
	with.Gateway = s.Gateway.WithEnv(env...)
	return &with
}

// account opens an account with money on it, and gives it a key.
func (s *scene) account(id, amount string) (secret string) {
	s.t.Helper()
	s.do("POST", "/accounts", map[string]any{"account": id}, nil)
	if amount != "" {
		s.topUp(id, amount)
	}
	return s.key(id).Secret
}

type newKey struct{ Key, Secret string }

func (s *scene) key(id string) (k newKey) {
	s.t.Helper()
	s.do("POST", "/accounts/"+id+"/keys", map[string]any{"kind": "secret"}, &k)
	return k
}

func (s *scene) topUp(id, amount string) {
	s.t.Helper()
	s.do("POST", "/accounts/"+id+"/topups", map[string]any{"amount": amount, "reference": "wire"}, nil)
}

func (s *scene) subscribe(id, instance, row string) {
	s.t.Helper()
	s.do("POST", "/accounts/"+id+"/subscriptions", map[string]any{"instance": instance, "row": row}, nil)
}

// advance moves the test clock to an instant.
func (s *scene) advance(to string) {
	s.t.Helper()
	s.do("POST", "/clock/advance", map[string]any{"to": to}, nil)
}

// settle debits everything that was counted before it was called.
func (s *scene) settle() {
	s.t.Helper()
	s.do("POST", "/settle", nil, nil)
}

// call is one request through the gateway.
type call struct {
	Key    string // sent in X-Api-Key, unless empty
	Path   string
	Body   string
	Fault  string // for the upstream
	ID     string // request id, as the truth log has it
	Header map[string]string
}

// answer is what a client saw. Whole is false where the body, or all of the
// answer, was cut short.
type answer struct {
	Status int
	Header http.Header
	Body   string
	Whole  bool
}

// call makes a request. Only a request that cannot be made fails the test, so
// it may be called from any goroutine.
func (s *scene) call(c call) (a answer) {
	request, err := http.NewRequest(http.MethodPost, s.URL()+c.Path, strings.NewReader(c.Body))
	if err != nil {
		s.t.Error(err)
		return a
	}
	for name, value := range map[string]string{"X-Api-Key": c.Key, "X-Sample-Fault": c.Fault, "X-Request-Id": c.ID} {
		if value != "" {
			request.Header.Set(name, value)
		}
	}
	for name, value := range c.Header {
		request.Header.Set(name, value)
	}
	response, err := s.client.Do(request)
	if err != nil {
		return a
	}
	defer response.Body.Close()
	var body bytes.Buffer
	_, err = io.Copy(&body, response.Body)
	return answer{response.StatusCode, response.Header, body.String(), err == nil}
}

// get is the body at an address.
func (s *scene) get(url string) string {
	s.t.Helper()
	response, err := s.client.Get(url)
	if err != nil {
		s.t.Fatal(err)
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK {
		s.t.Fatalf("%s: %s, %v: %s", url, response.Status, err, body)
	}
	return string(body)
}

// tag is a canned call of image tagging: a success that costs little.
func tag(account, key string) call {
	return call{Key: key, Path: "/v2/" + account + "/image/tagging", Fault: "canned"}
}

// problem is a refusal of the gateway or of its API.
type problem struct {
	Type, Title, Detail, Field string
	Status                     int
	RefusalID                  string `json:"refusal_id"`
}

func problemOf(body []byte) (p problem) {
	_ = json.Unmarshal(body, &p) // what is none stays empty
	return p
}

// reason is the word that names a refusal, empty for an answer of the upstream.
func (a answer) reason() string {
	word, ok := strings.CutPrefix(problemOf([]byte(a.Body)).Type, "urn:tallygate:problem:")
	if !ok || !a.Whole {
		return ""
	}
	return word
}

// eventually waits for a condition, and fails the test after a while.
func eventually(t testing.TB, what string, within time.Duration, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(within); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s: not within %s", what, within)
		}
	}
}
