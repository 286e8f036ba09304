package badgerstore

import (
	"iter"
	"runtime"
	"sync"

	"github.com/tallygate/tallygate/ledger"
)

// A start reads all blocks, and to decode them takes longer than to find them.
// So they are decoded on all processors, some blocks ahead of who takes them.

const (
	// decodedAtOnce is how many blocks make a job: to wake a goroutine takes a good part
	// of what one block does.
	decodedAtOnce = 8
	// aheadEach is how many jobs wait for each processor: enough that none waits for
	// work.
	aheadEach = 2
)

// decodeJob is some blocks on their way. It is used again, and so is its memory.
type decodeJob struct {
	values [decodedAtOnce]blockValue
	taken  int // of values
	blocks []ledger.Block
	err    error         // of the value behind those of blocks
	slabs  ledger.Slabs  // the blocks'
	done   chan struct{} // gets one when blocks and err are there
}

// take copies a value, which its iteration is about to use again, and reports
// whether that was the last that the job has room for.
func (j *decodeJob) take(v blockValue) (full bool) {
	to := &j.values[j.taken]
	j.taken++
	to.number = v.number
	to.state = append(to.state[:0], v.state...)
	if to.terms = append(to.terms[:0], v.terms...); v.terms == nil {
		to.terms = nil
	}
	return j.taken == len(j.values)
}

func (j *decodeJob) decode() {
	j.slabs.Reset()
	j.blocks, j.err = j.blocks[:0], nil
	for _, v := range j.values[:j.taken] {
		var b ledger.Block
		if b, j.err = j.slabs.DecodeBlock(v.number, v.state, v.terms); j.err != nil {
			break
		}
		j.blocks = append(j.blocks, b)
	}
	j.done <- struct{}{}
}

// give passes on what was decoded, and reports whether to go on.
func (j *decodeJob) give(yield func(ledger.Block, error) bool) bool {
	<-j.done
	j.taken = 0
	for _, b := range j.blocks {
		if !yield(b, nil) {
			return false
		}
	}
	if j.err != nil {
		yield(ledger.Block{}, j.err)
	}
	return j.err == nil
}

// decoded iterates blocks in the order of their values, and ends after an error.
// Its goroutines have ended when it has.
func decoded(values iter.Seq2[blockValue, error]) iter.Seq2[ledger.Block, error] {
	return func(yield func(ledger.Block, error) bool) {
		workers := runtime.GOMAXPROCS(0)
		jobs := make([]decodeJob, workers*aheadEach)
		for i := range jobs {
			jobs[i].done = make(chan struct{}, 1)
		}
		todo := make(chan *decodeJob, len(jobs))
		var running sync.WaitGroup
		defer running.Wait()
		defer close(todo)
		for range workers {
			running.Go(func() {
				for j := range todo {
					j.decode()
				}
			})
		}
		first, next := 0, 0 // jobs from first to before next are on their way, next is being filled
		at := func(n int) *decodeJob { return &jobs[n%len(jobs)] }
		var failed error
		for v, err := range values {
			if failed = err; err != nil {
				break
			}
			if !at(next).take(v) {
				continue
			}
			todo <- at(next)
			if next++; next-first < len(jobs) {
				continue
			}
			if !at(first).give(yield) {
				return
			}
			first++
		}
		todo <- at(next) // what is left
		for ; first <= next; first++ {
			if !at(first).give(yield) {
				return
			}
		}
		if failed != nil {
			yield(ledger.Block{}, failed)
		}
	}
}
