package meter

import "sync/atomic"

// list is a slice that is read without a lock while it grows. What is in it
// stays as it is.
type list[T any] struct{ items atomic.Pointer[[]T] }

func (l *list[T]) all() []T {
	if items := l.items.Load(); items != nil {
		return *items
	}
	return nil
}

// add appends a value: one at a time. Whoever has the shorter slice does not see
// what is written behind its end.
func (l *list[T]) add(v T) {
	items := append(l.all(), v)
	l.items.Store(&items)
}
