package caddymodule

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tallygate/tallygate/account"
	"github.com/tallygate/tallygate/meter"
)

// doras is an account with two search instances: a for 2 images, b for many.
var doras = meter.View{Number: dora,
	Instances: []meter.Instance{{Name: "a", ID: 1}, {Name: "b", ID: 2}},
	Subscriptions: []meter.Subscription{
		{Number: 1, Instance: "a", End: 1 << 62, Limits: [3]uint32{1000, 1000, 1000}, MaxImages: 2},
		{Number: 2, Instance: "b", End: 1 << 62, Limits: [3]uint32{1000, 1000, 1000}, MaxImages: 1000}}}

// imageSet is a ledger's sets of images, in memory.
type imageSet struct {
	mu        sync.Mutex
	images    map[account.Image]bool
	uncertain int64
	failing   bool
}

func (s *imageSet) HasImage(i account.Image) (bool, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.images[i], nil
}

func (s *imageSet) ChangeImages(c account.ImageChange) (images, uncertain int64, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.failing {
		return 0, 0, errors.New("disk full")
	}
	if s.images == nil {
		s.images = make(map[account.Image]bool)
	}
	switch c.Kind {
	case account.ImageAdded:
		s.images[c.Image] = true
	case account.ImageUncertain:
		s.uncertain++
	default:
		for i := range s.images {
			if i.Instance == c.Instance && i.Product == c.Product && (c.Kind == account.ProductDeleted || i.Picture == c.Picture) {
				delete(s.images, i)
			}
		}
	}
	for i := range s.images {
		if i.Instance == c.Instance {
			images++
		}
	}
	return images, s.uncertain, nil
}

// has lists the images of instance a or b that are among product/picture.
func (s *imageSet) has(instance string, among ...string) (found []string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := map[string]uint32{"a": 1, "b": 2}[instance]
	for _, name := range among {
		product, picture, _ := strings.Cut(name, "/")
		if s.images[account.Image{Account: dora, Instance: id, Product: meter.NameOf(product).Hash, Picture: meter.NameOf(picture).Hash}] {
			found = append(found, name)
		}
	}
	return found
}

// shopMeter is a meter that reads names at these places.
func shopMeter(instance, images string) string {
	return `meter {
	key header X-Api-Key
	operation shop/add    POST /add
	operation shop/delete POST /delete
	operation shop/search POST /search
	success shop/* {
		member Success not false
	}
	` + instance + `
	images shop/* {
		` + images + `
		buffer 64KiB
		wait 100ms
	}
}`
}

const (
	byForm = "instance shop/* form InstanceName {\nprefix 1KiB\n}"
	inForm = "product form ProductId\npicture form PicName"
)

// shopUpstream reads the whole request and answers what X-Answer says.
func shopUpstream(w http.ResponseWriter, r *http.Request) {
	if _, err := io.Copy(io.Discard, r.Body); err != nil {
		panic(http.ErrAbortHandler)
	}
	answer := r.Header.Get("X-Answer")
	if answer == "" {
		answer = `{"Success":true}`
	}
	io.WriteString(w, answer)
}

func shop(t *testing.T, upstream http.HandlerFunc) *site {
	return serve(t, shopMeter(byForm, inForm), "reverse_proxy "+newUpstream(t, upstream))
}

const formType = "application/x-www-form-urlencoded"

// send posts a form as dora, and checks the status.
func (s *site) send(t *testing.T, path, body string, want int, headers ...string) *http.Response {
	t.Helper()
	res, got := s.do(t, "POST", path, body, append([]string{"X-Api-Key", "dora", "Content-Type", formType}, headers...)...)
	if res.StatusCode != want {
		t.Fatalf("%s %.200s: %s %s, want %d", path, body, res.Status, got, want)
	}
	return res
}

var bigPicture = base64.StdEncoding.EncodeToString(bytes.Repeat([]byte{0xff, 0xd8, 0x00}, 1<<19)) // 2 MiB

