//go:build goexperiment.arenas

package main

import (
	"arena"
	"reflect"
	"unsafe"
)

var area *arena.Arena

// own allocates in an arena that the program frees itself.
func own() {
	area = arena.NewArena()
	for i := 0; i < 50; i++ {
		p := arena.New[words](area)
		say(unsafe.Pointer(p), reflect.TypeOf(*p), wordsMask, 1)
		l := arena.MakeSlice[pair](area, 100+i, 100+i)
		say(unsafe.Pointer(&l[0]), reflect.TypeOf(pair{}), pairMask, len(l))
	}
	// One that is gone.
	freed := arena.NewArena()
	arena.New[words](freed)
	freed.Free()
}
