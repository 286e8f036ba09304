package meter

// instance is a search index: the terms that pay for it, its rates, and how many
// images it holds (D28). 56 bytes: most have one term, nothing that changes
// their images, and no two searches within a second.
type instance struct {
	name   uint32 // its number
	id     uint32
	first  uint32 // number of the first term; the other terms come after it
	plan   uint32 // of the first term; 0 where there is no term
	start  int64  // of the first term
	end    int64
	images int64 // in the ledger's set, as long as nothing changes them
	search window
	more   uint32 // 0 for most
}

// instanceMore is what few instances have.
type instanceMore struct {
	releasedAt int64
	terms      []term
	changes    *imageChanges // calls in flight keep it, beyond the instance
}

// rest returns what few instances have, made at its first use.
func (in *instance) rest(s *store) (more *instanceMore) {
	if in.more == 0 {
		in.more, more = s.instanceMore.take()
		return more
	}
	return s.instanceMore.at(in.more)
}

// window is the rate window of a class.
func (in *instance) window(s *store, class Class) *window {
	if class == ClassSearch {
		return &in.search
	}
	return in.imageChanges(s).window(class)
}

// renew makes of an instance that was released another one of its name. Calls
// in flight keep the old one's images.
func (in *instance) renew(s *store, id uint32) {
	in.search.drop(&s.rings)
	if c := in.changes(s); c != nil {
		c.drop(&s.rings)
	}
	if in.more != 0 {
		s.instanceMore.give(in.more)
	}
	*in = instance{name: in.name, id: id}
}
