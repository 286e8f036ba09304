package pricebook

import "fmt"

func (d *diff) packages() {
	for i := range d.old.Packages {
		was := &d.old.Packages[i]
		if is, ok := d.new.Package(was.ID); ok {
			d.pack("package "+was.ID, was, is)
		} else {
			d.say(AnyHour, "package "+was.ID, "no longer sold")
		}
	}
	for _, is := range d.new.Packages {
		if _, ok := d.old.Package(is.ID); !ok {
			d.say(AnyHour, "package "+is.ID, "added, %d calls of %s, valid %s, for %s %s", is.Quota, is.Operation,
				months(is.Months), d.new.Currency.Format(is.Price), d.new.Currency)
		}
	}
}

func (d *diff) pack(where string, was, is *Package) {
	d.amount(where, was.Price, is.Price)
	d.count(AnyHour, where, "calls", was.Quota, is.Quota)
	moved(d, AnyHour, where, "validity", was.Months, is.Months, months, "")
	if was.Operation != is.Operation {
		d.say(AnyHour, where, "calls of %s, until now of %s", is.Operation, was.Operation)
	}
}

// months writes a validity as price books do: "3mo", "1y".
func months(n int) string {
	if n%12 == 0 {
		return fmt.Sprintf("%dy", n/12)
	}
	return fmt.Sprintf("%dmo", n)
}

func (d *diff) rows() {
	for i := range d.old.Rows {
		was := &d.old.Rows[i]
		if is, ok := d.new.Row(was.ID); ok {
			d.row("row "+was.ID, was, is)
		} else {
			d.say(AnyHour, "row "+was.ID, "no longer sold")
		}
	}
	for i := range d.new.Rows {
		if is := &d.new.Rows[i]; !d.old.hasRow(is.ID) {
			d.say(AnyHour, "row "+is.ID, "added, %d images of service %s, %d searches and adds a second, %s %s a month%s",
				is.MaxImages, is.Service, is.QPS.Search, d.new.Currency.Format(is.Price), d.new.Currency, trialWords[is.Trial])
		}
	}
}

var trialWords = map[bool]string{true: ", first month free"}

func (b *Book) hasRow(id string) bool {
	_, ok := b.Row(id)
	return ok
}

func (d *diff) row(where string, was, is *Row) {
	d.amount(where, was.Price, is.Price)
	d.count(AnyHour, where, "images", was.MaxImages, is.MaxImages)
	d.count(AnyHour, where, "searches and adds a second", int64(was.QPS.Search), int64(is.QPS.Search))
	switch {
	case is.Trial && !was.Trial:
		d.say(AnyHour, where, "first month free for new customers")
	case was.Trial && !is.Trial:
		d.say(AnyHour, where, "first month no longer free")
	}
	if was.Service != is.Service {
		d.say(AnyHour, where, "of service %s, until now of %s", is.Service, was.Service)
	}
}

// services compares what all rows of a service share, once.
func (d *diff) services() {
	done := map[string]bool{}
	for _, is := range d.new.Rows {
		if !done[is.Service] {
			done[is.Service] = true
			d.count(AnyHour, "service "+is.Service, "deletes a second", d.old.deleteQPS(is.Service, is.QPS.Delete), int64(is.QPS.Delete))
		}
	}
}

// deleteQPS is the quota that the rows of a service have, or otherwise.
func (b *Book) deleteQPS(service string, otherwise int) int64 {
	for _, r := range b.Rows {
		if r.Service == service {
			return int64(r.QPS.Delete)
		}
	}
	return int64(otherwise)
}
