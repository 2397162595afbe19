package nexthop

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// Member names one nexthop of paths.
type Member struct {
	Addr   netip.Addr
	Netns  string       // the namespace of a link-local Addr's interface, as a Binding names it
	Peer   netip.Addr   // of a link-local Addr: the neighbour that sent it, on whose link it is where Addr names none
	Source string       // a leak: the VRF in whose table it is resolved; "": this one
	Prefix netip.Prefix // a leak of an import: that VRF's own route for Prefix
	// Originated says of a leak that no route is: that VRF announces it by its configuration.
	Originated bool
	Link       string // a leak from another namespace: the interface that leads there
	// Encap is what packets are put into for the PE at Addr, which is looked up in the core, or its
	// SID is; of MPLS the labels that are the path's own.
	// Cannot is why the VRF's encapsulation serves not for what the PE sent, as one short
	// sentence.
	Encap  rib.Encap
	Cannot string
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
	if m.Originated {
		b = append(b, '&')
	}
	if m.Link != "" {
		b = append(append(b, '%'), m.Link...)
	}
	if m.Encap != (rib.Encap{}) {
		b = m.Encap.AppendKey(append(b, ':'))
	}
	if m.Cannot != "" {
		b = append(append(b, '?'), m.Cannot...)
	}
	return b
}

// Outcome is what a nexthop resolves to.
type Outcome struct {
	Hops   []rib.Hop // none: it is not reached
	Reach  rib.Reach
	Reason string       // why it is not reached, for a person
	Waits  bool         // not reached, because a VRF that it needs has no table now, or not yet
	Asked  bool         // not reached, because the core has yet to say how it leads to a PE
	Own    netip.Prefix // BGP's own route that leads there; invalid: what others wrote does
}

// Way is one nexthop for the routes of a family, and what it resolves to now. All sets that
// have it share it, and so do all paths that are chosen among by how it is reached. Its
// exported fields are for reading alone.
type Way struct {
	Member
	Outcome

	ipv6    bool
	sets    sharers        // that have it, as a member or as backup
	links   []int          // the interfaces that the resolution depends on; 0: any
	lead    rib.Lead       // by what others wrote
	foreign *Outcome       // what that comes to, where BGP's own routes have a say
	open    bool           // they have
	covers  []netip.Prefix // those of them that cover it, the longest first
	holds   *endpoint      // what it has claimed on the VXLAN device; nil: nothing
	next    *Way           // of the same hash: see wayTable
}

type wayKey struct {
	Member
	family rib.Family
}

func (w *Way) key() wayKey {
	if w.ipv6 {
		return wayKey{w.Member, rib.IPv6}
	}
	return wayKey{w.Member, rib.IPv4}
}

// Ways are the nexthops of one VRF. They know which of them a change can touch.
type Ways struct {
	Resolver Resolver

	ways      wayTable
	tracker   tracker
	recursion recursion
	endpoints *Endpoints        // nil: who looks on claims none
	decided   Decided           // what a worker found, where these are looked at from outside its loop
	down      rib.Down          // whose sessions have ended
	moved     map[*Way]struct{} // whose Reach is another since Moved was asked
}

// NewWays returns no ways yet, of what r sees.
func NewWays(r Resolver) *Ways {
	return &Ways{Resolver: r, ways: newWayTable(), tracker: newTracker(), recursion: newRecursion(), moved: make(map[*Way]struct{})}
}

// NewDecidedWays returns no ways yet, of what r sees and of what was decided of BGP's own
// routes.
func NewDecidedWays(r Resolver, d Decided) *Ways {
	w := NewWays(r)
	w.decided = d
	return w
}

// Of returns the way of a nexthop for the routes of a family, resolved.
func (w *Ways) Of(m Member, f rib.Family) *Way {
	if way := w.ways.find(m, f); way != nil {
		return way
	}
	way := &Way{Member: m, ipv6: f == rib.IPv6}
	w.ways.add(way)
	w.tracker.watch(way)
	w.watch(way, +1)
	w.look(way)
	w.first(way)
	if o, is := w.decided[wayKey{m, f}]; is {
		way.Outcome = o
	}
	return way
}

// Len is how many there are.
func (w *Ways) Len() int { return w.ways.n }

// Keep forgets the ways that no set has and for which used is false.
func (w *Ways) Keep(used func(*Way) bool) {
	w.ways.keep(func(way *Way) bool {
		if way.sets.len() > 0 || used(way) {
			return true
		}
		w.tracker.forget(way)
		w.watch(way, -1)
		w.recursion.close(way)
		if w.endpoints != nil {
			w.endpoints.forget(way)
		}
		delete(w.moved, way)
		return false
	})
}

// Spare tells whether one that no set has holds entries on the VXLAN device: maybe no path has it
// any more.
func (w *Ways) Spare() bool {
	if w.endpoints == nil || w.endpoints.held == 0 {
		return false
	}
	for way := range w.ways.all {
		if way.holds != nil && way.sets.len() == 0 {
			return true
		}
	}
	return false
}

// HasMoved tells whether Moved would return some.
func (w *Ways) HasMoved() bool { return len(w.moved) > 0 }

