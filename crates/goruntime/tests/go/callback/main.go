// callback has goroutines that wait below C code: Go calls C, which calls Go again. It answers at /debug/pprof until
// standard input closes.
package main

/*
extern void back(int depth);
static void forth(int depth) { back(depth); }
static void wait_in_c(void) { extern int pause(void); pause(); }
*/
import "C"

import (
	"fmt"
	"io"
	"net"
	"net/http"
	_ "net/http/pprof"
	"os"
	"runtime"
	"sync"
)

var (
	never = make(chan int)
	below sync.WaitGroup
)

//export back
func back(depth C.int) {
	if depth > 0 {
		C.forth(depth - 1)
		return
	}
	below.Done()
	<-never
}

func main() {
	for depth := 0; depth < 3; depth++ {
		below.Add(1)
		go C.forth(C.int(depth))
	}
	below.Add(1)
	go func() {
		runtime.LockOSThread()
		below.Done()
		<-never
	}()
	below.Add(1)
	go func() {
		below.Done()
		C.wait_in_c()
	}()
	below.Wait()
	// So many that no dump is taken for an empty one.
	for i := 0; i < 20; i++ {
		go func() { <-never }()
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go http.Serve(listener, nil)
	fmt.Printf("ready http://%s\n", listener.Addr())
	io.Copy(io.Discard, os.Stdin)
}
