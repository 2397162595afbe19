package patience

import (
	"os"
	"testing"
	"time"
)

func TestLimitIsStretchedByTheLoad(t *testing.T) {
	t.Parallel()
	const s = time.Second
	for _, c := range []struct {
		each, most float64
		want       time.Duration
	}{
		{0, 3, 20 * s}, {0.5, 3, 20 * s}, {1, 3, 20 * s}, {1.5, 3, 30 * s}, {3, 3, 60 * s}, {40, 3, 60 * s}, {40, 0, 20 * s},
	} {
		if got := stretched(20*s, c.most, c.each); got != c.want {
			t.Errorf("with %v processes for each processor, and %v times at most, it is %v, want %v", c.each, c.most, got, c.want)
		}
	}
}

func TestLoadIsRead(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/proc/loadavg"); err != nil {
		t.Skip("this system does not say its load")
	}
	// Its two decimals are 0.00 on a machine that has done nothing for minutes; this test is
	// something, but not for a minute.
	if n := load(); n < 0 || n > 1e5 {
		t.Errorf("the load is %v", n)
	}
	if got := Stretch(time.Minute, 1); got != time.Minute {
		t.Errorf("not to be stretched, and it is %v", got)
	}
}
