package caddymodule

import (
	"fmt"
	"io"
	"net/http"
	"testing"
	"time"
)

// leaver sends a whole form and leaves when it has arrived.
func (s *site) leaver(t *testing.T, path, form string, arrived <-chan struct{}) {
	t.Helper()
	c := s.raw(t, fmt.Sprintf("POST %s HTTP/1.1\r\nHost: x\r\nX-Api-Key: dora\r\nContent-Type: %s\r\nContent-Length: %d\r\n\r\n%s", path, formType, len(form), form))
	<-arrived
	c.Close()
}

// slowShop is an upstream that answers when it is let, whoever has left, and
// tells whether its request ended before.
func slowShop(t *testing.T) (s *site, arrived, answer chan struct{}, ended chan bool) {
	arrived, answer, ended = make(chan struct{}, 1), make(chan struct{}), make(chan bool, 1)
	s = shop(t, func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		arrived <- struct{}{}
		select {
		case <-answer:
			io.WriteString(w, `{"Success":true}`)
			ended <- false
		case <-r.Context().Done():
			ended <- true
		}
	})
	return s, arrived, answer, ended
}

// TestClientLeavesBeforeTheAnswer: to leave in time is no way to hold an image
// that is not counted (D28).
func TestClientLeavesBeforeTheAnswer(t *testing.T) {
	s, arrived, answer, ended := slowShop(t)
	for n, call := range []struct{ path, form, has string }{
		{"/add", "InstanceName=a&ProductId=p&PicName=1", "[p/1]"},
		{"/add", "InstanceName=a&ProductId=p&PicName=2", "[p/1 p/2]"},
		{"/delete", "InstanceName=a&ProductId=p&PicName=1", "[p/2]"},
	} {
		s.leaver(t, call.path, call.form, arrived)
		time.Sleep(20 * time.Millisecond) // until the gateway may have noticed
		answer <- struct{}{}
		if <-ended {
			t.Fatalf("call %d ended with its client", n)
		}
		s.expect(t, dora, map[string]int{"subscription": n + 1})
		if has := fmt.Sprint(s.set.has("a", "p/1", "p/2")); has != call.has {
			t.Errorf("call %d: the set has %s, want %s", n, has, call.has)
		}
	}
}

// TestNobodyAnswers: what the upstream has not answered a while after the client
// left is uncertain, and occupies a place.
func TestNobodyAnswers(t *testing.T) {
	s, arrived, answer, ended := slowShop(t)
	for n := range 2 {
		s.leaver(t, "/add", fmt.Sprint("InstanceName=a&ProductId=p&PicName=", n), arrived)
		if !<-ended {
			t.Fatal("answered")
		}
		s.expect(t, dora, map[string]int{"failed-upstream": n + 1})
	}
	s.send(t, "/add", "InstanceName=a&ProductId=p&PicName=3", 403)
	if n := s.set.uncertain; n != 2 {
		t.Errorf("%d images are uncertain, want 2", n)
	}
	s.leaver(t, "/search", "InstanceName=a", arrived) // changes nothing
	if !<-ended {
		t.Error("a search outlasts its client")
	}
	if n := s.set.uncertain; n != 2 {
		t.Errorf("%d images are uncertain after a search, want 2", n)
	}
	close(answer)
}
