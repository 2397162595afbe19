package daemon

import (
	"math"
	"testing"
)

func TestMemTotal(t *testing.T) {
	for text, want := range map[string]int64{
		"MemTotal:       24576 kB\nMemFree: 1 kB\n": 24576 << 10,
		"MemFree: 1 kB\n": math.MaxInt64,
		"MemTotal: x\n":   math.MaxInt64,
	} {
		if got := memTotalOf([]byte(text)); got != want {
			t.Errorf("%q is %d, want %d", text, got, want)
		}
	}
	if memoryTotal() < 64<<20 {
		t.Errorf("this machine has %d bytes of memory", memoryTotal())
	}
}
