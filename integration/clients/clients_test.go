package clients_test

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tallygate/tallygate/integration/clients"
	"github.com/tallygate/tallygate/integration/pictures"
)

// A gateway's refusal: one body with the members of both vendors.
const refusal = `{"type":"about:blank","title":"Too many requests","status":429,
	"error_code":"rate-limited","error_msg":"wait","Code":"rate-limited","Message":"wait"}`

func both(t *testing.T, handler http.HandlerFunc, config clients.Config) map[string]clients.Outcome {
	t.Helper()
	server := httptest.NewServer(handler)
	t.Cleanup(server.Close)
	config.Endpoint = server.URL
	recognition, err := clients.NewRecognition(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(recognition.Close)
	search, err := clients.NewSearch(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(search.Close)
	file := pictures.PNG(pictures.Solid(20, 20, pictures.Red))
	_, tagged := recognition.Tag(file, clients.TagOptions{})
	return map[string]clients.Outcome{"recognition": tagged, "search": search.Add("shop", "p", "n", file)}
}

func TestSDKsShowARefusal(t *testing.T) {
	t.Parallel()
	outcomes := both(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/problem+json")
		w.WriteHeader(http.StatusTooManyRequests)
		w.Write([]byte(refusal))
	}, clients.Config{})
	for name, o := range outcomes {
		if o.OK || o.Status != 429 || o.Code != "rate-limited" || o.Message != "wait" || o.Err == nil {
			t.Errorf("%s shows %v", name, o)
		}
	}
}

func TestWhatSDKsSend(t *testing.T) {
	t.Parallel()
	both(t, func(w http.ResponseWriter, r *http.Request) {
		want := "SDK-HMAC-SHA256 Access=AK1, "
		if strings.HasPrefix(r.URL.Path, "/v2/image/") {
			want = "acs AK1:"
		}
		if got := r.Header.Get("Authorization"); !strings.HasPrefix(got, want) {
			t.Errorf("%s: Authorization %q, want %q", r.URL.Path, got, want)
		}
		if r.Header.Get("X-Api-Key") != "secret" {
			t.Errorf("%s: the header of the configuration is missing", r.URL.Path)
		}
		if want == "acs AK1:" {
			if err := r.ParseForm(); err != nil || r.PostForm.Get("ProductId") != "p" || r.PostForm.Get("PicContent") == "" {
				t.Errorf("%s: %v %v", r.URL.Path, err, r.PostForm)
			}
		} else if body := (struct{ Image string }{}); json.NewDecoder(r.Body).Decode(&body) != nil || body.Image == "" {
			t.Errorf("%s: no image in the body", r.URL.Path)
		}
	}, clients.Config{AccessKey: "AK1", Headers: map[string]string{"X-Api-Key": "secret"}})
}

func TestNobodyThere(t *testing.T) {
	t.Parallel()
	config := clients.Config{Endpoint: "http://127.0.0.1:1"}
	recognition, err := clients.NewRecognition(config)
	if err != nil {
		t.Fatal(err)
	}
	search, err := clients.NewSearch(config)
	if err != nil {
		t.Fatal(err)
	}
	_, tagged := recognition.Tag(nil, clients.TagOptions{})
	_, found := search.Search("shop", nil, 1)
	for _, o := range []clients.Outcome{tagged, found, search.Delete("shop", "p", "")} {
		if o.OK || o.Status != 0 || o.Err == nil || o.Message == "" {
			t.Errorf("%+v", o)
		}
	}
}
