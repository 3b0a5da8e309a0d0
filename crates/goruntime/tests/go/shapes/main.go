// Shapes allocates objects of many sizes and types and says which of their words are pointers, then waits.
//
// It says "ready", and for each object its address, its bytes, the name of its type, and its words: P for a pointer, N for
// another word. Every word holds the address of an object, so that one that is taken for a pointer by mistake is noticed.
package main

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"reflect"
	"runtime"
	"strings"
	"unsafe"
)

type one struct{ p *int64 }

type pair struct {
	p *int64
	n uintptr
}

type middle struct {
	a uintptr
	p *int64
	b uintptr
}

type words struct {
	p *int64
	s string
	i any
	l []int64
	n uintptr
}

type references struct {
	m map[int]int
	c chan int
	f func()
	u unsafe.Pointer
	e error
}

type tail struct {
	p *int64
	n [20]uintptr
}

type nested struct {
	n     uintptr
	pairs [3]pair
	w     struct{ a, b words }
	t     [2]tail
}

type sixty struct {
	a [30]pair
	p *int64
	n [2]uintptr
}

type page struct {
	n uintptr
	w [100]words
	p *int64
}

// large has its pointers described by a program up to Go 1.23, and from 1.24 by a mask that is made when needed.
type large struct {
	n uintptr
	a [9000]pair
	w [3]words
	p *int64
	t tail
}

// wide takes many bytes for few pointers.
type wide struct {
	n [62]uintptr
	p *int64
	m uintptr
}

// leaf is small: what it is only its holder knows.
type leaf struct {
	p *int64
	n [2]uintptr
}

func (*leaf) String() string { return "leaf" }

type holder struct {
	w [100]words
	p *leaf
	l []leaf
	a any
	s fmt.Stringer
	c chan *int64
}

const (
	oneMask        = "P"
	pairMask       = "PN"
	middleMask     = "NPN"
	wordsMask      = "PPNNPPNNN"
	referencesMask = "PPPPNP"
)

var (
	tailMask   = "P" + strings.Repeat("N", 20)
	nestedMask = "N" + strings.Repeat(pairMask, 3) + strings.Repeat(wordsMask, 2) + strings.Repeat(tailMask, 2)
	sixtyMask  = strings.Repeat(pairMask, 30) + "PNN"
	pageMask   = "N" + strings.Repeat(wordsMask, 100) + "P"
	largeMask  = "N" + strings.Repeat(pairMask, 9000) + strings.Repeat(wordsMask, 3) + "P" + tailMask
)

var (
	// What all words point to.
	targets = make([]int64, 1<<12)
	kept    []unsafe.Pointer
	next    int
	out     = bufio.NewWriterSize(os.Stdout, 1<<20)
)

func target() unsafe.Pointer {
	next = (next + 1) % len(targets)
	return unsafe.Pointer(&targets[next])
}

// say fills an object of count values and says what it is.
func say(at unsafe.Pointer, of reflect.Type, mask string, count int) {
	if uintptr(len(mask)*8) != of.Size() {
		panic(fmt.Sprint(of, " has other words: ", of.Size(), " ", len(mask)*8))
	}
	kept = append(kept, at)
	fmt.Fprintf(out, " %x,%d,%s,", uintptr(at), int(of.Size())*count, strings.ReplaceAll(of.String(), " ", "_"))
	for i := 0; i < count; i++ {
		for word := range mask {
			place := unsafe.Add(at, (i*len(mask)+word)*8)
			if mask[word] == 'P' {
				*(*unsafe.Pointer)(place) = target()
			} else {
				*(*uintptr)(place) = uintptr(target())
			}
		}
	}
	fmt.Fprintf(out, "%s", mask)
}

func many[T any](mask string) {
	of := reflect.TypeOf((*T)(nil)).Elem()
	for count := 1; count*int(of.Size()) <= 80<<10; count += 1 + count/3 {
		all := make([]T, count)
		say(unsafe.Pointer(&all[0]), of, mask, count)
	}
	all := make([]T, 1+300000/int(of.Size()))
	say(unsafe.Pointer(&all[0]), of, mask, len(all))
}

// made are types that the compiler does not know.
func made() {
	pointer, number := reflect.TypeOf((*int64)(nil)), reflect.TypeOf(uintptr(0))
	field := func(name string, of reflect.Type) reflect.StructField {
		return reflect.StructField{Name: name, Type: of}
	}
	small := reflect.StructOf([]reflect.StructField{
		field("A", number), field("B", pointer), field("C", reflect.TypeOf(pair{})), field("D", number),
	})
	mask := "NP" + pairMask + "N"
	say(reflect.New(small).UnsafePointer(), small, mask, 1)
	for _, length := range []int{2, 7, 30, 100, 900, 7001, 70001} {
		array := reflect.ArrayOf(length, small)
		say(reflect.New(array).UnsafePointer(), array, strings.Repeat(mask, length), 1)
		slice := reflect.MakeSlice(reflect.SliceOf(small), length, length)
		say(slice.UnsafePointer(), small, mask, length)
	}
	made := reflect.StructOf([]reflect.StructField{
		field("A", reflect.ArrayOf(300, small)), field("B", pointer), field("C", number),
	})
	say(reflect.New(made).UnsafePointer(), made, strings.Repeat(mask, 300)+"PN", 1)
}

// held are objects that others name, by the types of their fields (T), by interfaces (I), or that name themselves (C).
func held() {
	h := &holder{p: new(leaf), l: make([]leaf, 5), a: leaf{p: &targets[0]}, s: new(leaf), c: make(chan *int64, 3)}
	kept = append(kept, unsafe.Pointer(h))
	tell := func(at unsafe.Pointer, of, how string) {
		fmt.Fprintf(out, " %x,8,%s,%s", uintptr(at), of, how)
	}
	tell(unsafe.Pointer(h), "main.holder", "T")
	tell(unsafe.Pointer(h.p), "main.leaf", "T")
	tell(unsafe.Pointer(&h.l[0]), "[]main.leaf", "T")
	tell((*[2]unsafe.Pointer)(unsafe.Pointer(&h.a))[1], "main.leaf", "I")
	tell((*[2]unsafe.Pointer)(unsafe.Pointer(&h.s))[1], "main.leaf", "I")
	tell(*(*unsafe.Pointer)(unsafe.Pointer(&h.c)), "chan_*int64", "C")
}

func all() {
	many[one](oneMask)
	many[pair](pairMask)
	many[middle](middleMask)
	many[words](wordsMask)
	many[references](referencesMask)
	many[tail](tailMask)
	many[nested](nestedMask)
	many[sixty](sixtyMask)
	many[page](pageMask)
	many[large](largeMask)
	many[[5]pair](strings.Repeat(pairMask, 5))
	many[[3][40]words](strings.Repeat(wordsMask, 120))
	made()
}

func main() {
	// Some of what dies here is allocated again, over what it was.
	out.Reset(io.Discard)
	for i := 0; i < 3; i++ {
		all()
		kept = nil
		runtime.GC()
	}
	out.Reset(os.Stdout)
	fmt.Fprint(out, "ready")
	all()
	runtime.GC()
	all()
	own()
	held()
	if len(os.Args) > 1 {
		// So many that they lie in two regions of the heap.
		big := make([]wide, 1<<17)
		say(unsafe.Pointer(&big[0]), reflect.TypeOf(big[0]), strings.Repeat("N", 62)+"PN", len(big))
	}
	fmt.Fprintln(out)
	out.Flush()
	os.Stdin.Read(make([]byte, 1))
	runtime.KeepAlive(targets)
	runtime.KeepAlive(kept)
}
