//go:build unix

package main

import (
	"fmt"
	"go/parser"
	"go/token"
	"os"
	"runtime"
	"sort"
	"strconv"
	"strings"
	"syscall"
)

func timeAll(argument string) {
	runs, err := strconv.Atoi(argument)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(2)
	}
	var sources [][]byte
	for _, path := range paths() {
		source, err := os.ReadFile(path)
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		sources = append(sources, source)
	}
	var seconds []float64
	declarations := 0
	for run := 0; run < runs; run++ {
		runtime.GC()
		start := processorSeconds()
		declarations = 0
		for _, source := range sources {
			file, _ := parser.ParseFile(token.NewFileSet(), "", source, parser.SkipObjectResolution)
			if file != nil {
				declarations += len(file.Decls)
			}
		}
		seconds = append(seconds, processorSeconds()-start)
	}
	sort.Float64s(seconds)
	fmt.Println(seconds[runs/2], declarations, peakKiB())
}

func processorSeconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e9
}

func peakKiB() int {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if strings.HasPrefix(line, "VmHWM:") {
			kib, _ := strconv.Atoi(strings.Fields(line)[1])
			return kib
		}
	}
	return 0
}
