// Waits: goroutines that wait for all there is to wait for. What each started with says how.
package main

import (
	"fmt"
	"os"
	"runtime"
	"sync"
	"time"
)

var all sync.WaitGroup

func start(f func()) {
	all.Add(1)
	go f()
}

func oneReceive(ch chan int) func()   { return func() { all.Done(); <-ch } }
func oneSend(ch chan *int) func()     { return func() { all.Done(); ch <- nil } }
func oneMutex(mu *sync.Mutex) func()  { return func() { all.Done(); mu.Lock() } }
func oneRead(mu *sync.RWMutex) func() { return func() { all.Done(); mu.RLock() } }
func oneGroup(g *sync.WaitGroup) func() {
	return func() { all.Done(); g.Wait() }
}
func oneCond(c *sync.Cond) func() { return func() { c.L.Lock(); all.Done(); c.Wait() } }
func twoSelect(a chan int, b chan string) func() {
	return func() {
		all.Done()
		select {
		case <-a:
		case b <- "":
		}
	}
}
func nothingReceive(ch chan int) func() { return func() { all.Done(); <-ch } }
func nothingSelect(a, b chan int) func() {
	return func() {
		all.Done()
		select {
		case <-a:
		case b <- 1:
		}
	}
}
func nothingAtAll() func() { return func() { all.Done(); select {} } }
func noSleep() func()      { return func() { all.Done(); time.Sleep(time.Hour) } }
func noPipe(file *os.File) func() {
	return func() { all.Done(); file.Read(make([]byte, 1)) }
}

func main() {
	mu, rw, group := &sync.Mutex{}, &sync.RWMutex{}, &sync.WaitGroup{}
	cond := sync.NewCond(&sync.Mutex{})
	mu.Lock()
	rw.Lock()
	group.Add(1)
	for i := 0; i < 3; i++ {
		start(oneReceive(make(chan int)))
		start(oneSend(make(chan *int)))
		start(oneMutex(mu))
		start(oneRead(rw))
		start(oneGroup(group))
		start(oneCond(cond))
		start(twoSelect(make(chan int), make(chan string)))
	}
	start(nothingReceive(nil))
	start(nothingSelect(nil, nil))
	start(nothingAtAll())
	start(noSleep())
	r, w, _ := os.Pipe()
	start(noPipe(r))
	coroutines()
	all.Wait()
	waitUntilBlocked()
	fmt.Println("ready")
	os.Stdin.Read(make([]byte, 1))
	runtime.KeepAlive([]any{w, mu, rw, group, cond})
}

// Waits until everybody but this one has stopped: their stacks say so.
func waitUntilBlocked() {
	stacks := make([]byte, 1<<20)
	for runs := 2; runs > 1; time.Sleep(time.Millisecond) {
		runs = 0
		for _, line := range splitLines(stacks[:runtime.Stack(stacks, true)]) {
			if hasState(line, "[running]") || hasState(line, "[runnable]") {
				runs++
			}
		}
	}
}