// TestVendorsForm: fields as the vendor's client orders them, the names behind
// two megabytes of picture.
func TestVendorsForm(t *testing.T) {
	form := "InstanceName=b&PicContent=" + url.QueryEscape(bigPicture) + "&PicName=dog.jpg&ProductId=p%201"
	got := make(chan string, 1)
	s := shop(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		got <- string(body)
		io.WriteString(w, `{"Success":true}`)
	})
	s.send(t, "/add", form, 200)
	if body := <-got; body != form {
		t.Errorf("%d bytes arrived of %d", len(body), len(form))
	}
	if s.set.has("b", "p 1/dog.jpg") == nil || len(s.set.images) != 1 || s.set.uncertain != 0 {
		t.Errorf("%v", s.set.images)
	}
	s.send(t, "/search", "InstanceName=b&PicContent="+url.QueryEscape(bigPicture), 200)
	<-got
	s.expect(t, dora, map[string]int{"subscription": 2})
}

// TestPlacesOfNames: all the places where names may stand (D38).
func TestPlacesOfNames(t *testing.T) {
	var parts bytes.Buffer
	multi := multipart.NewWriter(&parts)
	multi.WriteField("InstanceName", "b")
	file, _ := multi.CreateFormFile("PicContent", "x.jpg")
	file.Write(bytes.Repeat([]byte("\r\n--x"), 10_000))
	multi.WriteField("PicName", "pic")
	multi.WriteField("ProductId", "prod")
	multi.Close()
	for name, c := range map[string]struct {
		instance, images, path, body string
		headers                      []string
	}{
		"form":      {byForm, inForm, "/add", "InstanceName=b&PicName=pic&ProductId=prod", nil},
		"multipart": {byForm, inForm, "/add", parts.String(), []string{"Content-Type", multi.FormDataContentType()}},
		"json": {"instance shop/* json instance", "product json product\npicture json picture", "/add",
			`{"instance":"b","content":"` + bigPicture + `","product":"prod","picture":"pic"}`, []string{"Content-Type", "application/json; charset=utf-8"}},
		"query":  {"instance shop/* query i", "product query p\npicture query n", "/add?i=b&p=prod&n=pic", "whatever", []string{"Content-Type", "image/jpeg"}},
		"header": {"instance shop/* header x-instance", "product header x-product\npicture header x-picture", "/add", "whatever", []string{"X-Instance", "b", "X-Product", "prod", "X-Picture", "pic"}},
		"mixed":  {"instance shop/* header X-Instance", "product form ProductId\npicture query pic", "/add?pic=pic", "ProductId=prod", []string{"X-Instance", "b"}},
	} {
		t.Run(name, func(t *testing.T) {
			s := serve(t, shopMeter(c.instance, c.images), "reverse_proxy "+newUpstream(t, shopUpstream))
			s.send(t, c.path, c.body, 200, c.headers...)
			if s.set.has("b", "prod/pic") == nil || len(s.set.images) != 1 || s.set.uncertain != 0 {
				t.Errorf("%v, %d uncertain", s.set.images, s.set.uncertain)
			}
			s.expect(t, dora, map[string]int{"subscription": 1})
		})
	}
}

