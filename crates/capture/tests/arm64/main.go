// A program for arm64 that leaks in the ways that its dump shows, and waits to be aborted.
package main

import (
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

type job struct {
	id  int
	out chan string
}

type guarded struct {
	mu   sync.Mutex
	jobs []*job
}

var held = make(chan int)

func send(j *job) { j.out <- "done" }

func lockTwice(g *guarded) {
	g.mu.Lock()
	g.mu.Lock()
	g.jobs = nil
}

func choose(a, b chan *job) {
	select {
	case <-a:
	case b <- nil:
	}
}

func spin(n *int) {
	for {
		*n++
	}
}

func main() {
	for i := range 3 {
		go send(&job{i, make(chan string)})
	}
	go lockTwice(&guarded{jobs: []*job{{}}})
	go choose(make(chan *job), make(chan *job))
	go func() { <-held }()
	go func() {
		group := &struct {
			sync.WaitGroup
			jobs []*job
		}{}
		group.Add(1)
		group.Wait()
	}()
	go func() { select {} }()
	go time.Sleep(time.Hour)
	go spin(new(int))
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGUSR1)
	time.Sleep(100 * time.Millisecond)
	os.Stdout.WriteString("ready\n")
	<-signals
	close(held)
}
