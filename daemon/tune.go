package daemon

import (
	"bufio"
	"bytes"
	"math"
	"os"
	"runtime/debug"
	"strconv"
	"strings"
)

// gcPercent lets the heap grow to five times what lives before it is collected.
// A routing table is many small objects that live long: with Go's default of 100
// collecting them is the greatest single cost of taking in a full table
// (bench/README.md says how that is measured).
const gcPercent = 400

// tuneGC sets the collector for a large table, unless the environment does
// (GOGC, GOMEMLIMIT). Near four fifths of the machine's memory it collects as
// often as it must, so that the generous percentage cannot exhaust it.
func tuneGC() {
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	if os.Getenv("GOMEMLIMIT") == "" {
		if total := memoryTotal(); total > 0 {
			debug.SetMemoryLimit(total / 5 * 4)
		}
	}
}

// memoryTotal is how much memory there is for this process, in bytes: the
// machine's, or less where its control group says so. 0: not known.
func memoryTotal() int64 {
	total := int64(math.MaxInt64)
	if b, err := os.ReadFile("/proc/meminfo"); err == nil {
		total = min(total, memTotalOf(b))
	}
	if b, err := os.ReadFile("/sys/fs/cgroup/memory.max"); err == nil {
		if n, err := strconv.ParseInt(strings.TrimSpace(string(b)), 10, 64); err == nil { // or "max"
			total = min(total, n)
		}
	}
	if total == math.MaxInt64 {
		return 0
	}
	return total
}

// memTotalOf finds "MemTotal: 24576000 kB" in /proc/meminfo.
func memTotalOf(meminfo []byte) int64 {
	lines := bufio.NewScanner(bytes.NewReader(meminfo))
	for lines.Scan() {
		f := strings.Fields(lines.Text())
		if len(f) >= 2 && f[0] == "MemTotal:" {
			if n, err := strconv.ParseInt(f[1], 10, 64); err == nil {
				return n << 10
			}
		}
	}
	return math.MaxInt64
}
