package nexthop

import (
	"errors"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// Set is what the best paths of a prefix come down to: nexthops, and what they resolve
// to now. All prefixes with the same nexthops share it, so that a changed link costs one
// resolution for each distinct set. Its exported fields are for reading alone.
type Set struct {
	Members   []Member
	Blackhole bool // the paths say so (RFC 7999): there are no members

	Carries   *Forwarding // what its routes carry; nil: it is unresolved
	Hops      []rib.Hop   // what the members resolve to
	Group     uint32      // the id of its nexthop object; 0: none yet
	Contested bool        // another program keeps changing its objects, which are left alone
	Waits     bool        // unresolved, because a VRF that it needs has no table now, or not yet
	Reason    string      // why it is unresolved, for a person

	key    string
	ipv6   bool
	users  int      // entries that point here
	links  []int    // the interfaces that the resolution depends on; 0: any
	inline bool     // no object can be had: routes carry the hops themselves
	wants  []uint32 // the objects that it needs
}

// Member is one nexthop of a set.
type Member struct {
	Addr   netip.Addr
	Netns  string       // the namespace of a link-local Addr's interface, as a Binding names it
	Peer   netip.Addr   // of a link-local Addr: the neighbour that sent it, on whose link it is where Addr names none
	Source string       // a leak: the VRF in whose table it is resolved; "": this one
	Prefix netip.Prefix // a leak of an import: that VRF's own route for Prefix
}

// appendKey appends what makes two members different.
func (m Member) appendKey(b []byte) []byte {
	b = append(b, '|')
	b = m.Addr.AppendTo(b)
	if m.Netns != "" {
		b = append(append(b, '/'), m.Netns...)
	}
	if m.Peer.IsValid() {
		b = m.Peer.AppendTo(append(b, '~'))
	}
	if m.Source != "" {
		b = append(append(b, '@'), m.Source...)
	}
	if m.Prefix.IsValid() {
		b = m.Prefix.AppendTo(append(b, '#'))
	}
	return b
}

// appendKey appends what makes two sets different.
func appendKey(b []byte, f rib.Family, members []Member) []byte {
	if f == rib.IPv6 {
		b = append(b, '6')
	} else {
		b = append(b, '4')
	}
	for _, m := range members {
		b = m.appendKey(b)
	}
	return b
}

// Used tells whether any route wants the set still.
func (s *Set) Used() bool { return s.users > 0 }

// Leaks tells whether a set is reached through another VRF. A nil one is not.
func (s *Set) Leaks() bool {
	return s != nil && slices.ContainsFunc(s.Members, func(m Member) bool { return m.Source != "" })
}

// HopsOf returns the hops of a route that carries f: those of the set where it hangs on the
// set's group, which may lead elsewhere by now than when the route was read.
func (s *Set) HopsOf(f *Forwarding) []rib.Hop {
	if s != nil && f.Group != 0 && f.Group == s.Group {
		return s.Hops
	}
	return f.Hops
}

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
	return rib.SameForwarding(f.Route(any, 0), o.Route(any, 0))
}

// errNoView is of a VRF whose worker has not told what its table holds.
var errNoView = errors.New("has no table now")
