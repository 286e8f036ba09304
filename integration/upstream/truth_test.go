package upstream_test

import (
	"encoding/base64"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/tallygate/tallygate/integration/clients"
	"github.com/tallygate/tallygate/integration/upstream"
)

func encoded(file []byte) string { return base64.StdEncoding.EncodeToString(file) }

// Every call that the SDKs report as good is a success in the truth log, and
// no other is, whatever mixture of faults runs at once.
func TestTruthIsWhatClientsSaw(t *testing.T) {
	t.Parallel()
	s := start(t, upstream.Config{})
	faults := []string{"", "", "", "error-in-200", "status=500", "status=429", "truncate",
		"truncate-chunked", "chunked", "hangup", "canned", "null-error"}
	seed := rand.Uint64()
	t.Logf("seed %d", seed)

	var mu sync.Mutex
	seen := map[string]int{}
	var group sync.WaitGroup
	for worker := range 4 {
		group.Go(func() {
			random := rand.New(rand.NewPCG(seed, uint64(worker)))
			for i := range 25 {
				headers := fault(faults[random.IntN(len(faults))])
				headers["X-Request-Id"] = fmt.Sprintf("%d-%d", worker, i)
				operation, o := oneCall(t, s, headers, random.IntN(4), i)
				if o.OK {
					mu.Lock()
					seen[operation]++
					mu.Unlock()
				}
			}
		})
	}
	group.Wait()
	if got := s.tally(t).Success; fmt.Sprint(got) != fmt.Sprint(seen) {
		t.Errorf("truth log %v, clients %v", got, seen)
	}
	ids := map[string]bool{}
	for e, err := range upstream.Truth(s.truth) {
		if err != nil || ids[e.RequestID] {
			t.Fatalf("%v, or %q twice", err, e.RequestID)
		}
		ids[e.RequestID] = true
	}
	if len(ids) != 100 {
		t.Errorf("%d calls in the truth log, want 100", len(ids))
	}
}

func oneCall(t *testing.T, s service, headers map[string]string, kind, n int) (operation string, o clients.Outcome) {
	name := fmt.Sprintf("picture-%d", n)
	switch kind {
	case 0:
		_, o = s.recognition(t, headers).Tag(red, clients.TagOptions{})
		return "recognition/image-tagging", o
	case 1:
		return "search/add", s.search(t, headers).Add("shop", "product", name, red)
	case 2:
		return "search/delete", s.search(t, headers).Delete("shop", "product", name)
	}
	_, o = s.search(t, headers).Search("shop", red, 5)
	return "search/search", o
}

func TestTruthNamesInstanceAndProject(t *testing.T) {
	t.Parallel()
	s := start(t, upstream.Config{})
	s.search(t, nil).Add("shop", "p", "n", red)
	s.recognition(t, nil).Tag(red, clients.TagOptions{})
	for name, keep := range map[string]func(upstream.Entry) bool{
		"instance": func(e upstream.Entry) bool { return e.Instance == "shop" },
		"project":  func(e upstream.Entry) bool { return e.Project == "test-project" },
	} {
		if tally, err := upstream.ReadTally(s.truth, keep); err != nil || tally.Successes() != 1 {
			t.Errorf("%s: %+v %v", name, tally, err)
		}
	}
}

// A line that a kill cut short costs no other line.
func TestTruthSurvivesATornLine(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "truth.jsonl")
	torn := `{"operation":"search/add","success":true}` + "\n" + `{"operation":"search/add","succ`
	if err := os.WriteFile(path, []byte(torn), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		server, err := upstream.Start(upstream.Config{Truth: path})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := post(t, server.URL()+"/v2/image/add", "canned", ""); err != nil {
			t.Fatal(err)
		}
		server.Close()
	}
	if tally, err := upstream.ReadTally(path, nil); err != nil || tally.Success["search/add"] != 3 {
		t.Errorf("%+v %v, want 3 successes", tally, err)
	}
}

// The log is the upper bound: if it cannot be written, no success leaves.
func TestNoSuccessWithoutTruth(t *testing.T) {
	t.Parallel()
	server, err := upstream.Start(upstream.Config{Truth: "/dev/full"})
	if err != nil {
		t.Fatal(err)
	}
	defer server.Close()
	response, body, err := post(t, server.URL()+"/v2/image/add", "canned", "")
	if err != nil || response.StatusCode != http.StatusInternalServerError || !strings.Contains(body, "truth log") {
		t.Errorf("%v %v %s", err, response, body)
	}
}

// Whoever has seen the header of a success finds it in the truth log.
func TestTruthComesBeforeTheHeader(t *testing.T) {
	t.Parallel()
	s := start(t, upstream.Config{})
	request, err := http.NewRequest(http.MethodPost, s.URL()+"/v2/image/add?sample_fault=canned,slow-body=1h", nil)
	if err != nil {
		t.Fatal(err)
	}
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil || response.StatusCode != 200 {
		t.Fatal(err, response)
	}
	defer response.Body.Close()
	if n := s.tally(t).Success["search/add"]; n != 1 {
		t.Errorf("%d successes in the truth log, want 1", n)
	}
}

func BenchmarkTagging(b *testing.B) {
	for _, words := range []string{"", "canned"} {
		b.Run("fault="+words, func(b *testing.B) {
			s := start(b, upstream.Config{})
			body := `{"image":"` + encoded(red) + `"}`
			client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 64}}
			b.RunParallel(func(pb *testing.PB) {
				for pb.Next() {
					request, _ := http.NewRequest(http.MethodPost, s.URL()+"/v2/p/image/tagging", strings.NewReader(body))
					request.Header.Set("X-Sample-Fault", words)
					response, err := client.Do(request)
					if err != nil || response.StatusCode != 200 {
						b.Error(err, response)
						return
					}
					io.Copy(io.Discard, response.Body)
					response.Body.Close()
				}
			})
		})
	}
}
