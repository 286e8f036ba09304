package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"
)

// TestOneAccountsShare: an account that has enough held back gets 503, others are
// not touched by it, and all of it comes back.
func TestOneAccountsShare(t *testing.T) {
	s := share{of: make(map[uint32]int)}
	largest := heldByOne / 4
	for range 4 {
		if !s.take(1, largest, largest) {
			t.Fatal("not its share")
		}
	}
	if s.take(1, 1, largest) || !s.take(2, 1, largest) {
		t.Error("more than its share, or the other's")
	}
	if huge := 2 * heldByAll; s.take(3, huge, huge) {
		t.Error("more than there is")
	}
	s.give(1, heldByOne)
	s.give(2, 1)
	if huge := 2 * heldByAll; !s.take(3, huge, huge) {
		t.Error("not even one body that is allowed to be as large")
	}
	s.give(3, 2*heldByAll)
	if s.all != 0 || len(s.of) != 0 {
		t.Errorf("left: %d, %v", s.all, s.of)
	}
}

// TestMuchHeldBack: slow uploads cannot use up the memory, whichever part of them
// is held back. Names in the beginning of a body are read all the same.
func TestMuchHeldBack(t *testing.T) {
	s := shop(t, shopUpstream)
	for n := range 2 {
		s.send(t, "/add", fmt.Sprint("InstanceName=a&ProductId=p&PicName=", n), 200)
	}
	pad := "x=" + strings.Repeat("x", 10_000)
	heldBack.take(dora, heldByOne-8_000, 0)
	s.send(t, "/add", "InstanceName=a&"+pad+"&ProductId=p&PicName=1", 503) // at the cap
	s.send(t, "/add", "InstanceName=b&"+pad+"&ProductId=p&PicName=1", 200)
	s.send(t, "/add", "InstanceName=a&ProductId=p&PicName=1&"+pad, 200)
	heldBack.give(dora, heldByOne-8_000)
	s.send(t, "/add", "InstanceName=a&"+pad+"&ProductId=p&PicName=1", 200)
	s.expect(t, dora, map[string]int{"subscription": 5, "metering-unavailable": 1})
	eventually(t, func() string {
		heldBack.mu.Lock()
		defer heldBack.mu.Unlock()
		if heldBack.all != 0 {
			return fmt.Sprintf("%d bytes stay reserved", heldBack.all)
		}
		return ""
	})
}

// TestInstanceFarBackWhileMuchIsHeldBack: before the instance is known, too.
func TestInstanceFarBackWhileMuchIsHeldBack(t *testing.T) {
	for _, mode := range []string{"", "\nmode observe"} {
		pad := "x=" + strings.Repeat("x", 10_000)
		meter := strings.Replace(shopMeter("instance shop/* form InstanceName", inForm), "meter {", "meter {"+mode, 1)
		s := serve(t, meter, "reverse_proxy "+newUpstream(t, func(w http.ResponseWriter, r *http.Request) {
			if body, _ := io.ReadAll(r.Body); len(body) != len(pad)+len("&InstanceName=b") {
				t.Errorf("%d bytes arrived", len(body))
			}
			io.WriteString(w, `{"Success":true}`)
		}))
		heldBack.take(dora, heldByOne, 0)
		want, kind := 503, "metering-unavailable"
		if mode != "" {
			want, kind = 200, "observed metering-unavailable"
		}
		s.send(t, "/search", pad+"&InstanceName=b", want)
		heldBack.give(dora, heldByOne)
		s.send(t, "/search", pad+"&InstanceName=b", 200)
		s.expect(t, dora, map[string]int{"subscription": 1, kind: 1})
	}
}

// TestSlowUploadsGiveBack: what an aborted upload held back is free again.
func TestSlowUploadsGiveBack(t *testing.T) {
	s := shop(t, shopUpstream)
	for n := range 2 {
		s.send(t, "/add", fmt.Sprint("InstanceName=a&ProductId=p&PicName=", n), 200)
	}
	u := s.upload(t, "InstanceName=a&x="+strings.Repeat("x", 30_000))
	held := func() int {
		heldBack.mu.Lock()
		defer heldBack.mu.Unlock()
		return heldBack.of[dora]
	}
	eventually(t, func() string {
		if n := held(); n < 20_000 || n > 70_000 {
			return fmt.Sprintf("%d bytes are reserved", n)
		}
		return ""
	})
	u.w.CloseWithError(io.ErrUnexpectedEOF)
	for deadline := time.Now().Add(5 * time.Second); held() != 0; time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("%d bytes stay reserved", held())
		}
	}
}
