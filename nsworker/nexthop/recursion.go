package nexthop

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// A nexthop may be reached by a route that BGP itself has: a loopback that came by BGP, say
// (RFC 4271, 5.1.3). The table is asked as the kernel looks it up, by the longest prefix of
// all, but that a nexthop which is on a link here stays on it (rib.Lead.Settled).
//
// What nexthops come to in this way is found out for all of them at once, from what others
// wrote, and never from what it was before: so two routes do not keep each other alive when
// the one is gone that both hung on, and the order in which BGP tells of them does not matter.

// OwnRoutes are the routes that BGP has for the VRF.
type OwnRoutes interface {
	// Own returns the route for exactly a prefix; false: there is none by which the kernel
	// forwards, or is about to.
	Own(prefix netip.Prefix) (OwnRoute, bool)
}

// OwnRoute is a route that BGP has for the VRF.
type OwnRoute struct {
	Metric uint32
	Set    *Set        // where it leads
	Stands *Forwarding // without Set: what an earlier run wrote, and stands still
	Ways   []*Way      // by which it may come to lead, whichever path is chosen
}

// recursion knows which ways BGP's own routes cover.
type recursion struct {
	routes OwnRoutes // nil: there are none
	open   rib.NexthopIndex[*Way]
	opened int               // how many ways are in open
	under  map[*Way]struct{} // those that have covers
	due    bool              // something that they depend on has changed
	told   Decided           // what those were found to be, for who looks on; nil: not now
}

func newRecursion() recursion { return recursion{under: make(map[*Way]struct{})} }

// Recurse has nexthops reached by BGP's own routes too. It is called before there is any.
func (w *Ways) Recurse(by OwnRoutes) { w.recursion.routes = by }

// ask finds out whether BGP's own routes have a say in where a way leads, and which do.
func (w *Ways) ask(way *Way) {
	r := &w.recursion
	is := r.routes != nil && way.Source == "" && !way.linkLocal() && !way.lead.Settled()
	switch {
	case !is:
		r.close(way)
	case !way.open:
		way.open = true
		r.open.Add(way.Addr, way)
		r.opened++
		for bits := way.Addr.BitLen(); bits >= 0; bits-- {
			prefix := netip.PrefixFrom(way.Addr, bits).Masked()
			if _, is := r.routes.Own(prefix); is {
				r.cover(way, prefix)
			}
		}
	}
}

func (m *Member) linkLocal() bool { return m.Addr.Is6() && m.Addr.IsLinkLocalUnicast() }

// close ends that BGP's own routes have a say in where a way leads.
func (r *recursion) close(way *Way) {
	if way.open {
		r.open.Remove(way.Addr, way)
		r.opened--
	}
	if _, was := r.under[way]; was {
		delete(r.under, way)
		r.told = nil
	}
	way.open, way.covers = false, nil
}

// cover notes that BGP's route for a prefix covers a way.
func (r *recursion) cover(way *Way, prefix netip.Prefix) {
	r.due, r.told = true, nil
	at, is := slices.BinarySearchFunc(way.covers, prefix, func(a, b netip.Prefix) int { return cmp.Compare(b.Bits(), a.Bits()) })
	if !is {
		way.covers = slices.Insert(way.covers, at, prefix)
		r.under[way] = struct{}{}
	}
}

// Recurses tells whether it matters to any nexthop what becomes of BGP's own routes.
func (w *Ways) Recurses() bool { return w.recursion.opened > 0 }

// Touch takes in that something of BGP's own route for a prefix may have changed.
func (w *Ways) Touch(prefix netip.Prefix) {
	for way := range w.recursion.open.Under(prefix) {
		w.recursion.cover(way, prefix)
	}
}

// Due tells whether nexthops are to be found out anew by Sets.OwnChanged.
func (w *Ways) Due() bool { return w.recursion.due || w.endpoints != nil && w.endpoints.due() }

// first is what a new way comes to by BGP's own routes as they are. It counts until all are
// found out anew.
func (w *Ways) first(way *Way) {
	if len(way.covers) > 0 {
		way.Outcome = w.byOwn(way)
	}
}

// recur finds out anew what all ways come to that BGP's own routes cover: in an order that
// nothing but their addresses makes, again and again until nothing moves any more, and those
// that never rest are not reached.
func (w *Ways) recur() {
	r := &w.recursion
	r.due = false
	if len(r.under) == 0 {
		return
	}
	r.told = nil
	ways := slices.SortedFunc(maps.Keys(r.under), compareWays)
	for _, way := range ways {
		way.Outcome = *way.foreign
	}
	for moving := w.settle(ways); len(moving) > 0; moving = w.settle(ways) {
		for _, way := range moving {
			way.Outcome = unreached(way, fmt.Errorf("where it leads by BGP's routes depends on itself"))
		}
		ways = slices.DeleteFunc(ways, func(way *Way) bool { return slices.Contains(moving, way) })
	}
	for way := range r.under {
		if len(way.covers) == 0 {
			delete(r.under, way)
		}
	}
}

// settle has each way follow BGP's own routes until none moves, and returns those that do not
// come to rest.
func (w *Ways) settle(ways []*Way) (moving []*Way) {
	for range rib.MaxRecursion + 2 { // one more than the longest chain takes
		moving = moving[:0]
		for _, way := range ways {
			if now := w.byOwn(way); !now.same(&way.Outcome) {
				way.Outcome = now
				moving = append(moving, way)
			}
		}
		if len(moving) == 0 {
			break
		}
	}
	return moving
}

