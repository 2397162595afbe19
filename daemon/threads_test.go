package daemon

import (
	"runtime"
	"testing"
)

// TestSpreadThreads: a machine with few processors has more threads than those, one with many has as many, and
// what the operator says holds.
func TestSpreadThreads(t *testing.T) {
	was := runtime.GOMAXPROCS(0)
	defer runtime.GOMAXPROCS(was)
	for _, c := range []struct {
		name, says string
		has, want  int
	}{
		{"one processor", "", 1, leastThreads},
		{"two", "", 2, leastThreads},
		{"many", "", 2 * leastThreads, 2 * leastThreads},
		{"the operator's GOMAXPROCS", "2", 2, 2},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Setenv("GOMAXPROCS", c.says)
			runtime.GOMAXPROCS(c.has)
			spreadThreads()
			if got := runtime.GOMAXPROCS(0); got != c.want {
				t.Errorf("%d threads, want %d", got, c.want)
			}
		})
	}
}
