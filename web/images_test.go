package web_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/tallygate/tallygate/web"
	"github.com/tallygate/tallygate/web/webtest"
)

const (
	csvType    = "Content-Type: text/csv"
	ndjsonType = "Content-Type: application/x-ndjson"
	imagesOf   = "/accounts/acme/instances/products/images"
	reconcile  = "POST " + imagesOf + "/reconcile?reason=monthly+check"
)

// withImages has an instance that holds two images of a shoe, and does not know
// of a third.
func withImages(t *testing.T) *webtest.Gateway {
	t.Helper()
	g := start(t)
	open(t, g, "300.00", "acme")
	call(t, g, "POST /accounts/acme/subscriptions", `{"instance":"products","row":"s100k-1"}`, key("s")...)
	g.ChangeImages(t, "acme", "products", "add", "shoe", "front")
	g.ChangeImages(t, "acme", "products", "add", "shoe", "back")
	g.ChangeImages(t, "acme", "products", "uncertain", "shoe", "side")
	return g
}

func TestImages(t *testing.T) {
	t.Parallel()
	g := withImages(t)
	run(t, g, []step{
		{"GET " + imagesOf, "", nil, 200, []string{"images = 2", "uncertain = 1", "max_images = 100000"}},
		{"GET /accounts/acme/instances/none/images", "", nil, 404, []string{"field = instance"}},
		{"GET /accounts/acme", "", nil, 200, []string{"instances.0.images = 2", "instances.0.uncertain = 1"}},
		{reconcile, "shoe,front\r\nshoe,side\r\n\"hat, red\",front\n", []string{csvType}, 200,
			[]string{"images = 3", "added = 2", "removed = 1", "uncertain_settled = 1"}},
		{reconcile, "shoe,front\nshoe,side\n\"hat, red\",front\nshoe,front", []string{csvType}, 200, []string{"added = 0", "removed = 0", "images = 3"}},
		{reconcile, "\ufeffproduct,picture\nshoe,front\n", []string{csvType + "; header=present"}, 200, []string{"removed = 2", "images = 1"}},
		{reconcile, "product,picture\nshoe,front\n", []string{csvType + "; charset=utf-8; header=absent"}, 200, []string{"added = 1", "images = 2"}},
		{reconcile, `{"product":"shoe","picture":"front"}` + "\n\n" + `{"picture":"back","product":"shoe"}`, []string{ndjsonType}, 200,
			[]string{"added = 1", "removed = 1", "images = 2"}},
		{"GET /accounts/acme/events", "", nil, 200, []string{"events.0.kind = images-reconciled", "text ~ monthly check"}},
		{reconcile + "&empty=true", "", []string{csvType}, 200, []string{"removed = 2", "images = 0"}},
		{"GET " + imagesOf, "", nil, 200, []string{"images = 0", "uncertain = 0"}},
	})
}

// TestBadLists: what is no list that can be read in one way only changes nothing.
func TestBadLists(t *testing.T) {
	t.Parallel()
	g := withImages(t)
	huge := strings.Repeat("x", 200<<10)
	var steps []step
	for _, bad := range []struct {
		list, contentType string
		status            int
		want              string
	}{
		{"", csvType, 422, "empty=true"},
		{"", ndjsonType, 422, "empty=true"},
		{"shoe", csvType, 422, "line 1: write product,picture"},
		{"shoe,front\nshoe,front,1\n", csvType, 422, "line 2: write product,picture"},
		{"shoe,front\n,front\n", csvType, 422, "line 2: the names"},
		{"product,picture\nshoe,front\n", csvType, 422, "header=present"},
		{"shoe,front\n\"shoe,back\n", csvType, 422, "line 2"},
		{"shoe,front\n\"" + huge + "\n" + huge, csvType, 422, "line 2: an entry has more than 65536 bytes: is a quote open?"},
		{huge + ",x", csvType, 422, "line 1: an entry has more than 65536 bytes"},
		{"shoe,front\n", csvType + "; header=maybe", 415, "header=present"},
		{`{"product":"shoe"}`, ndjsonType, 422, "line 1: write"},
		{`{"product":"shoe","picture":null}`, ndjsonType, 422, "line 1: write"},
		{`{"product":"shoe","picture":"a","picture":"b"}`, ndjsonType, 422, "twice"},
		{`{"product":"shoe","picture":"a","colour":"b"}`, ndjsonType, 422, "line 1: write"},
		{`{"product":"shoe","picture":"a"}` + "\n" + `{"product":"shoe"` + "\n", ndjsonType, 422, "line 2"},
		{`{"product":"` + huge + `","picture":"b"}`, ndjsonType, 422, "line 1"},
		{"[]", "Content-Type: application/json", 415, "application/x-ndjson"},
		{"shoe,front\n", "Content-Type: text/plain", 415, "text/csv"},
		{"shoe,front\n", "Content-Type: application/x-www-form-urlencoded", 415, "text/csv"},
		{"shoe,front\n", "Content-Type: ", 415, "text/csv"},
	} {
		steps = append(steps, step{reconcile, bad.list, []string{bad.contentType}, bad.status, []string{"text ~ " + bad.want}})
	}
	run(t, g, append(steps,
		step{"POST " + imagesOf + "/reconcile", "shoe,front\n", []string{csvType}, 422, []string{"field = reason"}},
		step{"POST /accounts/acme/topups", "shoe,front\n", append(key("t"), csvType), 415, []string{"text ~ must be JSON"}},
		step{"POST /settle", "{}\n", []string{ndjsonType}, 415, nil},
		step{"GET " + imagesOf, "", nil, 200, []string{"images = 2", "uncertain = 1"}}))
	if a := call(t, g, reconcile, ""); a.status != 415 {
		t.Errorf("no type and no body: %d %s", a.status, a.text)
	}
}

// TestLongList: a list takes longer than the server lets a request, and is never
// held as a whole; one that breaks off changes nothing.
func TestLongList(t *testing.T) {
	t.Parallel()
	g := withImages(t)
	server := httptest.NewUnstartedServer(web.NewAPI(g))
	server.Config.ReadTimeout = 300 * time.Millisecond // ten seconds, on Caddy's admin endpoint
	server.Start()
	t.Cleanup(server.Close)
	send := func(end error) (int, string) {
		in, out := io.Pipe()
		go func() {
			for i := range 1_000 {
				fmt.Fprintf(out, "shoe,%d\n", i)
				if i%200 == 0 {
					time.Sleep(100 * time.Millisecond)
				}
			}
			out.CloseWithError(end)
		}()
		r, _ := http.NewRequest("POST", server.URL+web.Root+strings.TrimPrefix(reconcile, "POST "), in)
		r.Header.Set("Content-Type", "text/csv")
		response, err := http.DefaultClient.Do(r)
		if err != nil {
			return 0, err.Error()
		}
		defer response.Body.Close()
		text, _ := io.ReadAll(response.Body)
		return response.StatusCode, string(text)
	}
	if status, text := send(io.ErrUnexpectedEOF); status == 200 {
		t.Errorf("a list that broke off: %d %s", status, text)
	}
	run(t, g, []step{{"GET " + imagesOf, "", nil, 200, []string{"images = 2", "uncertain = 1"}}})
	if status, text := send(nil); status != 200 || !strings.Contains(text, `"added":1000,"removed":2`) {
		t.Errorf("a slow list: %d %s", status, text)
	}
}
