package main

import (
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"time"
)

// patience is how long the service waits for the index.
const patience = time.Millisecond

func handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/search", func(w http.ResponseWriter, r *http.Request) {
		ctx, cancel := context.WithTimeout(r.Context(), patience)
		defer cancel()
		answer, err := search(ctx, r.URL.Query().Get("q"))
		if err != nil {
			answer = "ask again later"
		}
		fmt.Fprintln(w, answer)
	})
	mux.HandleFunc("/health", func(w http.ResponseWriter, r *http.Request) {})
	return mux
}

// It prints "ready URL" and ends when standard input does.
func main() {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	go http.Serve(listener, handler())
	fmt.Printf("ready http://%s\n", listener.Addr())
	io.Copy(io.Discard, os.Stdin)
}
