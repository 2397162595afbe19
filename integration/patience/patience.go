// Package patience says how long a test waits on a machine that has more to do than it can:
// other tests, a build, a virtual machine. It promises that a limit is never shorter than it
// was given, and that a machine with nothing else to do keeps to it. Begin with Stretch.
package patience

import (
	"fmt"
	"os"
	"runtime"
	"time"
)

// Stretch is a limit on this machine as it is now: longer by how many processes there are
// for each processor (proc_loadavg(5)), and most times as long at most. A limit that is
// there to tell two times apart is not to be stretched beyond the longer one.
func Stretch(limit time.Duration, most float64) time.Duration {
	return stretched(limit, most, load()/float64(runtime.NumCPU()))
}

func stretched(limit time.Duration, most, each float64) time.Duration {
	return time.Duration(float64(limit) * max(1, min(each, most)))
}

// load is how many processes ran, or were ready to, on average of the last minute; 0 where
// nobody says it.
func load() (n float64) {
	text, err := os.ReadFile("/proc/loadavg")
	if err != nil {
		return 0
	}
	if _, err := fmt.Sscan(string(text), &n); err != nil {
		return 0
	}
	return n
}