// TestInstanceInTheBody: B is never served on A's plan (D38).
func TestInstanceInTheBody(t *testing.T) {
	served := make(chan string, 100)
	s := shop(t, func(w http.ResponseWriter, r *http.Request) {
		served <- r.PostFormValue("InstanceName")
		io.WriteString(w, `{"Success":true}`)
	})
	pad := strings.Repeat("x", 2000)
	for _, c := range []struct {
		what, key, path, body string
		status                int
		headers               []string
	}{
		{"its own", "dora", "/search", "InstanceName=a&PicContent=" + pad, 200, nil},
		{"the key's own", "dora-a", "/search", "x=1&InstanceName=a", 200, nil},
		{"none, and the key has one", "dora-a", "/search", "x=1", 200, nil},
		{"no body, and the key has one", "dora-a", "/search", "", 200, nil},
		{"another instance of the account", "dora-a", "/search", "InstanceName=b", 403, nil},
		{"nobody's", "dora", "/search", "InstanceName=c", 403, nil},
		{"none of two", "dora", "/search", "x=1", 403, nil},
		{"twice", "dora", "/search", "InstanceName=a&InstanceName=b", 403, nil},
		{"twice the same", "dora-a", "/search", "InstanceName=a&InstanceName=a", 403, nil},
		{"in another case", "dora-a", "/search", "InstanceName=a&instancename=b", 403, nil},
		{"too far back", "dora-a", "/search", "PicContent=" + pad + "&InstanceName=a", 403, nil},
		{"beside the query", "dora-a", "/search?InstanceName=b", "InstanceName=a", 403, nil},
		{"compressed", "dora-a", "/search", "InstanceName=a", 403, []string{"Content-Encoding", "gzip"}},
		{"not compressed", "dora-a", "/search", "InstanceName=a", 200, []string{"Content-Encoding", "identity"}},
		{"another type", "dora-a", "/search", "InstanceName=a", 403, []string{"Content-Type", "text/plain"}},
		{"no type", "dora-a", "/search", "InstanceName=a", 403, []string{"Content-Type", ""}},
		{"another character set", "dora-a", "/search", "InstanceName=a", 403, []string{"Content-Type", formType + "; charset=utf-7"}},
		{"the product twice", "dora", "/add", "InstanceName=b&ProductId=p&ProductId=q", 403, nil},
	} {
		t.Run(c.what, func(t *testing.T) {
			before := s.counts(dora)["wrong-instance"]
			s.send(t, c.path, c.body, c.status, append([]string{"X-Api-Key", c.key}, c.headers...)...)
			if c.status == 200 {
				if got := <-served; got == "b" {
					t.Error("instance b was served")
				}
			} else if n := s.counts(dora)["wrong-instance"] - before; n != 1 || len(served) > 0 {
				t.Errorf("refused %d times, forwarded %d times", n, len(served))
			}
		})
	}
}

// TestInstanceInTheQueryAndAForm: what the query names, a form must not name as
// well, or the upstream may believe that.
func TestInstanceInTheQueryAndAForm(t *testing.T) {
	served := make(chan string, 10)
	s := serve(t, shopMeter("instance shop/* query i", "product query p\npicture query n"), "reverse_proxy "+newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		served <- r.FormValue("i")
		io.WriteString(w, `{"Success":true}`)
	}))
	for _, c := range []struct {
		path, contentType, body string
		status                  int
	}{
		{"/search?i=a", formType, "x=1", 200},
		{"/search?i=a", "", "i=b", 200}, // which nobody takes for a form
		{"/search?i=a", "application/octet-stream", "i=b", 200},
		{"/search?i=a", formType, "x=1&i=b", 502},
		{"/search?i=a", formType, "I[]=b", 502},
		{"/search?i=a", formType + "; charset=utf-16", "x=1", 403},
		{"/search?i=a", "multipart/form-data; boundary=X", "--X\r\nContent-Disposition: form-data; name=i\r\n\r\nb\r\n--X--", 502},
		{"/add?i=a&p=p&n=1", formType, "x=1&p=q", 502},
		{"/add?i=a&p=p&n=1", formType, "x=1", 200},
	} {
		s.send(t, c.path, c.body, c.status, "Content-Type", c.contentType)
		for len(served) > 0 {
			if got := <-served; c.status == 200 && got != "a" {
				t.Errorf("%s %q: %q was served", c.path, c.body, got)
			}
		}
	}
	s.expect(t, dora, map[string]int{"subscription": 4, "failed-upstream": 4, "wrong-instance": 1})
	if s.set.has("a", "p/1") == nil || len(s.set.images) != 1 {
		t.Errorf("%v", s.set.images)
	}
}

