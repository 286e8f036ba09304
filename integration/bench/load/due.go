package load

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"time"
)

// Due draws when requests are due, so many a second on average and at least one, as
// the times since the beginning of a while, in order. The gaps are exponential, as
// those between callers who do not know of one another: some come together, as they
// do, and their rhythm is not that of anything in a server, as an even one may be.
func Due(rate float64, a time.Duration, random *rand.Rand) (due []time.Duration) {
	gap := func() time.Duration { return time.Duration(random.ExpFloat64() / rate * float64(time.Second)) }
	for at := gap(); len(due) == 0 || at < a; at += gap() {
		due = append(due, at)
	}
	return due
}

// lead is before the beginning, for all clients to be waiting.
const lead = time.Millisecond

// At sends a request at each of the times that Due drew, by the client that is free
// first, and returns the latencies when the last is answered. They count from when a
// request was due: where all clients wait for answers it is sent late, and what it
// waited for a client is a part of what its caller would have waited.
func (c Crowd) At(ctx context.Context, due []time.Duration) (latencies []time.Duration, err error) {
	began := time.Now().Add(lead)
	var taken atomic.Int64
	return c.all(ctx, func(client Client) (latencies []time.Duration, err error) {
		alarm, err := newAlarm()
		if err != nil {
			return nil, err
		}
		defer alarm.Close() // it is only read
		for {
			next := int(taken.Add(1)) - 1
			if next >= len(due) {
				return latencies, nil
			}
			at := began.Add(due[next])
			if err := alarm.wait(at); err != nil {
				return latencies, err
			}
			if err := client.Do(); err != nil {
				return latencies, err
			}
			latencies = append(latencies, time.Since(at))
		}
	})
}
