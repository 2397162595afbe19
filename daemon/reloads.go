package daemon

import (
	"maps"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/vrf"
)

// reloads counts reloads by their outcome. It is a part of the changer.
type reloads struct {
	mu  sync.Mutex
	all vrf.Reloads // guarded by mu
}

// ended notes the end of a reload that began at a time.
func (r *reloads) ended(began time.Time, outcome string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.all.Count == nil {
		r.all.Count = make(map[string]uint64)
	}
	now := time.Now()
	r.all.Count[outcome]++
	r.all.Last = vrf.Reload{Outcome: outcome, Ended: now, Took: now.Sub(began)}
}

// Reloads implements metrics.Changes.
func (r *reloads) Reloads() vrf.Reloads {
	r.mu.Lock()
	defer r.mu.Unlock()
	return vrf.Reloads{Count: maps.Clone(r.all.Count), Last: r.all.Last}
}

// outcomeOf is how a reload ended.
func outcomeOf(applied bool, err error) string {
	switch {
	case !applied:
		return vrf.ReloadFailed
	case err != nil:
		return vrf.ReloadIncomplete
	}
	return vrf.ReloadApplied
}
