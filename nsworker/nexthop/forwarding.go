package nexthop

import (
	"errors"
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// Forwarding is what a route does, without its prefix. It is shared by all routes that do
// the same, and immutable.
type Forwarding struct {
	Metric  uint32
	Kind    rib.Kind
	Group   uint32    // the nexthop object it hangs on; 0: none
	Hops    []rib.Hop // with a group, what it was when the route was read
	PrefSrc netip.Addr
}

// ForwardingOf is what a route of the table does.
func ForwardingOf(r rib.Route) Forwarding {
	return Forwarding{r.Metric, r.Kind, r.NexthopID, r.Hops, r.PrefSrc}
}

// Route is the route for a prefix that does this.
func (f *Forwarding) Route(prefix netip.Prefix, protocol uint8) rib.Route {
	return rib.Route{
		Prefix: prefix, Metric: f.Metric, Protocol: protocol,
		Kind: f.Kind, Hops: f.Hops, PrefSrc: f.PrefSrc, NexthopID: f.Group,
	}
}

// Same tells whether a route need not be written again to go from f to o. Either may be nil.
func (f *Forwarding) Same(o *Forwarding) bool {
	if f == o {
		return true
	}
	if f == nil || o == nil || f.Metric != o.Metric || f.Group != o.Group {
		return false
	}
	if f.Group != 0 { // where it leads is the group's business
		return f.Kind == o.Kind && f.PrefSrc == o.PrefSrc
	}
	var any netip.Prefix
	return rib.SameWays(f.Route(any, 0), o.Route(any, 0))
}

// errNoView is of a VRF whose worker has not told what its table holds.
var errNoView = errors.New("has no table now")
