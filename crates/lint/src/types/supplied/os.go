package os

type Signal interface {
	Signal()
	String() string
}

var Interrupt, Kill Signal
var Args []string

func Exit(code int)
func Getenv(key string) string
func Getpid() int
