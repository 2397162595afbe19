package vrf

import (
	"errors"

	"github.com/vrfredist/vrfredist/rib"
)

// Drift is how an own route of the table differs from what the worker knows to
// have written.
type Drift uint8

// The kinds of drift.
const (
	Missing Drift = iota // it is gone: written again
	Altered              // it is other than written: put right
	Strange              // it has our protocol, and we did not write it: deleted
	drifts
)

func (d Drift) String() string {
	return [...]string{"missing", "altered", "strange"}[d]
}

// Drifts counts by Drift.
type Drifts [drifts]uint64

// Sum is the number of all kinds together.
func (d Drifts) Sum() (n uint64) {
	for _, v := range d {
		n += v
	}
	return n
}

// Plus adds two counts.
func (d Drifts) Plus(o Drifts) Drifts {
	for i := range d {
		d[i] += o[i]
	}
	return d
}

// Repair counts the differences that a reading of a VRF's table found and put right.
type Repair struct {
	Own, Foreign int // routes of the table that are ours, and others, afterwards
	Found        Drifts
	Unmended     int // of Found: could not be put right, because of a conflict for example
	Objects      int // nexthop objects that were written or deleted
	Announced    int // announcements to BGP that were made or taken back
}

// Resyncs counts readings by their reason.
type Resyncs [rib.ResyncReasons]uint64

// Totals count the work of a VRF's workers since it was configured. They are
// a snapshot, and never go down.
type Totals struct {
	Writes        rib.ByFamily[Writes]
	Found, Mended rib.ByFamily[Drifts]  // own routes found to differ from those written, and put right again
	Latency       rib.ByFamily[Latency] // from BGP's event to the kernel's confirmation
	Objects       uint64                // confirmed changes of nexthop objects
	Unconfirmed   uint64                // batches of changes that nobody answered
	ReadFailures  uint64                // readings of the table that failed
	Resyncs       Resyncs
}

// Writes count changes of single routes.
type Writes struct {
	Added, Replaced, Deleted uint64 // in the kernel, as it confirmed them
	Refused                  uint64 // by the kernel
	Conflicts                uint64 // met a foreign route with their key
	Announced, Withdrawn     uint64 // in BGP, as it confirmed them
}

// Plus adds two counts.
func (w Writes) Plus(o Writes) Writes {
	return Writes{
		w.Added + o.Added, w.Replaced + o.Replaced, w.Deleted + o.Deleted,
		w.Refused + o.Refused, w.Conflicts + o.Conflicts, w.Announced + o.Announced, w.Withdrawn + o.Withdrawn,
	}
}

// Less takes o, a part of w, away.
func (w Writes) Less(o Writes) Writes {
	return Writes{
		w.Added - o.Added, w.Replaced - o.Replaced, w.Deleted - o.Deleted,
		w.Refused - o.Refused, w.Conflicts - o.Conflicts, w.Announced - o.Announced, w.Withdrawn - o.Withdrawn,
	}
}

// Wrote counts the kernel's answer to one change.
func (w *Writes) Wrote(op rib.Op, err error) {
	switch {
	case errors.Is(err, rib.ErrExists):
		w.Conflicts++
	case err != nil:
		w.Refused++
	case op == rib.OpAdd:
		w.Added++
	case op == rib.OpReplace:
		w.Replaced++
	case op == rib.OpDelete:
		w.Deleted++
	}
}

// Told counts one change that BGP confirmed.
func (w *Writes) Told(withdraw bool) {
	if withdraw {
		w.Withdrawn++
	} else {
		w.Announced++
	}
}

// Plus adds the counts of one worker to those of the workers before it.
func (t Totals) Plus(o Totals) Totals {
	t.Writes, t.Found, t.Mended, t.Latency = t.Writes.Plus(o.Writes), t.Found.Plus(o.Found), t.Mended.Plus(o.Mended), t.Latency.Plus(o.Latency)
	t.Objects, t.Unconfirmed, t.ReadFailures = t.Objects+o.Objects, t.Unconfirmed+o.Unconfirmed, t.ReadFailures+o.ReadFailures
	for i := range t.Resyncs {
		t.Resyncs[i] += o.Resyncs[i]
	}
	return t
}