// TestNamesThatAreNotForwarded: a header field that the client declares to be for
// this connection only does not reach the upstream, so it names nothing.
func TestNamesThatAreNotForwarded(t *testing.T) {
	served := make(chan http.Header, 10)
	up := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		served <- r.Header
		io.WriteString(w, `{"Success":true}`)
	})
	for _, c := range []struct{ instance, images, headers, body string }{
		{"instance shop/* header X-Instance", "product header X-Product", "X-Instance: a\r\nX-Product: p\r\nConnection: close, x-instance", ""},
		{"instance shop/* header X-Instance", "product header X-Product", "X-Instance: a\r\nX-Product: p\r\nConnection: close\r\nConnection:\tX-Product ,y", ""},
		{byForm, inForm, "Content-Type: " + formType + "\r\nConnection: close, Content-Type", "InstanceName=a&ProductId=p"},
		{"instance shop/* query i", "product query p", "Content-Type: " + formType + "\r\nConnection: close, Content-Type", "x=1"},
	} {
		s := serve(t, shopMeter(c.instance, c.images), "reverse_proxy "+up)
		conn := s.raw(t, fmt.Sprintf("POST /add?%s HTTP/1.1\r\nHost: x\r\nX-Api-Key: dora\r\n%s\r\nContent-Length: %d\r\n\r\n%s",
			map[bool]string{true: "i=a&p=p"}[c.body == "x=1"], c.headers, len(c.body), c.body))
		answer, err := io.ReadAll(conn)
		if err != nil || !bytes.HasPrefix(answer, []byte("HTTP/1.1 403 ")) || len(served) > 0 {
			t.Errorf("%q: %.100s, %v, forwarded %v", c.headers, answer, err, len(served) > 0)
		}
		for len(served) > 0 {
			t.Log(<-served)
		}
	}
}

// TestSecondNameFarBack: once the call is under way, a body that names something
// else never arrives whole, and the call never counts.
func TestSecondNameFarBack(t *testing.T) {
	for _, c := range []struct {
		path, second string
		answerEarly  bool
	}{
		{"/search", "&InstanceName=a", false},
		{"/search", "&InstanceName=a", true},
		{"/add", "&InstanceName=a", false},
		{"/add", "&ProductId=q", false},
		{"/add", "&pRODUCTiD=q", false},
		{"/add", "&x=1;InstanceName=a", false},
	} {
		for _, chunked := range []bool{false, true} {
			arrived := make(chan error, 1)
			s := shop(t, func(w http.ResponseWriter, r *http.Request) {
				if c.answerEarly {
					http.NewResponseController(w).EnableFullDuplex()
					io.WriteString(w, `{"Success":true`)
					w.(http.Flusher).Flush()
				}
				body, err := io.ReadAll(r.Body)
				if bytes.Contains(body, []byte(c.second)) {
					t.Errorf("%s%s went through", c.path, c.second)
				}
				arrived <- err
				io.WriteString(w, `}`)
			})
			body := io.Reader(strings.NewReader("InstanceName=b&ProductId=p&PicContent=" + bigPicture[:200_000] + c.second))
			if chunked {
				body = io.MultiReader(body)
			}
			res, err := http.DefaultTransport.RoundTrip(s.request(t, "POST", c.path, body, "X-Api-Key", "dora", "Content-Type", formType))
			if err == nil {
				io.Copy(io.Discard, res.Body)
				res.Body.Close()
			}
			if err := <-arrived; err == nil {
				t.Errorf("%s%s, chunked %t: the upstream has the whole body", c.path, c.second, chunked)
			}
			eventually(t, func() string {
				got := s.counts(dora)
				if got["subscription"] > 0 {
					t.Fatalf("%s%s, chunked %t, early %t: counted", c.path, c.second, chunked, c.answerEarly)
				}
				if got["failed-upstream"]+got["failed-truncated"]+got["failed-not-json"] != 1 {
					return fmt.Sprint(got)
				}
				return ""
			})
			if len(s.set.images) != 0 || s.set.uncertain != 0 {
				t.Errorf("the set changed: %v", s.set.images)
			}
		}
	}
}

