package rib

import "time"

// Disabled says that somebody wants a neighbour to have no session.
type Disabled struct {
	By     string // who, as it stands in a log; "": that is not known
	Reason string // what they said; "": nothing
	Since  time.Time
	// Due is when a graceful shutdown that is under way ends the session (RFC 8326); zero: there is
	// none any more.
	Due time.Time
}

// Draining tells whether the session is to go on until Due.
func (d Disabled) Draining() bool { return !d.Due.IsZero() }

// Ends tells whether there is to be no session at a time: the graceful shutdown, if there was one, is
// over.
func (d Disabled) Ends(at time.Time) bool { return !d.Due.After(at) }
