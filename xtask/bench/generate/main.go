// Writes goroutine profiles of a program with many goroutines, as inputs for the benchmarks.
//
//	generate DIR dump|counted|profile|paths
//
// writes DIR/dump.txt (debug=2 of 100,000 goroutines, few distinct stacks), DIR/counted.txt (debug=1 of 100,000
// goroutines with labels of their own on deep stacks), DIR/profile.pb.gz (debug=0 of 9,200 labelled goroutines on random
// paths through the 400 functions of calls.go, as in a large service), or DIR/paths.pb.gz (debug=0 of 100,000
// goroutines, each on a path of its own through three functions).
package main

import (
	"context"
	"fmt"
	"math/rand"
	"os"
	"path/filepath"
	"runtime"
	"runtime/pprof"
	"strconv"
	"sync"
)

const goroutines = 100_000

type request struct{ id int }

type handler struct {
	mu      sync.Mutex
	results chan request
	done    chan struct{}
}

func (h *handler) serve(r request, depth int) {
	if depth > 0 {
		h.serve(r, depth-1)
		return
	}
	h.reply(r)
}

func (h *handler) reply(r request) {
	switch r.id % 4 {
	case 0:
		h.results <- r
	case 1:
		<-h.done
	case 2:
		select {
		case h.results <- r:
		case <-h.done:
		}
	default:
		h.mu.Lock()
	}
}

// path gives each number a call path of its own: left and right by its bits.
func (h *handler) path(bits, depth int) {
	switch {
	case depth == 0:
		<-h.done
	case bits&1 == 0:
		h.left(bits>>1, depth-1)
	default:
		h.right(bits>>1, depth-1)
	}
}

func (h *handler) left(bits, depth int)  { h.path(bits, depth) }
func (h *handler) right(bits, depth int) { h.path(bits, depth) }

func write(dir, name string, level int) {
	file, err := os.Create(filepath.Join(dir, name))
	if err != nil {
		panic(err)
	}
	defer file.Close()
	if err := pprof.Lookup("goroutine").WriteTo(file, level); err != nil {
		panic(err)
	}
}

// start runs n goroutines of body and returns when all have been scheduled once.
func start(n int, body func(h *handler, i int)) {
	h := &handler{results: make(chan request), done: make(chan struct{})}
	h.mu.Lock()
	var started sync.WaitGroup
	started.Add(n)
	for i := 0; i < n; i++ {
		go func(i int) {
			started.Done()
			body(h, i)
		}(i)
	}
	started.Wait()
	runtime.GC()
}

func labelled(h *handler, i int) {
	labels := pprof.Labels("request", strconv.Itoa(i), "service", "checkout", "tenant", fmt.Sprint("tenant-", i%97))
	pprof.Do(context.Background(), labels, func(context.Context) {
		h.serve(request{1}, 24)
	})
}

// routed goes down a random path of 8 to 27 calls.
func routed(h *handler, i int) {
	random := rand.New(rand.NewSource(int64(i)))
	path := make([]byte, 8+random.Intn(20))
	random.Read(path)
	labels := pprof.Labels("route", fmt.Sprint("/api/", i%40), "pool", fmt.Sprint("w", i%16))
	pprof.Do(context.Background(), labels, func(context.Context) { call0(h, path) })
}

func main() {
	dir := os.Args[1]
	switch os.Args[2] {
	case "dump":
		start(goroutines, func(h *handler, i int) { h.serve(request{i}, i%3) })
		write(dir, "dump.txt", 2)
	case "counted":
		start(goroutines, labelled)
		write(dir, "counted.txt", 1)
	case "profile":
		start(9_200, routed)
		write(dir, "profile.pb.gz", 0)
	case "paths":
		start(goroutines, func(h *handler, i int) { h.path(i, 17) })
		write(dir, "paths.pb.gz", 0)
	}
}