// TestImageCapacity: at the cap a new image is refused and an overwrite passes
// (D28).
func TestImageCapacity(t *testing.T) {
	s := shop(t, shopUpstream)
	add := func(rest string, want int, headers ...string) *http.Response {
		t.Helper()
		return s.send(t, "/add", "InstanceName=a&PicContent="+strings.Repeat("x", 20_000)+rest, want, headers...)
	}
	add("&PicName=1&ProductId=p", 200, "X-Answer", `{"Success":false}`)
	if len(s.set.images) != 0 {
		t.Error("a failed add changed the set")
	}
	add("&PicName=1&ProductId=p", 200)
	add("&PicName=2&ProductId=p", 200)
	if res := add("&PicName=3&ProductId=p", 403); res.Header.Get("Content-Type") != "application/problem+json" {
		t.Error(res.Header)
	}
	add("&PicName=2&ProductId=p", 200)
	add("&PicContent2="+strings.Repeat("x", 50_000)+"&PicName=2&ProductId=p", 403) // more than the buffer
	add("&PicName=2&ProductId=p&PicName=1", 403)                                   // whichever it is
	s.send(t, "/delete", "InstanceName=a&ProductId=p&PicName=none", 200)
	add("&PicName=3&ProductId=p", 403)
	s.send(t, "/delete", "InstanceName=a&ProductId=p&PicName=1", 200)
	add("&PicName=3&ProductId=p", 200)
	s.send(t, "/delete", "InstanceName=a&ProductId=p", 200, "X-Answer", `{"Success":false}`)
	if got := s.set.has("a", "p/1", "p/2", "p/3"); len(got) != 2 {
		t.Error(got)
	}
	s.send(t, "/delete", "InstanceName=a&ProductId=p&PicName=", 200)
	if got := s.set.has("a", "p/1", "p/2", "p/3"); got != nil {
		t.Error(got)
	}
	s.send(t, "/delete", "InstanceName=a&x="+strings.Repeat("x", 70_000)+"&ProductId=p", 403)
	s.expect(t, dora, map[string]int{"subscription": 7, "failed-body": 2, "image-capacity": 3, "wrong-instance": 2})
}

// slow is a body that is sent piece by piece.
type slow struct {
	*io.PipeReader
	w    *io.PipeWriter
	done chan int
}

// upload begins to send an add to a.
func (s *site) upload(t *testing.T, beginning string) *slow {
	t.Helper()
	r, w := io.Pipe()
	u := &slow{r, w, make(chan int, 1)}
	go func() {
		res, err := http.DefaultTransport.RoundTrip(s.request(t, "POST", "/add", r, "X-Api-Key", "dora", "Content-Type", formType))
		if err != nil {
			u.done <- 0
			return
		}
		io.Copy(io.Discard, res.Body)
		res.Body.Close()
		u.done <- res.StatusCode
	}()
	u.send(beginning)
	t.Cleanup(func() { w.CloseWithError(io.ErrUnexpectedEOF) })
	return u
}

func (u *slow) send(text string) { io.WriteString(u.w, text) }

func (u *slow) end(t *testing.T, want int) {
	t.Helper()
	u.w.Close()
	if got := <-u.done; got != want {
		t.Errorf("the upload ended with %d, want %d", got, want)
	}
}

