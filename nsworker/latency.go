package nsworker

import (
	"time"

	"github.com/vrfredist/vrfredist/vrf"
)

// ages knows how old the changes are that BGP made due, in the order in which
// they came. They are not followed one by one: the kernel's confirmations are
// set against the oldest, so the single figure may be off by a batch, and no
// route costs anything.
type ages struct{ batches []ageBatch }

type ageBatch struct {
	since time.Time
	left  int
}

// took notes that n changes became due, the oldest of which came at since.
func (a *ages) took(since time.Time, n int) {
	if n > 0 && !since.IsZero() {
		a.batches = append(a.batches, ageBatch{since, n})
	}
}

// wrote observes n confirmed changes.
func (a *ages) wrote(n int, now time.Time, to *vrf.Latency) {
	for n > 0 && len(a.batches) > 0 {
		b := &a.batches[0]
		k := min(n, b.left)
		to.Observe(now.Sub(b.since), k)
		n, b.left = n-k, b.left-k
		if b.left == 0 {
			a.batches = a.batches[1:]
		}
	}
}

// clear forgets what is left when nothing is due any more: prefixes that came
// to nothing, or that the kernel refused.
func (a *ages) clear() { a.batches = nil }
