package rib

import (
	"testing"
	"time"
)

func TestDisabledEnds(t *testing.T) {
	t.Parallel()
	now := time.Now()
	for due, ends := range map[time.Time]bool{{}: true, now: true, now.Add(-time.Second): true, now.Add(time.Second): false} {
		if got := (Disabled{Due: due}).Ends(now); got != ends {
			t.Errorf("due at %v, at %v: %v", due, now, got)
		}
	}
}
