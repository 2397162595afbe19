package vrf

import (
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// RouteWay is the way of one route from BGP to the kernel, when it is at its end. It is a value.
type RouteWay struct {
	VRF, Netns string // the Spec's name, and where its table is
	Prefix     netip.Prefix
	Changed    time.Time // when BGP changed a path of it, to about a millisecond
	Taken      time.Time // when the VRF's worker took the change
	Chosen     time.Time // when it was decided what becomes of it
	Ended      time.Time // when the kernel had answered; where nothing was to be written, as Chosen
	Paths      int       // candidates that BGP had
	What       string    // a kind of RouteEvent, the name of the rib.State that it came into, or RouteKept
	Text       string    // the route as `ip route` prints it; "": nothing was written
	Reason     string    // why it is not in the table; "": it is
}

// RouteKept is the What of a way that changed nothing: the kernel has what it is to have.
const RouteKept = "kept"

// Written tells whether the kernel was asked for something.
func (w *RouteWay) Written() bool { return w.Text != "" }

// Wrong tells whether the route is not in the table though it should be.
func (w *RouteWay) Wrong() bool {
	switch w.What {
	case RouteRefused, rib.Unresolved.String(), rib.Conflict.String(), rib.OverQuota.String(), rib.Failed.String():
		return true
	}
	return false
}

// Exemplar is one route of those that a Latency counts, which was traced.
type Exemplar struct {
	Trace string // the id of its trace
	Took  time.Duration
	At    time.Time
}
