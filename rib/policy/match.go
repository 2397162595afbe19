package policy

import (
	"cmp"
	"net/netip"
	"path"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// test is one condition of a rule, made ready.
type test struct {
	key     keyName
	of      *Conditions
	negated bool
	in      *prefixSet    // of keyPrefixes
	paths   *asPathMemory // of keyASPath, where regular expressions are run
}

// tests makes conditions ready.
func (c *Conditions) tests(negated bool) (out []test) {
	of := c.sorted()
	for _, k := range c.keys() {
		t := test{key: k, of: of, negated: negated}
		if k == keyPrefixes {
			t.in = newPrefixSet(c.Prefixes)
		}
		if k == keyASPath && slices.ContainsFunc(c.ASPath, func(a ASPath) bool { return a.form == anyForm }) {
			t.paths = new(asPathMemory)
		}
		out = append(out, t)
	}
	return out
}

// sorted is a copy in which the lists are sorted that a path is looked up in.
func (c *Conditions) sorted() *Conditions {
	out := *c
	out.OriginAS = slices.Sorted(slices.Values(c.OriginAS))
	out.Communities = slices.Sorted(slices.Values(c.Communities))
	out.RouteTargets = slices.Sorted(slices.Values(c.RouteTargets))
	out.Extended = slices.Sorted(slices.Values(c.Extended))
	out.Large = slices.SortedFunc(slices.Values(c.Large), compareLarge)
	return &out
}

// matches tells whether a rule is about s.
func matches(tests []test, s *rib.Subject) bool {
	for i := range tests {
		if t := &tests[i]; t.holds(s) == t.negated {
			return false
		}
	}
	return true
}

// holds tells whether a condition is met, whatever is negated.
func (t *test) holds(s *rib.Subject) bool {
	c, a := t.of, s.Attrs
	switch t.key {
	case keyPrefixes:
		return t.in.has(s.Prefix)
	case keyFamilies:
		return slices.Contains(c.Families, rib.FamilyOf(s.Prefix))
	case keyLocalPref:
		return c.LocalPref.has(a.LocalPref)
	case keyMED:
		return c.MED.has(a.MED)
	case keyCommunities:
		return anyOf(c.Communities, a.Communities)
	case keyCommunitiesAll:
		return allOf(c.CommunitiesAll, a.Communities)
	case keyLarge:
		return anyLarge(c.Large, a.Large)
	case keyLargeAll:
		return allOf(c.LargeAll, a.Large)
	case keyNexthops:
		return c.nexthop(s)
	}
	if s.Route != nil {
		return t.holdsOfRoute(s)
	}
	return t.holdsOfPath(s)
}

// holdsOfRoute is holds for what only a kernel route has.
func (t *test) holdsOfRoute(s *rib.Subject) bool {
	c, r := t.of, s.Route
	switch t.key {
	case keyProtocols:
		return slices.Contains(c.Protocols, r.Protocol)
	case keyMetric:
		return c.Metric.has(r.Metric)
	case keyInterfaces:
		for i := range r.Hops {
			if link, is := s.Links[r.Hops[i].Ifindex]; is && c.names(link.Name) {
				return true
			}
		}
	}
	return false
}

// holdsOfPath is holds for what only a path of BGP has.
func (t *test) holdsOfPath(s *rib.Subject) bool {
	c, a := t.of, s.Attrs
	switch t.key {
	case keySourceVRFs:
		return slices.Contains(c.SourceVRFs, s.SourceVRF())
	case keyNeighbors:
		peer, vrf := s.Neighbor()
		return peer.IsValid() && slices.ContainsFunc(c.Neighbors, func(n Neighbor) bool { return n.is(peer, vrf) })
	case keyRPKI:
		return slices.Contains(c.RPKI, s.RPKI)
	case keyOriginAS:
		as, known := originAS(a)
		if !known {
			return false
		}
		_, is := slices.BinarySearch(c.OriginAS, as)
		return is
	case keyASPathLength:
		return c.ASPathLength.has(uint32(a.ASPathLen))
	case keyRouteTargets:
		return anyOf(c.RouteTargets, a.RTs)
	case keyExtended:
		return c.extended(a)
	case keyASPath:
		return t.paths.match(c.ASPath, a)
	}
	return false
}

func (c *Conditions) nexthop(s *rib.Subject) bool {
	has := func(nh netip.Addr) bool {
		return nh.IsValid() && slices.ContainsFunc(c.Nexthops, func(r Range) bool { return r.has(nh) })
	}
	if s.Route == nil {
		return has(s.Attrs.Nexthop) || has(s.Attrs.LinkLocal)
	}
	return slices.ContainsFunc(s.Route.Hops, func(h rib.Hop) bool {
		if h.Gateway.IsLinkLocalUnicast() && h.Gateway.Is6() {
			return has(h.Gateway.WithZone(s.Links[h.Ifindex].Name)) // the kernel's gateways have none
		}
		return has(h.Gateway)
	})
}

func (c *Conditions) names(link string) bool {
	return slices.ContainsFunc(c.Interfaces, func(glob string) bool {
		ok, err := path.Match(glob, link)
		return ok && err == nil // a bad glob was refused with the configuration
	})
}

// extended also finds route targets, which are extended communities as well.
func (c *Conditions) extended(a *rib.Attrs) bool {
	if anyOf(c.Extended, a.Extended()) {
		return true
	}
	return len(a.RTs) > 0 && slices.ContainsFunc(c.Extended, func(e rib.ExtCommunity) bool {
		rt, is := e.RT()
		return is && slices.Contains(a.RTs, rt)
	})
}

// anyOf tells whether one of has is among asked, which is sorted.
func anyOf[T cmp.Ordered](asked, has []T) bool {
	for _, v := range has {
		if _, is := slices.BinarySearch(asked, v); is {
			return true
		}
	}
	return false
}

func allOf[T comparable](asked, has []T) bool {
	for _, v := range asked {
		if !slices.Contains(has, v) {
			return false
		}
	}
	return true
}

// anyLarge is anyOf.
func anyLarge(asked, has []rib.LargeCommunity) bool {
	for _, v := range has {
		if _, is := slices.BinarySearchFunc(asked, v, compareLarge); is {
			return true
		}
	}
	return false
}

func compareLarge(a, b rib.LargeCommunity) int {
	return cmp.Or(cmp.Compare(a.Global, b.Global), cmp.Compare(a.Local1, b.Local1), cmp.Compare(a.Local2, b.Local2))
}
