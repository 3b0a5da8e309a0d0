package main

import "strings"

func splitLines(text []byte) []string { return strings.Split(string(text), "\n") }

func hasState(line, state string) bool {
	return strings.HasPrefix(line, "goroutine ") && strings.Contains(line, state)
}
