// A service with very many goroutines, to be looked at from outside and from inside.
//
//	crowd GOROUTINES LEAKED DEPTH
//
// starts that many sessions, of which one in LEAKED has lost whoever would have answered it (0 for none), and prints
// "ADDRESS PID" once all of them wait. Each session holds a request: a tree of small structs of that depth, some strings, a
// map, and a buffer without pointers; with a depth of 5 these are 6 KB. Profiles are served at ADDRESS/debug/pprof/.
package main

import (
	"bytes"
	"fmt"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"strconv"
	"sync"
	"sync/atomic"
)

type header struct {
	name, value string
	next        *header
}

type node struct {
	left, right *node
	payload     any
}

type session struct {
	id      int
	headers *header
	tree    *node
	values  map[string]int
	body    []byte
	answer  chan []byte
	failed  chan error
}

type server struct {
	mu       sync.Mutex
	sessions map[int]*session
	stop     chan struct{}
}

var (
	running = &server{sessions: map[int]*session{}, stop: make(chan struct{})}
	waiting atomic.Int64
)

func tree(depth int) *node {
	if depth == 0 {
		return nil
	}
	return &node{left: tree(depth - 1), right: tree(depth - 1), payload: depth}
}

func newSession(id, depth int) *session {
	s := &session{
		id:     id,
		tree:   tree(depth),
		values: map[string]int{"id": id, "retries": id % 3},
		body:   bytes.Repeat([]byte{byte(id)}, 100<<depth),
		answer: make(chan []byte),
		failed: make(chan error, 1),
	}
	for n := range depth + 3 {
		s.headers = &header{name: "name" + strconv.Itoa(n), value: strconv.Itoa(id), next: s.headers}
	}
	return s
}

// serve waits at the bottom of some frames, as a request does.
func (s *session) serve(depth int, done <-chan struct{}) int {
	var local [16]*header
	local[depth] = s.headers
	if depth > 0 {
		return s.serve(depth-1, done) + len(local[depth].name)
	}
	waiting.Add(1)
	select {
	case answer := <-s.answer:
		return len(answer)
	case <-done:
	case err := <-s.failed:
		fmt.Println(err)
	}
	return len(s.body)
}

func main() {
	goroutines, _ := strconv.Atoi(os.Args[1])
	leaked, _ := strconv.Atoi(os.Args[2])
	depth, _ := strconv.Atoi(os.Args[3])
	for id := range goroutines {
		s := newSession(id, depth)
		if leaked > 0 && id%leaked == 0 {
			// Nobody else knows of it, nor of what would end it.
			go s.serve(6, make(chan struct{}))
			continue
		}
		running.mu.Lock()
		running.sessions[id] = s
		running.mu.Unlock()
		go s.serve(6, running.stop)
	}
	for waiting.Load() < int64(goroutines) {
		runtime.Gosched()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	fmt.Println(listener.Addr(), os.Getpid())
	panic(http.Serve(listener, nil))
}
