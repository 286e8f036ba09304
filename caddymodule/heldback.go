package caddymodule

import "sync"

// How much of requests' bodies is held back in memory: by all calls together, and
// by those of one account. Whoever uploads slowly can hold on to what he has sent
// for as long as he likes: he must neither use up the memory, nor the part of it
// that others need.
const (
	heldByAll = 512 << 20
	heldByOne = heldByAll / 8
)

// share counts the memory in which bodies are held back, by account. The first
// chunk of a body, in which most names stand, is not counted.
type share struct {
	mu  sync.Mutex
	all int
	of  map[uint32]int
}

var heldBack = share{of: make(map[uint32]int)}

// take reserves memory, if there is any. One body of the largest size allowed may
// always be held back.
func (s *share) take(account uint32, bytes, largest int) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.all+bytes > max(heldByAll, largest) || s.of[account]+bytes > max(heldByOne, largest) {
		return false
	}
	s.all += bytes
	s.of[account] += bytes
	return true
}

func (s *share) give(account uint32, bytes int) {
	if bytes == 0 {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all -= bytes
	if s.of[account] -= bytes; s.of[account] == 0 {
		delete(s.of, account)
	}
}