// byOwn is what a way comes to by the best of BGP's own routes, as those and the other ways are
// now, or else by what others wrote.
func (w *Ways) byOwn(way *Way) Outcome {
	var reason error // of the longest prefix
	for _, prefix := range slices.Clone(way.covers) {
		own, is := w.recursion.routes.Own(prefix)
		if !is {
			way.covers = slices.DeleteFunc(way.covers, func(p netip.Prefix) bool { return p == prefix })
			continue
		}
		if prefix.Bits() == 0 && !w.Resolver.View.ByDefault || !way.lead.Outranked(prefix, own.Metric) {
			break
		}
		hops, err := w.through(way, prefix, &own)
		if o := w.outcome(way, hops, err); o.Reach != rib.Unreached {
			o.Own = prefix
			return o
		}
		reason = cmp.Or(reason, err)
		if errors.Is(err, errDiscards) {
			return unreached(way, reason)
		}
	}
	if way.foreign.Reach == rib.Unreached && reason != nil {
		o := unreached(way, reason)
		o.Waits = way.foreign.Waits
		return o
	}
	return *way.foreign
}

func unreached(way *Way, why error) Outcome {
	return Outcome{Reach: rib.Unreached, Reason: fmt.Sprintf("nexthop %s is unresolved: %s", way.Addr, why)}
}

var errDiscards = errors.New("discards what is sent there")

// through returns the hops by which BGP's own route for a prefix leads to a way.
func (w *Ways) through(way *Way, prefix netip.Prefix, own *OwnRoute) ([]rib.Hop, error) {
	if err := w.apart(way, own); err != nil {
		return nil, fmt.Errorf("BGP's route %s, which covers it, %w", prefix, err)
	}
	leads := w.leads(own)
	switch {
	case leads == nil: // why, its own reason says: they would be told one in the other
		return nil, fmt.Errorf("BGP's route %s, which covers it, leads nowhere now; explain says why", prefix)
	case leads.Kind != rib.KindUnicast:
		return nil, fmt.Errorf("BGP's route %s, which covers it, %w", prefix, errDiscards)
	}
	hops := make([]rib.Hop, 0, len(leads.Hops))
	for _, h := range leads.Hops {
		if !h.Gateway.IsValid() { // leaked, from where it is connected
			link := w.Resolver.View.Links[h.Ifindex]
			if link.VRFTable != 0 {
				return nil, fmt.Errorf("BGP's route %s, which covers it, leads to the VRF device %s, where its neighbours are not", prefix, link.Name)
			}
			h.Gateway, h.OnLink = way.Addr, true
		}
		hops = append(hops, h)
	}
	return hops, nil
}

// leads is where one of BGP's own routes leads; nil: nowhere.
func (w *Ways) leads(own *OwnRoute) *Forwarding {
	if own.Set == nil {
		return own.Stands
	}
	trial := *own.Set
	w.resolveSet(&trial)
	if trial.Carries == nil {
		return nil
	}
	return &Forwarding{Kind: trial.Carries.Kind, Hops: trial.Hops}
}

// apart refuses a route of BGP that leads by a way itself, or may come to, and one behind too
// many others.
func (w *Ways) apart(way *Way, own *OwnRoute) error {
	type step struct {
		by    *Way
		depth int
	}
	seen := make(map[*Way]int)
	var todo []step
	add := func(ways []*Way, depth int) {
		for _, by := range ways {
			if seen[by] < depth {
				seen[by] = depth
				todo = append(todo, step{by, depth})
			}
		}
	}
	for add(own.Ways, 1); len(todo) > 0; {
		at := todo[len(todo)-1]
		todo = todo[:len(todo)-1]
		switch {
		case at.by.Member == way.Member:
			return errors.New("is reached by it itself")
		case !at.by.Own.IsValid():
			continue
		case at.depth >= rib.MaxRecursion:
			return fmt.Errorf("is behind more than %d others", rib.MaxRecursion)
		}
		if next, is := w.recursion.routes.Own(at.by.Own); is {
			add(next.Ways, at.depth+1)
		}
	}
	return nil
}

// compareWays orders ways by what they are.
func compareWays(a, b *Way) int {
	if c := a.Addr.Compare(b.Addr); c != 0 {
		return c
	}
	return cmp.Or(slices.Compare(a.appendKey(nil), b.appendKey(nil)), yes(a.ipv6)-yes(b.ipv6))
}

func yes(is bool) int {
	if is {
		return 1
	}
	return 0
}

// Decided is what nexthops come to that BGP's own routes cover, as one worker found it out. It
// is immutable.
type Decided map[wayKey]Outcome

// Of returns what a nexthop comes to for the routes of a family; false: BGP's own routes have
// no part in it.
func (d Decided) Of(m Member, f rib.Family) (Outcome, bool) {
	o, is := d[wayKey{m, f}]
	return o, is
}

// Decided is what was found out of those that BGP's own routes cover.
func (w *Ways) Decided() Decided {
	r := &w.recursion
	if r.told == nil && len(r.under) > 0 {
		r.told = make(Decided, len(r.under))
		for way := range r.under {
			r.told[way.key()] = way.Outcome
		}
	}
	return r.told
}
