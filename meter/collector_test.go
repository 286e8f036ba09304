//go:build unix

package meter

import (
	"reflect"
	"runtime"
	"syscall"
	"testing"
)

// many are the types of which there may be millions, and their sizes in bytes.
var many = map[reflect.Type]uintptr{
	reflect.TypeFor[Account]():      128,
	reflect.TypeFor[instance]():     56,
	reflect.TypeFor[charges]():      64,
	reflect.TypeFor[rate]():         20,
	reflect.TypeFor[moreCounters](): 28,
	reflect.TypeFor[keyRecord]():    40,
	reflect.TypeFor[place]():        4,
}

// TestCollectorPassesByAccounts: one pointer in any of these, and every
// collection has to look at all of them.
func TestCollectorPassesByAccounts(t *testing.T) {
	for of, size := range many {
		if of.Size() != size {
			t.Errorf("a %s takes %d bytes, want %d", of, of.Size(), size)
		}
		if at := pointerIn(of); at != "" {
			t.Errorf("a %s has a pointer in it: %s", of, at)
		}
	}
}

// pointerIn is the path to a pointer in values of a type, "" where there is none.
func pointerIn(of reflect.Type) string {
	switch kind := of.Kind(); {
	case kind == reflect.Array:
		return pointerIn(of.Elem())
	case kind == reflect.Struct:
		for i := range of.NumField() {
			if at := pointerIn(of.Field(i).Type); at != "" {
				return of.Field(i).Name + " " + at
			}
		}
	case kind > reflect.Complex128:
		return of.String()
	}
	return ""
}

// BenchmarkCollection says what CPU a garbage collection takes with a million
// accounts.
func BenchmarkCollection(b *testing.B) {
	const accounts = 1_000_000
	for _, l := range loads {
		b.Run(l.name, func(b *testing.B) {
			m, clock := memoryMeter(b)
			for n := range uint32(accounts) {
				m.Load(l.view(n + 1))
			}
			l.addKeys(m, accounts)
			l.call(b, m, clock, accounts)
			runtime.GC()
			before := cpu(b)
			for b.Loop() {
				runtime.GC()
			}
			b.ReportMetric((cpu(b)-before)/float64(b.N), "CPU-ms/op")
			runtime.KeepAlive(m)
		})
	}
}

// cpu is the CPU time in milliseconds that the process has taken.
func cpu(t testing.TB) float64 {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return float64(u.Utime.Nano()+u.Stime.Nano()) / 1e6
}
