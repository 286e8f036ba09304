package integration

import (
	"bytes"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
)

// recorder is an upstream that answers {} and keeps what it was sent.
type recorder struct {
	*httptest.Server
	mu   sync.Mutex
	sent bytes.Buffer
}

func newRecorder(t *testing.T) *recorder {
	r := &recorder{}
	r.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, request *http.Request) {
		dump, err := httputil.DumpRequest(request, true)
		if err != nil {
			t.Error(err)
		}
		r.mu.Lock()
		r.sent.Write(dump)
		r.mu.Unlock()
		if request.Header.Get("X-Sample-Fault") == "hangup" {
			panic(http.ErrAbortHandler)
		}
		w.Write([]byte("{}"))
	}))
	t.Cleanup(r.Close)
	return r
}

func (r *recorder) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.sent.String()
}

// uncommented is the part of the shipped Caddyfile that the operator is to
// uncomment for an access log, as it is there and without its comment signs.
func uncommented(t *testing.T) (old, with string) {
	t.Helper()
	text := shipped(t, "Caddyfile.example")
	from := strings.Index(text, "\t# log {")
	to := strings.Index(text, "\n\t# }\n")
	if from < 0 || to < from {
		t.Fatal("Caddyfile.example has no commented log block")
	}
	old = text[from : to+len("\n\t# }\n")]
	return old, strings.ReplaceAll(old, "\t# ", "\t")
}

// allKeys takes keys from everywhere. Its user "sun" has the password "moon".
const allKeys = `key header X-Api-Key
		key bearer
		key query api_key
		key placeholder {http.auth.user.id}`

const basicAuth = `@basic header Authorization Basic*
	basic_auth @basic {
		sun $2a$04$O2/xxnqU3Bh6STX5Sto8p.GooacUg6P2hPts/9Ky6oWacBaZQ8zPi
	}

	meter {`

// TestKeys identifies calls in every way there is, and looks for the keys
// everywhere they must not be.
func TestKeys(t *testing.T) {
	t.Parallel()
	up := newRecorder(t)
	log, withLog := uncommented(t)
	s := sceneBefore(t, up.URL, "", log, withLog, "key header X-Api-Key\n", allKeys+"\n",
		"\n\tmeter {", "\n\t"+basicAuth)
	s.do("POST", "/accounts", map[string]any{"account": "acme"}, nil)
	s.do("POST", "/accounts/acme/keys", map[string]any{"kind": "identity", "value": "sun"}, nil)
	secrets := []string{s.key("acme").Secret, s.key("acme").Secret, s.key("acme").Secret, "own-secret-0123456789"}
	s.do("POST", "/accounts/acme/keys", map[string]any{"kind": "secret", "value": secrets[3]}, nil)

	ways := map[string]call{
		"header":      {Key: secrets[0], Path: "/v2/p/image/tagging"},
		"bearer":      {Path: "/v2/p/image/tagging", Header: map[string]string{"Authorization": "Bearer " + secrets[1]}},
		"query":       {Path: "/v2/p/image/tagging?a=1&api_key=" + secrets[2] + "&b=2"},
		"placeholder": {Path: "/v2/p/image/tagging", Header: map[string]string{"Authorization": "Basic c3VuOm1vb24="}},
		"customer's":  {Key: secrets[3], Path: "/v2/p/image/tagging"},
		"all of them": {Key: secrets[0], Path: "/v2/p/image/tagging?api_key=" + secrets[2], Header: map[string]string{"Authorization": "Bearer " + secrets[1]}},
	}
	for way, c := range ways {
		if a := s.call(c); a.Status != http.StatusOK {
			t.Errorf("%s: %d %s", way, a.Status, a.Body)
		}
	}
	if n := s.usage("acme").counted()[tagging]; n != int64(len(ways)) {
		t.Errorf("%d calls were counted, want %d", n, len(ways))
	}
	failing := ways["all of them"]
	failing.Fault = "hangup" // so that the error log tells of the request, too
	if a := s.call(failing); a.Status != http.StatusBadGateway || !strings.Contains(s.Log(), "http.log.error") {
		t.Errorf("an upstream that hangs up: %d %s", a.Status, a.Body)
	}
	for _, c := range []call{{Key: "sun"}, {Path: "?api_key=sun"}, {Header: map[string]string{"Authorization": "Bearer sun"}}} {
		c.Path = "/v2/p/image/tagging" + c.Path
		if a := s.call(c); a.reason() != "unauthenticated" {
			t.Errorf("the name of an identity passes as a secret: %d %s", a.Status, a.Body)
		}
	}
	if !strings.Contains(up.text(), "/v2/p/image/tagging?a=1&b=2") {
		t.Error("the rest of the query was not forwarded as it was")
	}
	if !strings.Contains(s.Log(), "handled request") {
		t.Error("there is no access log")
	}
	places := map[string]string{"the upstream": up.text(), "the log": s.Log(), "/config/": s.get("http://" + s.Admin + "/config/")}
	for i, secret := range secrets {
		for place, text := range places {
			if at := strings.Index(text, secret); at >= 0 {
				t.Errorf("secret %d is in what %s got: …%s", i, place, text[max(0, at-300):at])
			}
		}
	}
	if err := s.Stop(); err != nil {
		t.Fatal(err)
	}
	searchFiles(t, s.Dir, secrets)
}

