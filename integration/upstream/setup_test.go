package upstream_test

import (
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/integration/clients"
	"github.com/tallygate/tallygate/integration/upstream"
)

// service is a running upstream with its truth log.
type service struct {
	*upstream.Server
	truth string
}

func start(t testing.TB, config upstream.Config) service {
	t.Helper()
	config.Truth = filepath.Join(t.TempDir(), "truth.jsonl")
	server, err := upstream.Start(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := server.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
	})
	return service{server, config.Truth}
}

func (s service) tally(t testing.TB) upstream.Tally {
	t.Helper()
	tally, err := upstream.ReadTally(s.truth, nil)
	if err != nil {
		t.Fatal(err)
	}
	return tally
}

func (s service) recognition(t testing.TB, headers map[string]string) *clients.Recognition {
	t.Helper()
	c, err := clients.NewRecognition(clients.Config{Endpoint: s.URL(), Headers: headers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func (s service) search(t testing.TB, headers map[string]string) *clients.Search {
	t.Helper()
	c, err := clients.NewSearch(clients.Config{Endpoint: s.URL(), Headers: headers})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(c.Close)
	return c
}

func fault(words string) map[string]string { return map[string]string{"X-Sample-Fault": words} }

// post sends a plain request and gives the answer with its body read.
func post(t testing.TB, url, words, body string) (*http.Response, string, error) {
	t.Helper()
	request, err := http.NewRequest(http.MethodPost, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	request.Header.Set("X-Sample-Fault", words)
	client := &http.Client{Transport: &http.Transport{DisableCompression: true, DisableKeepAlives: true}}
	response, err := client.Do(request)
	if err != nil {
		return nil, "", err
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	return response, string(read), err
}
