// Package load sends requests over connections that stay open, cheaply: it runs
// on the machine that it measures.
package load

import (
	"context"
	"errors"
	"slices"
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
	end := time.Now().Add(a)
	return c.all(ctx, func(client Client) (latencies []time.Duration, err error) {
		for began := time.Now(); ; {
			if err := client.Do(); err != nil {
				return latencies, err
			}
			now := time.Now()
			latencies = append(latencies, now.Sub(began))
			if began = now; now.After(end) {
				return latencies, nil
			}
		}
	})
}

// all lets all clients work at once, and returns the latencies of all.
func (c Crowd) all(ctx context.Context, work func(Client) (latencies []time.Duration, err error)) ([]time.Duration, error) {
	each, errs := make([][]time.Duration, len(c)), make([]error, len(c))
	var clients sync.WaitGroup
	for i, client := range c {
		clients.Go(func() { each[i], errs[i] = work(client) })
	}
	clients.Wait()
	return slices.Concat(each...), errors.Join(append(errs, ctx.Err())...)
}

// Close closes all connections.
func (c Crowd) Close() error {
	var errs []error
	for _, client := range c {
		errs = append(errs, client.Close())
	}
	return errors.Join(errs...)
}
