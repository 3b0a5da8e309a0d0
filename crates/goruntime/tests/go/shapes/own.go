//go:build !goexperiment.arenas

package main

func own() {}
