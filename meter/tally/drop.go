package tally

import "github.com/tallygate/tallygate/account"

// Drop forgets what the tally counts for lines that do not fit, and returns it. Its
// slots only keep their places then. Nothing may be counted any more. It
// is durable with Close.
func (f *File) Drop(fits func(account.Line) bool) (dropped []account.Count, err error) {
	f.syncMu.Lock()
	defer f.syncMu.Unlock()
	for n, c := range f.Each() {
		if fits(c.Line) {
			continue
		}
		s := f.slots.slot(n)
		s.store(newImage(f.header.id, n, account.Line{}, flagVoid|s.load().flags()&flagDamaged, 0))
		dropped = append(dropped, c)
	}
	for range 2 { // both halves of the side file: either would bring them back
		if len(dropped) > 0 && err == nil {
			err = f.side.rewrite(f.all, 0)
		}
	}
	return dropped, err
}
