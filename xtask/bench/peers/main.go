// Times other projects' parsers on a file, for comparison:
//
//	peers gostackparse|pprof FILE RUNS
//
// prints "median seconds, goroutines (or samples) found, peak resident KiB".
package main

import (
	"bytes"
	"fmt"
	"os"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/DataDog/gostackparse"
	"github.com/google/pprof/profile"
)

func parse(peer string, data []byte) int {
	switch peer {
	case "gostackparse":
		goroutines, _ := gostackparse.Parse(bytes.NewReader(data))
		return len(goroutines)
	case "pprof":
		parsed, err := profile.ParseData(data)
		if err != nil {
			panic(err)
		}
		return len(parsed.Sample)
	}
	panic("unknown peer " + peer)
}

func peakKiB() int {
	status, _ := os.ReadFile("/proc/self/status")
	for _, line := range strings.Split(string(status), "\n") {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kib, _ := strconv.Atoi(strings.Fields(rest)[0])
			return kib
		}
	}
	return 0
}

func main() {
	data, err := os.ReadFile(os.Args[2])
	if err != nil {
		panic(err)
	}
	runs, _ := strconv.Atoi(os.Args[3])
	seconds := make([]float64, 0, runs)
	found := 0
	for i := 0; i < runs; i++ {
		start := time.Now()
		found = parse(os.Args[1], data)
		seconds = append(seconds, time.Since(start).Seconds())
	}
	sort.Float64s(seconds)
	fmt.Println(seconds[len(seconds)/2], found, peakKiB())
}