// MovedLead tells whether every set that has one of them leads somewhere all the same.
func (w *Ways) MovedLead() bool {
	for way := range w.moved {
		for set := range way.sets.all {
			if set.Carries == nil {
				return false
			}
		}
	}
	return true
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

// resolve resolves ways, and all that are reached by BGP's own routes, and adds to them those
// of the latter that are reached otherwise now.
func (w *Ways) resolve(ways map[*Way]struct{}) {
	was := make(map[*Way]Outcome, len(ways))
	for way := range w.recursion.under {
		was[way] = way.Outcome
	}
	for way := range ways {
		was[way] = way.Outcome
		w.look(way)
	}
	w.recur()
	for way, o := range was {
		if way.Reach != o.Reach {
			w.moved[way] = struct{}{}
		}
		if !o.same(&way.Outcome) {
			ways[way] = struct{}{}
		}
	}
}

// look resolves one way by what others wrote, and notes what its resolution depends on now.
func (w *Ways) look(way *Way) {
	w.tracker.depend(way, w.Resolver.View)
	w.tracker.resolved++
	way.lead = w.Resolver.Lead(way.Member, way.ipv6)
	if w.endpoints != nil {
		w.endpoints.claim(way)
	}
	way.Outcome = w.outcome(way, way.lead.Hops, way.lead.Err)
	w.ask(way)
	way.foreign = nil
	if way.open {
		foreign := way.Outcome
		way.foreign = &foreign
	}
}

// outcome is what the hops to a nexthop come to.
func (w *Ways) outcome(way *Way, hops []rib.Hop, err error) Outcome {
	if err == nil && way.ipv6 {
		err = onlyIPv6(way.Member, hops)
	}
	if err != nil {
		return Outcome{Reach: rib.Unreached, Reason: err.Error(), Waits: errors.Is(err, errNoView), Asked: errors.Is(err, errAsked{})}
	}
	o := Outcome{Hops: w.Resolver.withCarrier(hops), Reach: w.Resolver.reach(hops)}
	if way.carried() {
		o.Reach = max(o.Reach, way.lead.Reach)
	}
	return o
}

// same tells whether two outcomes are the same to all who look at them.
func (o *Outcome) same(p *Outcome) bool {
	return o.Reach == p.Reach && o.Reason == p.Reason && o.Waits == p.Waits && o.Asked == p.Asked && o.Own == p.Own &&
		slices.EqualFunc(o.Hops, p.Hops, sameMember)
}

// resolveSet finds out where a set leads now: to those of its nexthops that are reached
// best, or else to its backup; where neither is reached, nothing is installed.
func (w *Ways) resolveSet(set *Set) {
	set.Carries, set.Hops, set.Reason, set.Waits, set.Asked, set.OnBackup = nil, nil, "", false, false, false
	if set.Blackhole {
		set.Carries = &Forwarding{Metric: set.Metric, Kind: rib.KindBlackhole}
		return
	}
	hops, reach := w.primary(set)
	if b := set.Backup; b != nil && b.Reach < reach && !w.gone(set.BackupSent) {
		hops, set.OnBackup = b.Hops, true
	}
	if len(hops) == 0 {
		return
	}
	src := set.PrefSrc
	if src.IsValid() && !w.Resolver.View.Links.Source(src) {
		set.Reason = fmt.Sprintf("prefsrc %s is no address of this host, or none that it may use yet; set it on an interface, or write another prefsrc", src)
		return
	}
	set.Reason, set.Waits, set.Asked, set.Hops = "", false, false, hops
	set.Carries = &Forwarding{Metric: set.Metric, Kind: rib.KindUnicast, Hops: hops, PrefSrc: src}
	if set.Spare {
		set.Carries.Metric++
	}
}

// primary returns the hops of a set's own nexthops that are reached best, or says why there
// are none.
func (w *Ways) primary(set *Set) (hops []rib.Hop, reach rib.Reach) {
	if w.gone(set.Sent) {
		set.Reason = sessionsEnded(set.Sent)
		return nil, rib.Unreached
	}
	reach = rib.Unreached
	for _, way := range set.Ways {
		reach = min(reach, way.Reach)
	}
	for _, way := range set.Ways {
		switch way.Reach {
		case rib.Unreached:
			if set.Reason == "" {
				set.Reason = way.Reason
			}
			set.Waits, set.Asked = set.Waits || way.Waits, set.Asked || way.Asked
		case reach:
			hops = mergeHops(hops, way.Hops)
		}
	}
	if len(set.Weights) > 0 && reach != rib.Unreached {
		hops = set.shared(reach)
	}
	return hops, reach
}

// gone tells whether the sessions of all these neighbours have ended.
func (w *Ways) gone(sent []netip.Addr) bool {
	return len(w.down) > 0 && len(sent) > 0 && !slices.ContainsFunc(sent, func(p netip.Addr) bool { return !w.down.Has(p) })
}

// carried tells whether a member came from another PE by an encapsulation, or would have to be
// reached by one.
func (m *Member) carried() bool { return m.Encap != (rib.Encap{}) || m.Cannot != "" }

// target is what is looked up in the core: of SRv6 the SID, to which the kernel sends the packets.
func (m *Member) target() netip.Addr {
	if sid := m.Encap.Tunnel().SID; sid.IsValid() {
		return sid
	}
	return m.Addr
}

// Carried tells whether a way is to another PE, by an encapsulation or by none that serves.
func (w *Way) Carried() bool { return w.carried() }

// Core is the core's route to the PE of a way that is reached.
func (w *Way) Core() rib.Route { return w.lead.Route() }

// watch says that a way of the worker's own wants to know of its PE, or does no more.
func (w *Ways) watch(way *Way, by int) {
	if w.endpoints != nil && w.Resolver.Core != nil && way.carried() {
		w.Resolver.Core.Watch(way.target(), by)
	}
}

// Close gives back what the ways have of others.
func (w *Ways) Close() {
	for way := range w.ways.all {
		w.watch(way, -1)
	}
}
