package daemon

import (
	"context"
	"fmt"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/vrf"
)

// The daemon is ready when every VRF that can be is. A VRF whose namespace or
// device is away, or which fails, is waited for this long from the start on; one
// that is still at its first sync, as long as all of readyTime, which is more
// than sweep_delay lets it take unless configured.
const (
	absentTime = 5 * time.Second
	readyTime  = 2 * time.Minute
)

// statusPause is the least time between two lines of status.
const statusPause = time.Second

// statusShare is how many times as long as a look took nobody looks again: it takes the longer the more VRFs
// there are, and while they start, there is always something new.
const statusShare = 10

// faring are the VRFs that run, as far as their statuses are concerned.
type faring interface {
	List() []vrf.Status
	// Changed returns a channel that is closed when a status changes after the call.
	Changed() <-chan struct{}
}

// report tells the manager how the VRFs fare until ctx ends.
func (m *manager) report(ctx context.Context, vrfs faring) {
	start := time.Now()
	told, ready := "", false
	for {
		changed, asked := vrfs.Changed(), time.Now()
		all := vrfs.List()
		since := time.Since(start)
		now := settled(all, since)
		if text := fares(all); text != told || now && !ready {
			told, ready = text, ready || now
			m.status(text, ready)
		}
		took := time.Since(asked)
		var bound <-chan time.Time // the next at which time alone makes ready
		pause := statusPause
		if !ready {
			pause = 50 * time.Millisecond
			next := absentTime - since
			if next <= 0 {
				next = readyTime - since
			}
			bound = time.After(next)
		}
		select {
		case <-ctx.Done():
			return
		case <-bound:
		case <-changed:
			select {
			case <-ctx.Done():
				return
			case <-time.After(max(pause, statusShare*took)):
			}
		}
	}
}

// settled tells whether every VRF that can be ready is, that long after the
// start.
func settled(all []vrf.Status, since time.Duration) bool {
	if since >= readyTime {
		return true
	}
	for _, st := range all {
		switch st.State {
		case vrf.Ready, vrf.Degraded:
		case vrf.Pending, vrf.Failed:
			if since < absentTime {
				return false
			}
		default:
			return false
		}
	}
	return true
}

// fares sums up how the VRFs fare, and names some that do not well.
func fares(all []vrf.Status) string {
	counts := make(map[vrf.State]int)
	names := make(map[vrf.State][]string)
	for _, st := range all {
		counts[st.State]++
		names[st.State] = append(names[st.State], st.Spec.Name)
	}
	parts := []string{}
	for _, state := range []vrf.State{vrf.Ready, vrf.Syncing, vrf.Degraded, vrf.Pending, vrf.Failed} {
		n := counts[state]
		if n == 0 {
			continue
		}
		part := fmt.Sprintf("%d %s", n, state)
		const most = 3
		switch {
		case state == vrf.Ready || state == vrf.Syncing:
		case n > most:
			part += " (" + strings.Join(names[state][:most], ", ") + ", …)"
		default:
			part += " (" + strings.Join(names[state], ", ") + ")"
		}
		parts = append(parts, part)
	}
	if len(parts) == 0 {
		return "no VRFs"
	}
	return vrf.CountOf(len(all), "VRF") + ": " + strings.Join(parts, ", ")
}
