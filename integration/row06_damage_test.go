package integration

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"

	"github.com/tallygate/tallygate/integration/harness"
)

// TestRow06Damage damages one file of everything that a killed gateway left, and
// starts on it: one bit flipped anywhere, the file cut, or removed. The start is
// refused, and says which file it is and what to do; or what is served is what
// was served of the undamaged folder, byte for byte. Only counts of the open
// period may be lower, and then the log says so.
func TestRow06Damage(t *testing.T) {
	r := newRow(t, 6, "damage", 24, 1000)
	b := newRow6(t)
	var jobs []row6Damage
	for range r.rounds {
		jobs = append(jobs, b.files.flip(r))
	}
	whole := b.files.cutsAndRemovals()
	if chosen := os.Getenv("TALLYGATE_PLACES"); chosen != "" { // parts of names of files
		whole = nil
		for range 64 {
			jobs = append(jobs, b.files.flipIn(r, strings.Split(chosen, ",")))
		}
	} else if !r.long { // some of them
		r.chance.Shuffle(len(whole), func(i, j int) { whole[i], whole[j] = whole[j], whole[i] })
		whole = whole[:min(len(whole), 24)]
	}
	jobs = append(jobs, whole...)
	found := b.run(t, jobs)
	r.wrong = found.wrong
	r.note("%d flips, %d cut or removed: %d refused, %d served, of these %d with a lower bound in the log",
		r.rounds, len(whole), found.refused, found.served, found.lower)
	r.end()
}

// row6 is a folder that a kill left, and what is true of it.
type row6 struct {
	files row6Files
	book  string
	up    string
	asked []row6Question
	truth []string // their answers
}

// row6Question is a request whose answer must not change. A repetition is a
// command that was accepted before, under its idempotency key.
type row6Question struct {
	path, key string
	body      any
	open      bool // has to do with what is not settled
}

func (q row6Question) ask(g *harness.Gateway) string {
	request := harness.Request{Path: "/tallygate" + q.path, Body: q.body}
	if q.key != "" {
		request.Header = http.Header{"Idempotency-Key": {q.key}}
	}
	var answer json.RawMessage
	if err := g.API(request, &answer); err != nil {
		return "error: " + err.Error()
	}
	return string(answer)
}

// row6Worker starts gateways on copies of the folder, one after the other.
type row6Worker struct {
	*row6
	g *harness.Gateway
}

func (b *row6) worker(t testing.TB) *row6Worker {
	clock, at := testClock(row6Start)
	return &row6Worker{b, harness.New(t, harness.Config{Caddyfile: example(t, clock, at), Upstream: b.up,
		Files: map[string]string{"pricebook.yaml": b.book}})}
}

// outcome is how a start on a damaged folder ended.
type row6Outcome struct {
	refused, served, lower, wrong int
}

func (b *row6) run(t *testing.T, jobs []row6Damage) (sum row6Outcome) {
	queue := make(chan row6Damage)
	var mu sync.Mutex
	var workers sync.WaitGroup
	for range 2 {
		w := b.worker(t)
		workers.Go(func() {
			for job := range queue {
				o, complaint := w.round(t, job)
				mu.Lock()
				sum.refused, sum.served, sum.lower, sum.wrong = sum.refused+o.refused, sum.served+o.served, sum.lower+o.lower, sum.wrong+o.wrong
				mu.Unlock()
				if complaint != "" {
					t.Errorf("%s: %s", job, complaint)
				}
			}
		})
	}
	for _, job := range jobs {
		queue <- job
	}
	close(queue)
	workers.Wait()
	return sum
}

// crashed is what no log may have.
var crashed = regexp.MustCompile(`(?m)^panic:|fatal error|SIGBUS|SIGSEGV|^goroutine \d+ \[`)

// wayOut is in every refusal.
var wayOut = regexp.MustCompile(`tallygate repair|backup|restore|remove it|remove the anchor|move the file|write into it`)

// intentsDamaged is in the log where adds of unknown outcome may be forgotten.
var intentsDamaged = regexp.MustCompile(`record of adds and deletes of an earlier run is damaged: reconcile`)

// lowerBound is in the log where counts may be too low.
var lowerBound = regexp.MustCompile(`may be too low|a counter was damaged`)

