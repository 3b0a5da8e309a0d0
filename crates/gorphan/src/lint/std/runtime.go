package runtime

func GC()
func GOMAXPROCS(n int) int
func Goexit()
func Gosched()
func NumCPU() int
func NumGoroutine() int
