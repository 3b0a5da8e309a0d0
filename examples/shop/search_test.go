package main

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"
)

// All of these pass. Those that give up leave a goroutine behind.

func TestSearch(t *testing.T) {
	answer, err := search(context.Background(), "tea")
	if err != nil || answer != "no tea in stock" {
		t.Fatal(answer, err)
	}
}

func TestSearchGivesUp(t *testing.T) {
	for _, patience := range []time.Duration{0, time.Millisecond} {
		patience := patience
		t.Run(patience.String(), func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithTimeout(context.Background(), patience)
			defer cancel()
			if _, err := search(ctx, "tea"); !errors.Is(err, context.DeadlineExceeded) {
				t.Fatal(err)
			}
		})
	}
}

func TestHealth(t *testing.T) {
	answer := httptest.NewRecorder()
	handler().ServeHTTP(answer, httptest.NewRequest("GET", "/health", nil))
	if answer.Code != http.StatusOK {
		t.Fatal(answer.Code)
	}
}
