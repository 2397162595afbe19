package vrf

import "time"

// The outcomes of a Reload.
const (
	ReloadApplied    = "applied"
	ReloadIncomplete = "incomplete" // it is in force, but not all went well
	ReloadFailed     = "failed"     // nothing was changed
	ReloadUndone     = "undone"     // nobody confirmed it, and what was in force before is again
)

// ReloadOutcomes are all outcomes of a Reload.
func ReloadOutcomes() []string {
	return []string{ReloadApplied, ReloadIncomplete, ReloadFailed, ReloadUndone}
}

// Reload is one try to bring another configuration into force.
type Reload struct {
	Outcome string
	Ended   time.Time
	Took    time.Duration
}

// Reloads are those since the start: how many had which outcome, and the newest one.
type Reloads struct {
	Count map[string]uint64 // by outcome
	Last  Reload            // zero: there was none
}