// searchFiles looks for secrets in every file below a folder.
func searchFiles(t *testing.T, dir string, secrets []string) {
	t.Helper()
	files := 0
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || entry.Name() == "gateway.log" {
			return err
		}
		files++
		content, err := os.ReadFile(path)
		for i, secret := range secrets {
			if bytes.Contains(content, []byte(secret)) {
				t.Errorf("secret %d is in %s", i, path)
			}
		}
		return err
	})
	if err != nil || files < 5 {
		t.Fatalf("%d files were read: %v", files, err)
	}
}

// TestRevokedKey is refused at once, and as one that never was.
func TestRevokedKey(t *testing.T) {
	t.Parallel()
	s := newScene(t, "")
	s.account("acme", "")
	unknown := refusalText(s.call(tag("acme", "tg_"+strings.Repeat("a", 52))))
	for range 20 {
		k := s.key("acme")
		if a := s.call(tag("acme", k.Secret)); a.Status != http.StatusOK {
			t.Fatalf("a new key: %d %s", a.Status, a.Body)
		}
		s.do("DELETE", "/accounts/acme/keys/"+k.Key, nil, nil)
		a := s.call(tag("acme", k.Secret))
		if got := refusalText(a); a.Status != http.StatusUnauthorized || got != unknown {
			t.Fatalf("a revoked key is told\n%s\nan unknown one\n%s", got, unknown)
		}
	}
	if got := refusalText(s.call(tag("acme", ""))); got != unknown {
		t.Errorf("no key is told\n%s\nan unknown one\n%s", got, unknown)
	}
	if n := s.usage("acme").counted()[tagging]; n != 20 {
		t.Errorf("%d calls were counted, want 20", n)
	}
}

// refusalText is all that tells one refusal from another, but for its id.
func refusalText(a answer) string {
	var text strings.Builder
	header := a.Header.Clone()
	header.Del("Date")
	if err := header.Write(&text); err != nil {
		return err.Error()
	}
	id := problemOf([]byte(a.Body)).RefusalID
	return text.String() + strings.Replace(a.Body, id, strings.Repeat("x", len(id)), 1)
}

// TestKeysChangeHands: a key is one account's at a time, across kills.
func TestKeysChangeHands(t *testing.T) {
	t.Parallel()
	s := newScene(t, "")
	s.account("one", "")
	s.account("two", "")
	give := func(account string) (k newKey) {
		t.Helper()
		s.do("POST", "/accounts/"+account+"/keys", map[string]any{"kind": "secret", "value": "shared-by-hand"}, &k)
		return k
	}
	calls := map[string]int64{}
	for round := range 3 {
		for _, account := range []string{"one", "two"} {
			k := give(account)
			for _, other := range []string{"one", "two"} {
				for _, kind := range []string{"secret", "identity", "access-key-id"} {
					if status, p := s.refusal("POST", "/accounts/"+other+"/keys", map[string]any{"kind": kind, "value": "shared-by-hand"}); status != http.StatusConflict {
						t.Errorf("round %d: %s gets the key of %s as %s: %d %+v", round, other, account, kind, status, p)
					}
				}
			}
			if round > 0 {
				s.Kill()
				s.restart()
			}
			if a := s.call(tag("p", "shared-by-hand")); a.Status != http.StatusOK {
				t.Errorf("round %d: %d %s", round, a.Status, a.Body)
			}
			calls[account]++
			s.do("DELETE", "/accounts/"+account+"/keys/"+k.Key, nil, nil)
			if round > 1 {
				s.Kill()
				s.restart()
			}
			if a := s.call(tag("p", "shared-by-hand")); a.reason() != "unauthenticated" {
				t.Errorf("round %d: %d %s", round, a.Status, a.Body)
			}
		}
	}
	for account, n := range calls {
		if got := s.usage(account).counted()[tagging]; got != n {
			t.Errorf("%s has %d calls, want %d", account, got, n)
		}
	}
}