// round starts a gateway on a damaged copy, and compares.
func (w *row6Worker) round(t *testing.T, job row6Damage) (o row6Outcome, complaint string) {
	for _, name := range []string{"data", "gateway.log"} {
		if err := os.RemoveAll(filepath.Join(w.g.Dir, name)); err != nil {
			t.Error(err)
		}
	}
	damaged, err := job.apply(w.files)
	if err == nil {
		err = damaged.write(w.g.Dir)
	}
	if err != nil {
		t.Error(err)
		return o, ""
	}
	err = w.g.Start()
	defer w.g.Kill()
	if text := w.g.Log(); crashed.MatchString(text) {
		o.wrong++
		return o, "it crashed:\n" + text
	}
	if err != nil {
		o.refused++
		return o, w.refusal(job, err.Error())
	}
	o.served++
	var lower bool
	if lower, complaint = w.compare(); complaint != "" {
		o.wrong++
	}
	if lower {
		o.lower++
	}
	return o, complaint
}

// refusal holds a refused start against what it must say.
func (w *row6Worker) refusal(job row6Damage, text string) string {
	message := text[strings.LastIndex(strings.TrimSpace(text), "\n")+1:]
	named := strings.Contains(message, filepath.Base(job.name)) || strings.Contains(message, filepath.Dir(job.name))
	if strings.Contains(text, "did not serve within") || !named || !wayOut.MatchString(message) {
		return "refused without naming the file, or the way out: " + message
	}
	return ""
}

// compare holds all answers against the truth.
func (w *row6Worker) compare() (lower bool, complaint string) {
	lower = lowerBound.MatchString(w.g.Log())
	unsure := intentsDamaged.MatchString(w.g.Log())
	var wrong []string
	for i, q := range w.asked {
		answer := q.ask(w.g)
		switch {
		case answer == w.truth[i], q.open && lower && openIsLower(answer, w.truth[i]):
		case strings.HasPrefix(answer, "error: ") && wayOut.MatchString(answer):
		case unsure && strings.ReplaceAll(w.truth[i], `"uncertain":1`, `"uncertain":0`) == answer:
		default:
			wrong = append(wrong, fmt.Sprintf("%s:\n got %s\nwant %s", q.path, answer, w.truth[i]))
		}
	}
	out, err := w.g.Command("verify", "--address", w.g.Admin)
	if err != nil && len(wrong) == 0 && !regexp.MustCompile(`damaged|differs|tallygate repair`).MatchString(out) {
		wrong = append(wrong, "verify: "+out)
	}
	if len(wrong) > 0 {
		log := w.g.Log()
		complaint = strings.Join(wrong, "\n") + "\nend of the log: " + log[max(0, len(log)-4000):]
	}
	return lower, complaint
}

// openIsLower compares usage: what is settled must be the same, and what is open
// no more than it was.
func openIsLower(answer, truth string) bool {
	var have, want usage
	if json.Unmarshal([]byte(answer), &have) != nil || json.Unmarshal([]byte(truth), &want) != nil {
		return false
	}
	if have.Balance != want.Balance || have.Debited != want.Debited || have.Month != want.Month {
		return false
	}
	for operation, calls := range have.counted() {
		if calls > want.counted()[operation] {
			return false
		}
	}
	settled := func(u usage) map[string]int64 {
		sums := map[string]int64{}
		for _, l := range u.Lines {
			if l.Settled > 0 {
				sums[l.Operation+" "+l.Funding] = l.Settled
			}
		}
		return sums
	}
	return maps.Equal(settled(have), settled(want))
}

var errNoTruth = errors.New("the undamaged folder is not served")

// learn asks all questions of the undamaged folder, twice.
func (b *row6) learn(t *testing.T) {
	t.Helper()
	w := b.worker(t)
	for pass := range 2 {
		if err := errors.Join(os.RemoveAll(filepath.Join(w.g.Dir, "data")), b.files.write(w.g.Dir), w.g.Start()); err != nil {
			t.Fatal(errNoTruth, err)
		}
		for i, q := range b.asked {
			answer := q.ask(w.g)
			if strings.HasPrefix(answer, "error") {
				t.Fatal(errNoTruth, q.path, answer)
			}
			if pass == 0 {
				b.truth = append(b.truth, answer)
			} else if answer != b.truth[i] {
				t.Fatalf("%s: %s at first, then %s", q.path, b.truth[i], answer)
			}
		}
		if out, err := w.g.Command("verify", "--address", w.g.Admin); err != nil {
			t.Fatal(out, err)
		}
		w.g.Kill()
	}
	if all := strings.Join(b.truth, "\n"); !strings.Contains(all, `"closed":true`) || !bytes.Contains([]byte(all), []byte(`"uncertain":1`)) {
		t.Fatalf("the folder has not everything in it: %s", all)
	}
}
