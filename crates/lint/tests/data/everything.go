//go:build linux && !cgo

// Package everything has each construct of Go 1.27 once.
package everything

import "fmt"
import (
	m "math"
	. "strings"
	_ "embed"
)

const Alone = 0x1p-2 + 'x'

const (
	zero, _ = iota, 1 << iota
	one, two
	three float64 = 3_000.5e+7i
)

var (
	a, b    int = 1, 2
	ch          = make(chan<- (<-chan int), 0b101)
	table       = map[string][]struct{ x, y int }{"k": {{1, 2}, {y: 0o7}}}
	grid        = [...][2]*int{3: {nil, new(1 + 2)}}
	closure     = func(n int, rest ...string) (err error) { return nil }
)

type (
	Alias[P any]                     = []P
	Array                            [two * 2]int
	Number                           interface{ ~int | ~float64 }
	Pair[K comparable, V Number]     struct{ key K; value V }
	Ring[P *struct{}]                [2]P
	Embeds                           struct {
		*fmt.Stringer `json:"s,omitempty"`
		Pair[string, int]
		m.Big[int]
		items [4]Alias[int]
		next  <-chan chan<- func(int) (string, error)
	}
	Method interface {
		fmt.Stringer
		Number | ~[]byte
		Do(ctx interface{}, _ ...func()) (n int, err error)
	}
)

func (e *Embeds) Map[T any, U ~[]T](f func(T) U, _ ...T) (_ U, err error) {
	defer func() { recover() }()
	return f(*new(T)), nil
}

func external(x, y int) (z int)

//go:noinline
func everything[P interface{ *int }](c chan int, v any) {
	var local, other = 1, `raw
string`
	type inner = Pair[int, float64]
	const k = len("\u65e5\xff\n")
	local++
	other, _ = Repeat("x", local), 0
	local <<= 2
	local &^= ^3 | -1&+2
	c <- <-c
	(<-chan int)(c) <- 1
	go func(c chan int) { close(c) }(c)
Outer:
	for i := 0; i < 10 && !false; i-- {
		switch x := i; {
		case x == 1, x > 2:
			continue Outer
		default:
			fallthrough
		case false:
		}
		for range 10 {
			break Outer
		}
	}
	for k, v := range table[Array{}.key:][1:2:3] {
		_, _ = k, v
	}
	for key = range everything[P] {
	}
	for {
		select {
		case c <- 1:
		case v, ok := (<-c):
			goto End
		case <-c:
		default:
			;
		}
	}
	switch x := v.(type) {
	case nil, *int, map[string]chan int:
	case interface{ M() }, func(int) string:
		_ = x.(fmt.Stringer).String
	}
	if x := (Pair[int, int]{1, 2}); x == (Pair[int, int]{}) {
		return
	} else if f := (*Embeds).Map[int, []int]; f != nil {
	} else {
		fmt.Println(x.key, min(1, 2)...)
	}
	{
		_ = [](func())(nil)
	}
End:
}
