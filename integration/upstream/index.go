package upstream

import (
	"cmp"
	"slices"
	"sync"
)

// pictureKey identifies a picture within its instance (D28).
type pictureKey struct{ product, name string }

// picture is what the index keeps of an added picture.
type picture struct {
	print    fingerprint
	category int
	custom   string
	strAttr  string
	intAttr  int
}

// match is a picture and how far it is from the one searched for.
type match struct {
	pictureKey
	picture
	distance float64
}

// index holds the pictures of all instances, in memory. An instance exists as
// soon as it is named. The zero value is empty.
type index struct {
	mu        sync.RWMutex
	instances map[string]map[pictureKey]picture
}

// put adds a picture, or overwrites the one of the same product and name.
func (x *index) put(instance string, key pictureKey, p picture) {
	x.mu.Lock()
	defer x.mu.Unlock()
	if x.instances == nil {
		x.instances = map[string]map[pictureKey]picture{}
	}
	if x.instances[instance] == nil {
		x.instances[instance] = map[pictureKey]picture{}
	}
	x.instances[instance][key] = p
}

// remove deletes one picture, or all of a product when name is empty.
func (x *index) remove(instance, product, name string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	for key := range x.instances[instance] {
		if key.product == product && (name == "" || key.name == name) {
			delete(x.instances[instance], key)
		}
	}
}

func (x *index) find(instance string, key pictureKey) (picture, bool) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	p, ok := x.instances[instance][key]
	return p, ok
}

// list gives the pictures of an instance in no order.
func (x *index) list(instance string) (keys []pictureKey) {
	x.mu.RLock()
	defer x.mu.RUnlock()
	for key := range x.instances[instance] {
		keys = append(keys, key)
	}
	return keys
}

// drop forgets an instance.
func (x *index) drop(instance string) {
	x.mu.Lock()
	defer x.mu.Unlock()
	delete(x.instances, instance)
}

func (x *index) count(instance string) int {
	x.mu.RLock()
	defer x.mu.RUnlock()
	return len(x.instances[instance])
}

// nearest lists the pictures of an instance, nearest first; a category of 0
// means all of them.
func (x *index) nearest(instance string, to fingerprint, category int) []match {
	x.mu.RLock()
	var matches []match
	for key, p := range x.instances[instance] {
		if category == 0 || p.category == category {
			matches = append(matches, match{key, p, p.print.distance(to)})
		}
	}
	x.mu.RUnlock()
	slices.SortFunc(matches, func(a, b match) int {
		return cmp.Or(cmp.Compare(a.distance, b.distance),
			cmp.Compare(a.product, b.product), cmp.Compare(a.name, b.name))
	})
	return matches
}
