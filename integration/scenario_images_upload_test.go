package integration

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// drain is an upstream that tells how much of the uploads it has got, and
// succeeds with all of them.
type drain struct {
	*httptest.Server
	begun, got, whole atomic.Int64
}

func newDrain(t *testing.T) *drain {
	d := &drain{}
	d.Server = httptest.NewServer(d)
	t.Cleanup(d.Close)
	return d
}

func (d *drain) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	d.begun.Add(1)
	for buffer := make([]byte, 64<<10); ; {
		n, err := r.Body.Read(buffer)
		d.got.Add(int64(n))
		if err == io.EOF {
			break
		}
		if err != nil {
			panic(http.ErrAbortHandler)
		}
	}
	d.whole.Add(1)
	io.WriteString(w, `{"RequestId":"drain","Success":true,"Code":0,"Message":"success"}`)
}

// zeros reads as a picture of zeros in base64.
type zeros struct{}

func (zeros) Read(p []byte) (int, error) {
	for n := range p {
		p[n] = 'A'
	}
	return len(p), nil
}

// upload is an add that is sent in two halves, with something long before the
// names, as the vendor's SDK orders them.
type upload struct {
	s        *shelf
	picture  int64 // as long as one of so many bytes in base64
	declared bool  // its length
	name     string
	between  func(sent int64) // after the first half
}

// run sends, and waits for the answer.
func (u upload) run() answer {
	head := "InstanceName=" + u.s.instance + "&CustomContent="
	tail := "&" + form("PicContent", inBase64, "PicName", u.name, "ProductId", "chair")
	read, write := io.Pipe()
	defer write.Close()
	length := int64(-1)
	if u.declared {
		length = int64(len(head)+len(tail)) + u.picture
	}
	ended := make(chan answer, 1)
	go func() { ended <- u.s.post(read, length) }()
	half := u.picture / 2
	_, err := io.Copy(write, io.MultiReader(strings.NewReader(head), io.LimitReader(zeros{}, half)))
	if u.between != nil && err == nil {
		u.between(int64(len(head)) + half)
	}
	if err == nil { // else it was refused meanwhile
		_, err = io.Copy(write, io.MultiReader(io.LimitReader(zeros{}, u.picture-half), strings.NewReader(tail)))
	}
	write.CloseWithError(err)
	return <-ended
}

// post sends an add as it is read.
func (s *shelf) post(body io.Reader, length int64) answer {
	request, err := http.NewRequest(http.MethodPost, s.URL()+"/v2/image/add", body)
	if err != nil {
		s.t.Error(err)
		return answer{}
	}
	request.ContentLength = length
	request.Header.Set("X-Api-Key", s.key)
	request.Header.Set("Content-Type", formType)
	response, err := s.client.Do(request)
	if err != nil {
		return answer{}
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(text), err == nil}
}

const formType = "application/x-www-form-urlencoded"

// megabytes of memory that the gateway has, now or at most since lowPeak.
func (s *scene) megabytes(field string) (mb int) {
	s.t.Helper()
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.PID()))
	if err != nil {
		s.t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(status), field+":")
	if _, err := fmt.Sscan(rest, &mb); err != nil {
		s.t.Fatalf("%s: %v", field, err)
	}
	return mb >> 10
}

// lowPeak makes VmHWM, the peak of memory, begin at what there is now.
func (s *scene) lowPeak() {
	s.t.Helper()
	if err := os.WriteFile(fmt.Sprintf("/proc/%d/clear_refs", s.PID()), []byte("5"), 0); err != nil {
		s.t.Fatal(err)
	}
}

// TestImagesStreamBelowTheCap: where there is room an upload reaches the
// upstream while the client still sends, its names unknown, and a picture of 30
// MB takes no memory; at the cap nothing of it leaves before the names are known.
func TestImagesStreamBelowTheCap(t *testing.T) {
	t.Parallel()
	up := newDrain(t)
	clock, at := testClock(seven)
	s := sceneBefore(t, up.URL, "", clock, at).shelf("acme", "products", 3)
	arrives := func(least int64) {
		eventually(t, "the first half is at the upstream", time.Minute, func() bool { return up.got.Load() >= least || t.Failed() })
	}
	want := func(what string, a answer, status int, reason string, images int) {
		t.Helper()
		if n := s.images(); a.Status != status || a.reason() != reason || !a.Whole || n.Images != images || n.Uncertain != 0 {
			t.Fatalf("%s: status %d %s, whole %t: %s; %+v, want %d images", what, a.Status, a.reason(), a.Whole, a.Body, n, images)
		}
	}
	for n, declared := range []bool{true, false} {
		up.got.Store(0)
		slow := upload{s: s, picture: 1 << 20, declared: declared, name: fmt.Sprint("slow-", n), between: func(sent int64) { arrives(sent - 64<<10) }}
		want("a slow upload", slow.run(), 200, "", n+1)
	}

	const picture = 40 << 20 // 30 MB, in base64
	s.lowPeak()
	before := s.megabytes("VmRSS")
	up.got.Store(0)
	large := upload{s: s, picture: picture, declared: true, name: "large", between: func(sent int64) { arrives(sent - 64<<10) }}
	want("a large picture", large.run(), 200, "", 3)
	streamed := s.megabytes("VmHWM") - before
	if streamed > 16 {
		t.Errorf("a picture of 30 MB took %d MB", streamed)
	}

	begun, whole := up.begun.Load(), up.whole.Load()
	held := func(int64) {
		time.Sleep(100 * time.Millisecond)
		if up.begun.Load() != begun {
			t.Error("at the cap an upload was passed on before its names were known")
		}
	}
	want("an overwrite at the cap", upload{s: s, picture: 4 << 20, declared: true, name: "slow-0", between: held}.run(), 200, "", 3)
	begun++
	want("a new picture at the cap", upload{s: s, picture: 4 << 20, declared: true, name: "new", between: held}.run(), 403, "image-capacity", 3)
	s.lowPeak()
	before = s.megabytes("VmRSS")
	want("more than is held back", upload{s: s, picture: picture, declared: true, name: "slow-0"}.run(), 403, "image-capacity", 3)
	buffered := s.megabytes("VmHWM") - before
	if buffered > 64 { // 14 as a rule, 52 with the race detector, and above 80 where all of it is held back
		t.Errorf("8 MiB held back took %d MB", buffered)
	}
	if up.begun.Load() != begun || up.whole.Load() != whole+1 {
		t.Errorf("%d uploads reached the upstream at the cap, want only the overwrite", up.begun.Load()-begun+1)
	}
	if got := s.usage("acme").counted()[toAdd]; got != up.whole.Load() || got != 4 {
		t.Errorf("%d adds are counted, the upstream did %d, the client saw 4", got, up.whole.Load())
	}
	t.Logf("a picture of 30 MB took %d MB below the cap, and %d MB at the cap, where 8 MiB are held back", streamed, buffered)
}
