package runtime

type Error interface {
	error
	RuntimeError()
}

func GC()
func GOMAXPROCS(n int) int
func Goexit()
func Gosched()
func KeepAlive(x any)
func LockOSThread()
func NumCPU() int
func NumGoroutine() int
func UnlockOSThread()
