package usage

import (
	"fmt"
	"maps"
	"slices"

	"github.com/tallygate/tallygate/account"
)

// shape is a line's part that many accounts share. Account is 0.
type shape = account.Line

func shapeOf(l account.Line) shape {
	l.Account = 0
	return l
}

// numbering is the shapes of an hour, and their numbers in order.
type numbering struct {
	sorted  []shape
	numbers map[shape]uint64
	// Millions of lines ask for the same few shapes: what was asked for last is
	// found here in a fifth of the map's time. The zero shape is nobody's.
	lately [256]numbered
}

type numbered struct {
	shape  shape
	number uint64
}

// numberShapes numbers the shapes of all rows that count something.
func numberShapes(h Header, rows []account.Count) (*numbering, error) {
	n := &numbering{numbers: map[shape]uint64{}}
	for _, c := range rows {
		s := shapeOf(c.Line)
		l := n.place(s)
		if c.Calls == 0 || l.shape == s && s.Kind != 0 {
			continue
		}
		if c.Operation != 0 && int(c.Operation) >= len(h.Operations) {
			return nil, fmt.Errorf("account %d counts operation %d, which the header does not name", c.Account, c.Operation)
		}
		if c.Kind == 0 {
			return nil, fmt.Errorf("account %d, operation %d: a line without a kind", c.Account, c.Operation)
		}
		n.numbers[s] = 0
		l.shape = s
	}
	clear(n.lately[:])
	n.sorted = slices.SortedFunc(maps.Keys(n.numbers), shape.Compare)
	for i, s := range n.sorted {
		n.numbers[s] = uint64(i)
	}
	return n, nil
}

// place is where a shape is found if it was asked for lately.
func (n *numbering) place(s shape) *numbered {
	return &n.lately[(uint32(s.Operation)*16+uint32(s.Kind)*64+s.Ref)%uint32(len(n.lately))]
}

func (n *numbering) number(s shape) uint64 {
	l := n.place(s)
	if l.shape != s {
		*l = numbered{s, n.numbers[s]}
	}
	return l.number
}
