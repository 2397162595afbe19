package nexthop

import (
	"errors"
	"maps"
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// Member names one nexthop of paths.
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

// Way is one nexthop for the routes of a family, and what it resolves to now. All sets that
// have it share it, and so do all paths that are chosen among by how it is reached. Its
// exported fields are for reading alone.
type Way struct {
	Member
	Hops   []rib.Hop // none: it is not reached
	Reach  rib.Reach
	Reason string // why it is not reached, for a person
	Waits  bool   // not reached, because a VRF that it needs has no table now, or not yet

	ipv6  bool
	sets  map[*Set]struct{} // that have it, as a member or as backup
	links []int             // the interfaces that the resolution depends on; 0: any
}

type wayKey struct {
	Member
	family rib.Family
}

// Ways are the nexthops of one VRF. They know which of them a change can touch.
type Ways struct {
	Resolver Resolver

	all     map[wayKey]*Way
	tracker tracker
	moved   map[*Way]struct{} // whose Reach is another since Moved was asked
}

// NewWays returns no ways yet, of what r sees.
func NewWays(r Resolver) *Ways {
	return &Ways{Resolver: r, all: make(map[wayKey]*Way), tracker: newTracker(), moved: make(map[*Way]struct{})}
}

// Of returns the way of a nexthop for the routes of a family, resolved.
func (w *Ways) Of(m Member, f rib.Family) *Way {
	k := wayKey{m, f}
	if way := w.all[k]; way != nil {
		return way
	}
	way := &Way{Member: m, ipv6: f == rib.IPv6, sets: make(map[*Set]struct{})}
	w.all[k] = way
	w.tracker.watch(way)
	w.resolve(way)
	delete(w.moved, way)
	return way
}

// Len is how many there are.
func (w *Ways) Len() int { return len(w.all) }

// Keep forgets the ways that no set has and for which used is false.
func (w *Ways) Keep(used func(*Way) bool) {
	maps.DeleteFunc(w.all, func(_ wayKey, way *Way) bool {
		if len(way.sets) > 0 || used(way) {
			return false
		}
		w.tracker.forget(way)
		delete(w.moved, way)
		return true
	})
}

// Moved returns the ways that are reached otherwise than when it was last asked.
func (w *Ways) Moved() map[*Way]struct{} {
	if len(w.moved) == 0 {
		return nil
	}
	moved := w.moved
	w.moved = make(map[*Way]struct{})
	return moved
}

// resolve resolves one way, and notes what its resolution depends on now.
func (w *Ways) resolve(way *Way) {
	was := way.Reach
	w.tracker.depend(way, w.Resolver.View)
	w.tracker.resolved++
	hops, err := w.Resolver.Hops(way.Member)
	if err == nil && way.ipv6 {
		err = onlyIPv6(way.Member, hops)
	}
	way.Hops, way.Reach, way.Reason, way.Waits = w.Resolver.withCarrier(hops), w.Resolver.reach(hops), "", false
	if err != nil {
		way.Hops, way.Reach, way.Reason, way.Waits = nil, rib.Unreached, err.Error(), errors.Is(err, errNoView)
	}
	if way.Reach != was {
		w.moved[way] = struct{}{}
	}
}
