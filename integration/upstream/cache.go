package upstream

import (
	"crypto/sha256"
	"encoding/binary"
	"sync"
)

// cacheMax bounds each cache; a full one starts afresh.
const cacheMax = 4096

// cache remembers what was computed from a request, so that a load test costs
// the upstream one decoding for each distinct picture. Errors are not kept.
type cache[V any] struct {
	mu     sync.RWMutex
	values map[[sha256.Size]byte]V
}

func (c *cache[V]) get(key [sha256.Size]byte, compute func() (V, error)) (V, error) {
	c.mu.RLock()
	value, ok := c.values[key]
	c.mu.RUnlock()
	if ok {
		return value, nil
	}
	value, err := compute()
	if err != nil {
		return value, err
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.values == nil || len(c.values) >= cacheMax {
		c.values = make(map[[sha256.Size]byte]V)
	}
	c.values[key] = value
	return value, nil
}

// keyOf hashes parts with their lengths, so that no two lists look alike.
func keyOf(parts ...[]byte) (key [sha256.Size]byte) {
	hash := sha256.New()
	for _, part := range parts {
		hash.Write(binary.BigEndian.AppendUint64(nil, uint64(len(part))))
		hash.Write(part)
	}
	hash.Sum(key[:0])
	return key
}
