package integration

import (
	"fmt"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	sealed "github.com/tallygate/tallygate/ledger/usage"
)

// TestRow09Days: calls right before and after the ends of months, 29 February and
// the changes of daylight saving, in zones on both sides of the date line. Each is
// in exactly one statement, that of its local month, and in exactly one hour (D7).
func TestRow09Days(t *testing.T) {
	t.Parallel()
	row := newRow(t, 9, "DST, 29 Feb, month ends", 6, 60)
	calls, instants := int64(0), 0
	for round := range row.rounds {
		zone, year := dayZones[round%len(dayZones)], 2028
		if row.long {
			year = 2024 + row.chance.IntN(12)
		}
		d := newDays(row, zone, year)
		for _, at := range zone.instants(year) {
			if row.long || d.worth(at) {
				d.around(at)
				instants++
			}
		}
		d.check(year)
		calls += d.calls
		if t.Failed() {
			t.Logf("%s in %d", zone.name, year)
			break
		}
	}
	row.note("%d calls around %d instants in %d zones", calls, instants, min(row.rounds, len(dayZones)))
	row.end()
}

// days is a year of one gateway on a test clock.
type days struct {
	*scene
	row   *row
	zone  dayZone
	key   string
	now   time.Time
	calls int64
	at    map[int64]int64        // calls by their instant, Unix milliseconds
	sure  map[string]int64       // by the local month of their arrival
	maybe map[[2]string]int64    // or by both, where it was while the clock advanced
	both  map[[2]time.Time]int64 // the same by the two instants
}

func newDays(row *row, zone dayZone, year int) *days {
	start := zone.midnight(year-1, time.December, 30)
	clock, at := testClock(start.Format(time.RFC3339))
	d := &days{row: row, zone: zone, now: start, at: map[int64]int64{}, sure: map[string]int64{},
		maybe: map[[2]string]int64{}, both: map[[2]time.Time]int64{}}
	d.scene = newScene(row.t, monthEndBook, clock, at, "timezone +08:00", "timezone "+zone.name)
	d.key = d.account("acme", "100000.00")
	return d
}

// worth chooses the instants of the short form: 29 February and its end, the
// changes of the clock, the end of the year, and a few others.
func (d *days) worth(at time.Time) bool {
	local := d.zone.local(at)
	march := local.Month() == time.March && local.Day() == 1
	return local.Day() > 1 || local.Month() == time.January || march || d.row.chance.IntN(4) == 0
}

// around makes calls in the last instants before one, while the clock passes it,
// and in the first ones after it.
func (d *days) around(at time.Time) {
	d.t.Helper()
	for _, before := range []time.Duration{time.Second, time.Millisecond} {
		if to := at.Add(-before); to.After(d.now) {
			d.to(to)
			d.make(1 + d.row.chance.IntN(6))
		}
	}
	if d.row.chance.IntN(3) == 0 {
		d.pass(at)
	} else {
		d.to(at)
	}
	d.make(1 + d.row.chance.IntN(6))
	switch d.row.chance.IntN(6) {
	case 0:
		d.Kill()
		d.restart()
		d.make(1)
	case 1:
		d.settle() // which moves the clock
		d.now = d.clock()
	}
	d.to(d.now.Add(time.Duration(1+d.row.chance.IntN(1500)) * time.Millisecond))
	d.make(d.row.chance.IntN(4))
}

func (d *days) to(at time.Time) {
	d.t.Helper()
	d.advance(at.UTC().Format(time.RFC3339Nano))
	d.now = at
}

func (d *days) clock() time.Time {
	d.t.Helper()
	var status struct{ Now time.Time }
	d.do("GET", "/status", nil, &status)
	return status.Now
}

// make makes calls at this instant.
func (d *days) make(n int) {
	d.t.Helper()
	for range n {
		if a := d.call(tag("acme", d.key)); a.Status != http.StatusOK || !a.Whole {
			d.t.Fatalf("at %s: status %d: %s", d.now, a.Status, a.Body)
		}
	}
	d.calls += int64(n)
	d.at[d.now.UnixMilli()] += int64(n)
	d.sure[d.zone.month(d.now)] += int64(n)
}