// TestHeldBackOnlyNearTheCap: an upstream sees the upload while it is being sent
// as long as there is room, and not before its names are known when there is
// none.
func TestHeldBackOnlyNearTheCap(t *testing.T) {
	seen := make(chan string, 10)
	s := shop(t, func(w http.ResponseWriter, r *http.Request) {
		begin := make([]byte, 15)
		io.ReadFull(r.Body, begin)
		seen <- string(begin)
		shopUpstream(w, r)
	})
	u := s.upload(t, "InstanceName=a&PicContent=xx")
	if got := <-seen; got != "InstanceName=a&" {
		t.Fatal(got)
	}
	u.send("&ProductId=p&PicName=1")
	u.end(t, 200)
	s.send(t, "/add", "InstanceName=a&ProductId=p&PicName=2", 200)
	<-seen
	u = s.upload(t, "InstanceName=a&PicContent=xx")
	select {
	case <-seen:
		t.Error("forwarded before it is known what it adds")
	case <-time.After(50 * time.Millisecond):
	}
	u.send("&ProductId=p&PicName=2&y=1")
	<-seen // it is known now, and the body goes on
	u.end(t, 200)
	refused := s.upload(t, "InstanceName=a&PicContent=xx")
	refused.send("&ProductId=p&PicName=3&y=1")
	refused.end(t, 403)
	if len(seen) > 0 {
		t.Error("forwarded, and refused")
	}
	s.expect(t, dora, map[string]int{"subscription": 3, "image-capacity": 1})
}

// TestDeleteWaitsForUploads: for a while, and then it gets 503 (D28).
func TestDeleteWaitsForUploads(t *testing.T) {
	arrived := make(chan struct{}, 10)
	s := shop(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		shopUpstream(w, r)
	})
	u := s.upload(t, "InstanceName=a&PicContent=xx")
	<-arrived
	began := time.Now()
	res := s.send(t, "/delete", "InstanceName=a&ProductId=q", 503)
	if waited := time.Since(began); res.Header.Get("Retry-After") == "" || waited < 100*time.Millisecond || waited > 5*time.Second {
		t.Errorf("%v after %s", res.Header, waited)
	}
	s.send(t, "/delete", "InstanceName=b&ProductId=q", 200) // another instance
	<-arrived
	s.send(t, "/search", "InstanceName=a", 200)
	<-arrived
	u.send("&ProductId=p&") // so it is not q
	eventually(t, func() string {
		res, _ := s.do(t, "POST", "/delete", "InstanceName=a&ProductId=q", "X-Api-Key", "dora", "Content-Type", formType)
		if res.StatusCode != 200 {
			return res.Status
		}
		return ""
	})
	s.send(t, "/delete", "InstanceName=a&ProductId=p", 503)
	u.end(t, 200)
	s.send(t, "/delete", "InstanceName=a&ProductId=p", 200)
	if len(s.set.images) != 0 {
		t.Errorf("%v", s.set.images)
	}
}

// TestUploadsThatEnd: an upload that is aborted, before or after the call was
// admitted, holds nothing afterwards.
func TestUploadsThatEnd(t *testing.T) {
	arrived := make(chan struct{}, 10)
	s := shop(t, func(w http.ResponseWriter, r *http.Request) {
		arrived <- struct{}{}
		shopUpstream(w, r)
	})
	u := s.upload(t, "InstanceName=a&PicContent=xx")
	<-arrived
	u.w.CloseWithError(io.ErrUnexpectedEOF)
	s.expect(t, dora, map[string]int{"failed-upstream": 1})
	u = s.upload(t, "Insta") // not admitted yet: there is nothing to be counted
	time.Sleep(20 * time.Millisecond)
	u.w.CloseWithError(io.ErrUnexpectedEOF)
	<-u.done
	c := s.raw(t, "POST /delete HTTP/1.1\r\nHost: x\r\nX-Api-Key: dora\r\nContent-Type: "+formType+"\r\nContent-Length: 100\r\n\r\nInstanceName=a&Prod")
	time.Sleep(20 * time.Millisecond)
	c.Close()
	s.expect(t, dora, map[string]int{"failed-upstream": 2})
	for i := range 2 {
		s.send(t, "/add", fmt.Sprintf("InstanceName=a&ProductId=%d", i), 200)
		<-arrived
	}
	s.send(t, "/add", "InstanceName=a&ProductId=2", 403)
}

