//go:build go1.23

package main

import "iter"

var next func() (int, bool)

func numbers(yield func(int) bool) {
	for i := 0; yield(i); i++ {
	}
}

func coroutines() {
	next, _ = iter.Pull(numbers)
	next()
	unstarted, _ = iter.Pull(numbers)
}

var unstarted func() (int, bool)
