package rib

import (
	"errors"
	"net/netip"
	"slices"
)

// State is what became of one route.
type State uint8

// The states of an exported route. An imported route is Installed (announced)
// or Filtered.
const (
	Installed  State = iota + 1
	Filtered         // the policy leaves it out
	Unresolved       // its nexthop cannot be reached inside the VRF
	Conflict         // a foreign route has its key
	OverQuota        // max_routes is reached
	Failed           // the kernel refused it
	Stale            // adopted from an earlier run, and not yet heard of in this one
	OverLimit        // max_prefixes of a leak is reached
)

// LastState is the last of the states.
const LastState = OverLimit

func (s State) String() string {
	switch s {
	case Installed:
		return "installed"
	case Filtered:
		return "filtered"
	case Unresolved:
		return "unresolved"
	case Conflict:
		return "conflict"
	case OverQuota:
		return "over-quota"
	case Failed:
		return "failed"
	case Stale:
		return "stale"
	case OverLimit:
		return "over-limit"
	}
	return "unknown"
}

// RouteStatus is a route as an operator sees it. Its slices are immutable.
type RouteStatus struct {
	Prefix  netip.Prefix
	State   State
	Reason  string   // one sentence where State is not Installed, or the route is in another table, else ""
	Best    Path     // export: the best path; Attrs is nil for a Stale route
	Backup  Path     // export: the one that takes over where the nexthops of the best are lost; Attrs is nil where there is none
	Paths   int      // export: how many paths of the VRF are used at once
	Route   Route    // export: what is in the table (or would be); import: the kernel's route
	Devices []string // the names of the interfaces of Route.Hops, in their order
	// Encaps are what packets are put into on each of Route.Hops, in their order; none: nowhere
	// into anything.
	Encaps []EncapTo
	// OverCore: export: the best path is one of another PE, for an encapsulation; BackupOverCore: the
	// backup is.
	OverCore, BackupOverCore bool
	MED                      uint32   // import: as announced
	Comms                    []string // import: communities as announced, as text
	// Leaked: export: another VRF's routes, links and neighbours are in it.
	Leaked bool
}

// Elsewhere stands for the name of a VRF that is not to be told.
const Elsewhere = "another VRF"

// Confined returns r as one may see it who may know of the VRF own alone: of what
// another VRF leaks no more than that it is there. A stale route may be such a
// leak; nobody can tell.
func (r RouteStatus) Confined(own string) RouteStatus {
	r.Backup = r.Backup.Confined(own)
	r = r.withoutCore()
	if !r.Leaked && r.State != Stale {
		return r
	}
	r.Route.Hops, r.Devices = nil, nil
	if r.Leaked && r.State == Unresolved {
		r.Reason = "leaked from " + Elsewhere + ", which has no way to its nexthop here now"
	}
	r.Best = r.Best.Confined(own)
	return r
}

// PENotReached is all that may be told of why a path of another PE is not used to who may not know
// of the core.
const PENotReached = "the PE that sent it is not reached"

// withoutCore is r without the addresses of other PEs in the core.
func (r RouteStatus) withoutCore() RouteStatus {
	if r.OverCore && r.Best.Attrs != nil && !r.Leaked {
		if r.Best = r.Best.WithoutCore(); r.State == Unresolved {
			r.Reason = PENotReached
		}
	}
	if r.BackupOverCore && r.Backup.Attrs != nil && r.Backup.Attrs.Source == "" {
		r.Backup = r.Backup.WithoutCore()
	}
	if len(r.Encaps) == 0 {
		return r
	}
	r.Encaps, r.Route.Hops, r.Devices = slices.Clone(r.Encaps), slices.Clone(r.Route.Hops), slices.Clone(r.Devices)
	for i := range r.Encaps {
		if kind := r.Encaps[i].Kind(); kind != 0 {
			h := &r.Route.Hops[i]
			if h.Encap != (Encap{}) && i < len(r.Devices) { // an interface of the core's
				r.Devices[i], h.Ifindex = "", 0
			}
			r.Encaps[i], h.Gateway, h.Encap = r.Encaps[i].withoutPE(), netip.Addr{}, Encap{}
		}
	}
	return r
}

// ErrExists is the kernel's EEXIST to an exclusive add: the key is taken.
var ErrExists = errors.New("a route with this prefix and metric exists already")

// ErrAbsent is matched (errors.Is) by the error of opening a binding whose
// namespace, device or table is not there. Its text says what is waited for.
var ErrAbsent = errors.New("not there yet")

// Absent returns an error that matches ErrAbsent and reads what.
func Absent(what string) error { return absentError(what) }

type absentError string

func (e absentError) Error() string        { return string(e) }
func (e absentError) Is(target error) bool { return target == ErrAbsent }