// TestClientLeavesAfterAnAdd: what succeeded has changed the set, whether or not
// the client stayed (D3).
func TestClientLeavesAfterAnAdd(t *testing.T) {
	up := newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", "17")
		io.WriteString(w, `{"Success":true `)
		w.(http.Flusher).Flush()
		<-r.Context().Done()
	})
	s := serve(t, shopMeter(byForm, inForm), "reverse_proxy "+up+" {\nflush_interval -1\n}")
	form := "InstanceName=a&ProductId=p&PicName=1"
	c := s.raw(t, fmt.Sprintf("POST /add HTTP/1.1\r\nHost: x\r\nX-Api-Key: dora\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", formType, len(form), form))
	if _, err := io.ReadFull(c, make([]byte, 50)); err != nil {
		t.Fatal(err)
	}
	c.Close()
	s.expect(t, dora, map[string]int{"subscription": 1})
	if s.set.has("a", "p/1") == nil {
		t.Error("the image is not in the set")
	}
}

// TestChangeIsRecordedBeforeTheLastByte (D2, D28).
func TestChangeIsRecordedBeforeTheLastByte(t *testing.T) {
	s := shop(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		if r.URL.Query().Has("chunked") {
			w.(http.Flusher).Flush()
		}
		io.WriteString(w, `{"ok":1}`)
	})
	for n := range 100 {
		s.send(t, "/add"+[]string{"", "?chunked"}[n%2], fmt.Sprint("InstanceName=b&PicName=1&ProductId=", n), 200)
		if s.set.has("b", fmt.Sprint(n, "/1")) == nil {
			t.Fatalf("call %d was answered, and its image is not in the set", n)
		}
	}
}

// TestSecondNameAfterTheAnswerBegan: an upstream that has said success may have
// what the body said until then. To spoil the rest is no way to hide it.
func TestSecondNameAfterTheAnswerBegan(t *testing.T) {
	began := make(chan struct{})
	s := serve(t, shopMeter(byForm, inForm), "reverse_proxy "+newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex()
		io.WriteString(w, `{"Success":true`)
		w.(http.Flusher).Flush()
		close(began)
		io.ReadAll(r.Body)
		io.WriteString(w, `}`)
	})+" {\nflush_interval -1\n}")
	body, send := io.Pipe()
	client := &http.Transport{Protocols: new(http.Protocols)}
	client.Protocols.SetUnencryptedHTTP2(true) // HTTP/1 servers read the rest of a body before they answer
	defer client.CloseIdleConnections()
	go io.WriteString(send, "InstanceName=a&ProductId=p&PicName=1&x=y")
	res, err := client.RoundTrip(s.request(t, "POST", "/add", body, "X-Api-Key", "dora", "Content-Type", formType))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	<-began
	io.WriteString(send, "&ProductId=q&z=1")
	s.expect(t, dora, map[string]int{"failed-upstream": 1})
	if s.set.uncertain != 1 {
		t.Errorf("%d uncertain", s.set.uncertain)
	}
}

// TestUpstreamDiesAfterItsSuccess: in the middle of its answer. The call is not
// counted (D3), and the image may be there.
func TestUpstreamDiesAfterItsSuccess(t *testing.T) {
	s := shop(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Length", "100")
		io.WriteString(w, `{"Success":`+r.Header.Get("X-Answer"))
		w.(http.Flusher).Flush()
		panic(http.ErrAbortHandler)
	})
	for n, answer := range []string{"true", "false}"} {
		res, err := http.DefaultTransport.RoundTrip(s.request(t, "POST", "/add", strings.NewReader("InstanceName=a&ProductId=p"),
			"X-Api-Key", "dora", "Content-Type", formType, "X-Answer", answer))
		if err == nil {
			io.Copy(io.Discard, res.Body)
			res.Body.Close()
		}
		s.expect(t, dora, map[string]int{"failed-truncated": n + 1})
	}
	if s.set.uncertain != 2 {
		t.Errorf("%d uncertain", s.set.uncertain)
	}
}

