// Package load sends requests over connections that stay open, cheaply: it runs
// on the machine that it measures.
package load

import (
	"context"
	"errors"
	"sync"
	"time"
)

// Request is what a client sends again and again, as a POST.
type Request struct {
	Path string
	Key  string // in X-Api-Key
	Type string // Content-Type of the body
	Body func() []byte
}

// Fixed is a body that is always the same.
func Fixed(body string) func() []byte {
	bytes := []byte(body)
	return func() []byte { return bytes }
}

// Client has one request under way at a time.
type Client interface {
	// Do sends a request and reads its answer to the end. An answer other than
	// 200 is an error, and so is a connection that was closed.
	Do() error
	Close() error
}

// Crowd are the clients of one site.
type Crowd []Client

// For lets all clients send one request after the other for a while, at least
// one each, and returns the latencies of all requests when the last is answered.
func (c Crowd) For(ctx context.Context, a time.Duration) (latencies []time.Duration, err error) {
	each, errs := make([][]time.Duration, len(c)), make([]error, len(c))
	end := time.Now().Add(a)
	var clients sync.WaitGroup
	for i, client := range c {
		clients.Go(func() {
			for began := time.Now(); ; {
				if errs[i] = client.Do(); errs[i] != nil {
					return
				}
				now := time.Now()
				each[i] = append(each[i], now.Sub(began))
				if began = now; now.After(end) {
					return
				}
			}
		})
	}
	clients.Wait()
	for _, l := range each {
		latencies = append(latencies, l...)
	}
	return latencies, errors.Join(append(errs, ctx.Err())...)
}

// Close closes all connections.
func (c Crowd) Close() error {
	var errs []error
	for _, client := range c {
		errs = append(errs, client.Close())
	}
	return errors.Join(errs...)
}
