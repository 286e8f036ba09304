package paired

import (
	"errors"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/tallygate/tallygate/integration/bench/load"
)

// TestCPU holds the clock against what the kernel says of this process by other ways.
func TestCPU(t *testing.T) {
	used := func() time.Duration {
		var u syscall.Rusage
		if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
			t.Fatal(err)
		}
		return time.Duration(u.Utime.Nano() + u.Stime.Nano())
	}
	before := used()
	got, err := CPU(os.Getpid())
	if err != nil {
		t.Fatal(err)
	}
	// getrusage rounds down to microseconds, of user and of system time.
	if after := used(); got < before-2*time.Microsecond || got > after+2*time.Microsecond {
		t.Errorf("got %s, getrusage %s to %s", got, before, after)
	}
}

// TestCPUOfAnother asks for a shell that has worked, and does no more.
func TestCPUOfAnother(t *testing.T) {
	cmd := exec.Command("sh", "-c", "i=0; while [ $i -lt 20000 ]; do i=$((i+1)); done; echo; read line")
	stdin, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := out.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	got, err := CPU(cmd.Process.Pid)
	if err != nil || got <= 0 {
		t.Error(got, err)
	}
	stdin.Close()
	cmd.Wait() // read has met the end, which is no success
	if used := cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime(); got > used+2*time.Microsecond {
		t.Errorf("%s, of %s in all", got, used)
	}
	if _, err := CPU(cmd.Process.Pid); err == nil {
		t.Error("a process that has ended has a CPU clock")
	}
}

type fake struct{ served int }

var errFake = errors.New("out of order")

func (f *fake) Close() error { return nil }
func (f *fake) Do() error {
	if f.served < 0 {
		return errFake
	}
	f.served++
	time.Sleep(10 * time.Millisecond)
	return nil
}

func TestRun(t *testing.T) {
	a, b := &fake{}, &fake{}
	sites := []*Site{{Name: "a", PID: os.Getpid(), Crowd: load.Crowd{a}}, {Name: "b", PID: os.Getpid(), Crowd: load.Crowd{b}}}
	got, err := Run(t.Context(), sites, 2, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if len(got["a"]) != 2 || len(got["b"]) != 2 || Requests(got["a"]) != a.served || Requests(got["b"]) != b.served {
		t.Errorf("%d and %d slices, %d and %d requests of %d and %d", len(got["a"]), len(got["b"]),
			Requests(got["a"]), Requests(got["b"]), a.served, b.served)
	}
	for _, s := range slices.Concat(got["a"], got["b"]) {
		if s.CPU <= 0 || s.Wall < sliceMin {
			t.Errorf("a slice of %s with %s of CPU", s.Wall, s.CPU)
		}
	}
	b.served = -1
	if _, err := Run(t.Context(), sites, 1, rand.New(rand.NewPCG(1, 1))); !errors.Is(err, errFake) {
		t.Errorf("got %v", err)
	}
}

// quick answers at once.
type quick struct{ served int }

func (q *quick) Close() error { return nil }
func (q *quick) Do() error    { q.served++; return nil }

// TestRunAt: every site of a round is sent the same, and no more than is due.
func TestRunAt(t *testing.T) {
	a, b := &quick{}, &quick{}
	sites := []*Site{{Name: "a", PID: os.Getpid(), Crowd: load.Crowd{a}}, {Name: "b", PID: os.Getpid(), Crowd: load.Crowd{b}}}
	const rounds, rate = 5, 500
	got, err := RunAt(t.Context(), sites, rounds, rate, rand.New(rand.NewPCG(1, 1)))
	if err != nil {
		t.Fatal(err)
	}
	if n := Requests(got["a"]); n != a.served || n != b.served || n < rounds*rate/20 || n > rounds*rate/5 {
		t.Errorf("%d requests of %d and %d in %d rounds of 60 to 100 ms at %d a second", n, a.served, b.served, rounds, rate)
	}
	for i := range rounds {
		if x, y := len(got["a"][i].Latencies), len(got["b"][i].Latencies); x != y {
			t.Errorf("round %d: %d and %d requests", i, x, y)
		}
	}
}

func TestRate(t *testing.T) {
	s := &Site{Name: "a", Crowd: load.Crowd{&fake{}, &fake{}}} // each at most 100 requests a second
	if rate, err := s.Rate(t.Context(), 100*time.Millisecond); err != nil || rate > 200 || rate < 20 {
		t.Errorf("%g requests a second, %v", rate, err)
	}
}

// made are slices of a server that takes so much CPU for each request, in
// microseconds, and as long to answer.
func made(cpu float64, random *rand.Rand) (all []Slice) {
	for range 100 {
		s := Slice{Wall: 80 * time.Millisecond}
		for range 100 + random.IntN(100) {
			took := time.Duration(cpu * (1 + 0.1*random.NormFloat64()) * float64(time.Microsecond))
			s.CPU += took
			s.Latencies = append(s.Latencies, took)
		}
		all = append(all, s)
	}
	return all
}

func TestRatios(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	a, b := made(105, random), made(100, random)
	near := func(name string, value, low, high, want, within float64) {
		t.Helper()
		if math.Abs(value-want) > within || low > value || high < value || low == high {
			t.Errorf("%s: %g [%g – %g], want %g", name, value, low, high, want)
		}
	}
	for _, f := range []struct {
		name         string
		want, within float64
	}{{"cpu", 1.05, 0.01}, {"p99", 1.05, 0.02}, {"slice", 1.05, 0.02}, {"mean", 105, 1}, {"added", 0.005, 0.001}} {
		got := CPURatio(f.name, a, b, 1)
		switch f.name {
		case "p99":
			got = P99Ratio(f.name, a, b, 1)
		case "slice":
			got = P99SliceRatio(f.name, a, b, 1)
		case "mean":
			got = CPUPerRequest(f.name, a, 1)
		case "added":
			got = AddedMedian(f.name, a, b, 1)
		}
		near(got.Name, got.Value, got.Low, got.High, f.want, f.within)
	}
	if f := ThroughputRatio("same", a, a, 1); f.Value != 1 || f.Low != 1 || f.High != 1 {
		t.Errorf("a server against its own slices: %+v", f)
	}
}

// TestFewSlowSlices: what slows a few slices of one server is in its p99, and not in
// that of most slices.
func TestFewSlowSlices(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 8))
	a, b := made(105, random), made(100, random)
	for i := range 3 {
		for j := range a[i].Latencies {
			a[i].Latencies[j] *= 10
		}
	}
	if f := P99Ratio("p99", a, b, 1); f.Value < 5 {
		t.Errorf("p99 %+v, want that of the slow slices", f)
	}
	if f := P99SliceRatio("slice", a, b, 1); math.Abs(f.Value-1.05) > 0.02 {
		t.Errorf("p99 of slices %+v, want about 1.05", f)
	}
}