// pass lets the clock go past an instant while calls arrive.
func (d *days) pass(at time.Time) {
	d.t.Helper()
	var callers sync.WaitGroup
	var mu sync.Mutex
	n, stop := int64(0), make(chan struct{})
	first := make(chan struct{}, 3)
	for range 3 {
		callers.Go(func() {
			for range 50 {
				a := d.call(tag("acme", d.key))
				mu.Lock()
				if n++; a.Status != http.StatusOK || !a.Whole {
					d.t.Errorf("while the clock passes %s: status %d: %s", at, a.Status, a.Body)
				}
				mu.Unlock()
				select {
				case first <- struct{}{}:
				default:
				}
				select {
				case <-stop:
					return
				default:
				}
			}
		})
	}
	<-first
	from := d.now
	d.to(at)
	close(stop)
	callers.Wait()
	d.calls += n
	d.maybe[[2]string{d.zone.month(from), d.zone.month(at)}] += n
	d.both[[2]time.Time{from, at}] += n
}

// check settles everything and holds statements and sealed files against the calls.
func (d *days) check(year int) {
	d.t.Helper()
	d.to(d.zone.midnight(year+1, time.March, 1))
	total := int64(0)
	for year, month := year-1, time.December; ; month++ {
		name := time.Date(year, month, 1, 0, 0, 0, 0, time.UTC).Format("2006-01")
		if name > d.zone.month(d.now) {
			break
		}
		st := d.statement("acme", name)
		st.check(d.t, monthEndPrices)
		n := st.counted()[tagging]
		least, most := d.sure[name], d.sure[name]
		for months, maybe := range d.maybe {
			switch {
			case months[0] == name && months[1] == name:
				least, most = least+maybe, most+maybe
			case months[0] == name || months[1] == name:
				most += maybe
			}
		}
		if n < least || n > most {
			d.row.wrong++
			d.t.Errorf("%s: the statement of %s has %d calls, %d to %d arrived in it", d.zone.name, name, n, least, most)
		}
		total += n
	}
	d.row.lost += int(max(0, d.calls-total))
	d.row.doubled += int(max(0, total-d.calls))
	if total != d.calls {
		d.t.Errorf("%s: %d calls are on the statements, %d were made", d.zone.name, total, d.calls)
	}
	if err := d.Stop(); err != nil {
		d.t.Fatal(err)
	}
	d.checkHours()
}

// checkHours reads the sealed files: each begins with a full hour of the zone, or
// where one was cut, and has the calls of its time.
func (d *days) checkHours() {
	d.t.Helper()
	paths, err := filepath.Glob(filepath.Join(d.Dir, "data", "ledger", "usage", "*.usage"))
	if err != nil || len(paths) == 0 {
		d.t.Fatalf("no sealed files in %s: %v", d.Dir, err)
	}
	var until, sum int64
	for _, path := range paths { // by name, which is by time
		f, err := sealed.Open(path)
		if err != nil {
			d.t.Fatal(err)
		}
		start, length := f.Info().Header.Start, f.Info().Header.Length
		from, to := time.Unix(start, 0), time.Unix(start+length, 0)
		if start < until || length > 3600 || d.zone.hour(from) != d.zone.hour(to.Add(-time.Nanosecond)) {
			d.row.wrong++
			d.t.Errorf("%s: a period from %s to %s", d.zone.name, from.UTC(), to.UTC())
		}
		until = start + length
		within := func(at time.Time) bool { return !at.Before(from) && at.Before(to) }
		least, most := int64(0), int64(0)
		for at, n := range d.at {
			if within(time.UnixMilli(at)) {
				least, most = least+n, most+n
			}
		}
		for at, n := range d.both {
			switch {
			case within(at[0]) && within(at[1]):
				least, most = least+n, most+n
			case within(at[0]) || within(at[1]):
				most += n
			}
		}
		if n := int64(f.Info().Sum.Billed); n < least || n > most {
			d.row.wrong++
			d.t.Errorf("%s: the period from %s to %s has %d calls, %d to %d arrived in it", d.zone.name, from.UTC(), to.UTC(), n, least, most)
		} else {
			sum += n
		}
	}
	if sum != d.calls {
		d.t.Errorf("%s: %d calls are in the sealed files, %d were made", d.zone.name, sum, d.calls)
	}
}

// hour names the hour of an instant: the zone's, and by its offset, since the clock
// shows some hours twice.
func (z dayZone) hour(at time.Time) string {
	return fmt.Sprint(z.local(at).Format("2006-01-02T15"), " ", z.offset(at.UTC()))
}