// TestAnswerBeforeTheBody: the upstream says success without having read what it
// adds.
func TestAnswerBeforeTheBody(t *testing.T) {
	s := shop(t, func(w http.ResponseWriter, r *http.Request) {
		http.NewResponseController(w).EnableFullDuplex() // or it would read the body first
		io.WriteString(w, `{"Success":true}`)
	})
	u := s.upload(t, "InstanceName=b&PicContent=xx")
	s.expect(t, dora, map[string]int{"subscription": 1})
	u.w.CloseWithError(io.ErrUnexpectedEOF)
	s.set.mu.Lock()
	defer s.set.mu.Unlock()
	if s.set.uncertain != 1 || len(s.set.images) != 0 {
		t.Errorf("%d uncertain, %v", s.set.uncertain, s.set.images)
	}
}

// TestLedgerOfImagesFails: the client has its answer, the next adds wait for the
// ledger, and searches do not.
func TestLedgerOfImagesFails(t *testing.T) {
	s := shop(t, shopUpstream)
	s.set.failing = true
	s.send(t, "/add", "InstanceName=a&ProductId=p", 200)
	s.send(t, "/add", "InstanceName=b&ProductId=p", 503)
	s.send(t, "/delete", "InstanceName=b&ProductId=p", 503)
	s.send(t, "/search", "InstanceName=b", 200)
	s.set.mu.Lock()
	s.set.failing = false
	s.set.mu.Unlock()
	s.send(t, "/add", "InstanceName=b&ProductId=p", 200)
	if s.set.uncertain != 1 {
		t.Errorf("%d uncertain", s.set.uncertain)
	}
	s.expect(t, dora, map[string]int{"subscription": 3, "metering-unavailable": 2})
}

// TestObserveNames: what cannot be read, or has no room, is forwarded whole and
// not counted.
func TestObserveNames(t *testing.T) {
	bodies := make(chan string, 1)
	observe := strings.Replace(shopMeter(byForm, inForm), "meter {", "meter {\nmode observe", 1)
	s := serve(t, observe, "reverse_proxy "+newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			t.Error(err)
		}
		bodies <- string(body)
		io.WriteString(w, `{"Success":true}`)
	}))
	pad := strings.Repeat("x", 100_000)
	for _, body := range []string{
		"InstanceName=a&ProductId=1", "InstanceName=a&ProductId=2", "InstanceName=a&ProductId=3",
		"InstanceName=a&InstanceName=b&x=" + pad, "InstanceName=a&x=" + pad + "&ProductId=1&ProductId=2", "x=" + pad, "InstanceName=a;" + pad,
	} {
		s.send(t, "/add", body, 200)
		if got := <-bodies; got != body {
			t.Errorf("%d bytes arrived of %d: %.50s", len(got), len(body), body)
		}
	}
	if got := s.set.has("a", "1/", "2/", "3/"); len(got) != 2 {
		t.Error(got)
	}
	s.expect(t, dora, map[string]int{"subscription": 2, "observed image-capacity": 2, "observed wrong-instance": 3})
	for _, body := range []string{"InstanceName=b&x=" + pad + "&InstanceName=a&y=" + pad, "InstanceName=b&ProductId=p&x=" + pad + ";"} { // too late
		s.send(t, "/add", body, 200)
		if got := <-bodies; got != body {
			t.Errorf("%d bytes arrived of %d: %.50s", len(got), len(body), body)
		}
	}
	s.expect(t, dora, map[string]int{"subscription": 2, "observed image-capacity": 2, "observed wrong-instance": 3, "failed-upstream": 2})
	if s.set.uncertain != 2 {
		t.Errorf("%d uncertain", s.set.uncertain)
	}
}

// TestRequestTooLarge: what an earlier handler says of the body is passed on.
func TestRequestTooLarge(t *testing.T) {
	s := serve(t, "route {\nrequest_body {\nmax_size 100\n}\n"+shopMeter(byForm, inForm), "reverse_proxy "+newUpstream(t, shopUpstream)+"\n}")
	if res, _ := s.do(t, "POST", "/delete", "InstanceName=a&x="+strings.Repeat("x", 500)+"&ProductId=p", "X-Api-Key", "dora", "Content-Type", formType); res.StatusCode != 413 {
		t.Error(res.Status)
	}
}
