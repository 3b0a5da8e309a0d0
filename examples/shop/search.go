// Package main is a small service with a goroutine leak.
package main

import (
	"context"
	"time"
)

// The index is slow today.
const indexTakes = 20 * time.Millisecond

func askIndex(query string) string {
	time.Sleep(indexTakes)
	return "no " + query + " in stock"
}

// search asks the index, and gives up when ctx is done. Then nobody takes the answer, and its sender blocks for ever.
// (The remedy is room for one answer: make(chan string, 1).)
func search(ctx context.Context, query string) (string, error) {
	answers := make(chan string)
	go func() {
		answers <- askIndex(query)
	}()
	select {
	case answer := <-answers:
		return answer, nil
	case <-ctx.Done():
		return "", ctx.Err()
	}
}
