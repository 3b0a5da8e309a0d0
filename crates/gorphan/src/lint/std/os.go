package os

type Signal interface {
	String() string
	Signal()
}

var Interrupt, Kill Signal
var Args []string

func Exit(code int)
func Getenv(key string) string
