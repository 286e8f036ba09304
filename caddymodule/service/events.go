package service

import (
	"slices"
	"sync"
	"time"

	"github.com/tallygate/tallygate/account"
)

// Notice tells the operator's systems of an event of an account.
type Notice struct {
	Account  string
	Customer string
	account.Event
	Repeated bool // a release that was told before and is not acknowledged (D23)
}

// herald passes events on, in order, without holding up who caused them. It
// keeps the releases that are not acknowledged, and repeats them.
type herald struct {
	mu      sync.Mutex
	queue   []Notice
	waiting map[string][]Notice // releases by account, not acknowledged
	bell    chan struct{}
}

func newHerald() *herald {
	return &herald{waiting: map[string][]Notice{}, bell: make(chan struct{}, 1)}
}

// releasesOf lists the releases of an account that nobody has acknowledged.
func releasesOf(a *account.Account) (list []Notice) {
	add := func(at int64, kind account.EventKind, subject string) {
		list = append(list, Notice{Account: a.ID, Customer: a.Customer, Repeated: true,
			Event: account.Event{Account: a.Number, At: at, Kind: kind, Subject: subject}})
	}
	if a.Released != 0 && !a.ReleaseAck {
		add(a.Released, account.EventReleased, "")
	}
	for _, i := range a.Instances {
		if i.Released != 0 && !i.Ack && a.Released == 0 {
			add(i.Released, account.EventInstanceReleased, "instance:"+i.Name)
		}
	}
	return list
}

// note keeps what an account has released.
func (h *herald) note(a *account.Account) {
	list := releasesOf(a)
	h.mu.Lock()
	defer h.mu.Unlock()
	if len(list) == 0 {
		delete(h.waiting, a.ID)
		return
	}
	h.waiting[a.ID] = list
}

// Unacknowledged is how many releases of accounts and instances nobody has
// acknowledged: data that is to be deleted still.
func (s *Service) Unacknowledged() (n int) {
	s.herald.mu.Lock()
	defer s.herald.mu.Unlock()
	for _, list := range s.herald.waiting {
		n += len(list)
	}
	return n
}

func (h *herald) tell(n Notice) {
	h.mu.Lock()
	h.queue = append(h.queue, n)
	h.mu.Unlock()
	select {
	case h.bell <- struct{}{}:
	default:
	}
}

// repeat tells again of every release that is not acknowledged.
func (h *herald) repeat() {
	h.mu.Lock()
	var all []Notice
	for _, list := range h.waiting {
		all = append(all, list...)
	}
	h.mu.Unlock()
	slices.SortFunc(all, func(a, b Notice) int { return int(a.Event.Account) - int(b.Event.Account) })
	for _, n := range all {
		h.tell(n)
	}
}

func (h *herald) take() []Notice {
	h.mu.Lock()
	defer h.mu.Unlock()
	list := h.queue
	h.queue = nil
	return list
}

// announce passes notices on until the gateway stops, and what is left then.
func (s *Service) announce() {
	defer s.stopped.Done()
	for {
		for _, n := range s.herald.take() {
			s.announceOne(n)
		}
		select {
		case <-s.life.Done():
			for _, n := range s.herald.take() {
				s.announceOne(n)
			}
			return
		case <-s.herald.bell:
		}
	}
}

func (s *Service) announceOne(n Notice) {
	level := s.log.Info
	if n.Kind.Release() {
		level = s.log.Warn // data is to be deleted
	}
	level("account event", "account", n.Account, "kind", string(n.Kind), "subject", n.Subject, "text", n.Text,
		"at", time.Unix(n.At, 0).In(s.config.Zone).Format(time.RFC3339), "repeated", n.Repeated)
	if tell := s.settings.Load().Tell; tell != nil {
		tell(n)
	}
}
