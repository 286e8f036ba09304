package badgerstore

import (
	"iter"
	"runtime"
	"sync"

	"github.com/tallygate/tallygate/ledger"
)

// A start reads all blocks, and to decode them takes longer than to find them.
// So they are decoded on all processors, a few blocks ahead of who takes them.

// aheadEach is how many blocks wait for each processor: enough that none waits
// for work.
const aheadEach = 4

// decodeJob is a block on its way. It is used again, and so is its memory.
type decodeJob struct {
	value blockValue
	block ledger.Block
	slabs ledger.Slabs // the block's
	err   error
	done  chan struct{} // gets one when block and err are there
}

// take copies a value, which its iteration is about to use again.
func (j *decodeJob) take(v blockValue) {
	j.value.number = v.number
	j.value.state = append(j.value.state[:0], v.state...)
	if j.value.terms = j.value.terms[:0]; v.terms == nil {
		j.value.terms = nil
		return
	}
	j.value.terms = append(j.value.terms, v.terms...)
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
			running.Go(func() { decode(todo) })
		}
		first, next := 0, 0 // jobs from first to next are on their way
		give := func() bool {
			j := &jobs[first%len(jobs)]
			first++
			<-j.done
			return yield(j.block, j.err) && j.err == nil
		}
		var failed error
		for v, err := range values {
			if failed = err; err != nil {
				break
			}
			if next-first == len(jobs) && !give() {
				return
			}
			j := &jobs[next%len(jobs)]
			j.take(v)
			todo <- j
			next++
		}
		for first < next {
			if !give() {
				return
			}
		}
		if failed != nil {
			yield(ledger.Block{}, failed)
		}
	}
}

func decode(todo <-chan *decodeJob) {
	for j := range todo {
		j.slabs.Reset()
		j.block, j.err = j.slabs.DecodeBlock(j.value.number, j.value.state, j.value.terms)
		j.done <- struct{}{}
	}
}
