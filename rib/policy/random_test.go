package policy

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// The generators draw from few values, so that policies and routes meet.

func some[T any](r *rand.Rand, most int, one func() T) []T {
	out := make([]T, 1+r.IntN(most))
	for i := range out {
		out[i] = one()
	}
	return out
}

func oneOf[T any](r *rand.Rand, list ...T) T { return list[r.IntN(len(list))] }

func randomCommunity(r *rand.Rand) rib.Community {
	return oneOf(r, rib.Community(65001<<16|1), 65001<<16|2, 65001<<16|3, rib.CommunityNoExport, rib.CommunityLLGRStale)
}

func randomLarge(r *rand.Rand) rib.LargeCommunity {
	return rib.LargeCommunity{Global: 65001, Local1: uint32(r.IntN(2)), Local2: uint32(r.IntN(2))}
}

func randomExtended(r *rand.Rand) rib.ExtCommunity {
	// Two sites of origin, a colour, two link bandwidths, a route target.
	return oneOf(r, rib.ExtCommunity(0x0003fde800000001), 0x0003fde800000002, 0x030b000000000007, 0x4004fde84e9502f9, 0x4004fde84b989680, 0x0002fde80000000a)
}

func randomAS(r *rand.Rand) uint32 { return oneOf[uint32](r, 65001, 65002, 65003, 650011) }

func randomNumbers(r *rand.Rand) *Numbers {
	return number(oneOf(r, "0", "1", ">= 1", "<= 1", "1-2", ">= 100", "100", "0-4294967295", "2-7"))
}

func randomAddr(r *rand.Rand) netip.Addr {
	return netip.MustParseAddr(oneOf(r, "192.0.2.1", "192.0.2.2", "198.51.100.1", "2001:db8::1", "fe80::1%eth0", "fe80::1%eth1"))
}

func randomRange(r *rand.Rand) Range {
	return parsed(ParseRange, oneOf(r, "192.0.2.1", "192.0.2.0/24", "198.51.100.0/31", "2001:db8::/32", "fe80::1", "fe80::1%eth0", "fe80::/10", "0.0.0.0/0"))[0]
}

// randomSubject is a path or a kernel route. It may share the attributes of an earlier one, as
// the paths of one UPDATE do.
func randomSubject(r *rand.Rand, before []rib.Subject) rib.Subject {
	s := rib.Subject{
		Prefix: randomPrefix(r).Prefix, VRF: "red", RD: oneOf[rib.RD](r, 0, 7), AS: oneOf[uint32](r, 0, 0, 65000),
		RPKI: oneOf(r, rib.NotFound, rib.Valid, rib.Invalid),
	}
	if len(before) > 0 && r.IntN(3) == 0 {
		s.Attrs = before[r.IntN(len(before))].Attrs
	} else {
		s.Attrs = randomAttrs(r)
	}
	if r.IntN(4) == 0 {
		s.Links = rib.Links{1: {Name: "eth0"}, 2: {Name: "eth1"}, 3: {Name: "lan0"}}
		s.Route = &rib.Route{Prefix: s.Prefix, Protocol: oneOf[uint8](r, 2, 4, 16), Metric: uint32(r.IntN(4))}
		for range r.IntN(3) {
			h := rib.Hop{Ifindex: 1 + r.IntN(3)}
			if r.IntN(3) > 0 {
				h.Gateway = randomAddr(r).WithZone("")
			}
			s.Route.Hops = append(s.Route.Hops, h)
		}
	}
	return s
}

func randomAttrs(r *rand.Rand) *rib.Attrs {
	a := &rib.Attrs{
		Via:       &rib.Via{Nexthop: randomAddr(r), Source: oneOf(r, "", "red", "blue", "default")},
		Tags:      &rib.Tags{},
		LocalPref: uint32(oneOf(r, 0, 1, 100, 200)), MED: uint32(r.IntN(4)),
	}
	if r.IntN(3) > 0 {
		a.Peer = randomAddr(r)
	}
	if r.IntN(4) == 0 {
		a.LinkLocal = netip.MustParseAddr("fe80::1%eth1")
	}
	for range r.IntN(3) {
		a.Communities = append(a.Communities, randomCommunity(r))
		a.Large = append(a.Large, randomLarge(r))
	}
	a.Stale = slices.Contains(a.Communities, rib.CommunityLLGRStale)
	if r.IntN(2) == 0 {
		a.RTs = []rib.RT{rib.RT(0x0002fde80000000a)}
	}
	for range r.IntN(4) {
		a.ASPath = append(a.ASPath, randomAS(r))
	}
	a.ASPathLen = int32(len(a.ASPath))
	if r.IntN(3) == 0 {
		a.Rare = randomRare(r, a)
	}
	return a
}

// randomRare gives a path another segment, and extended communities.
func randomRare(r *rand.Rand, a *rib.Attrs) *rib.Rare {
	out := &rib.Rare{}
	if r.IntN(2) == 0 {
		out.Extended = some(r, 2, func() rib.ExtCommunity { return randomExtended(r) })
		out.Extended = slices.DeleteFunc(out.Extended, func(e rib.ExtCommunity) bool { _, is := e.RT(); return is })
	}
	if len(a.ASPath) == 0 {
		return out
	}
	one := rib.ASSegment{Kind: rib.ASSequence, ASes: a.ASPath}
	other := rib.ASSegment{Kind: oneOf(r, rib.ASSet, rib.ConfedSequence, rib.ConfedSet), ASes: some(r, 3, func() uint32 { return randomAS(r) })}
	switch {
	case other.Kind != rib.ASSet: // a confederation's is before the others, and counts nothing
		out.Segments = []rib.ASSegment{other, one}
	case r.IntN(3) == 0:
		out.Segments = []rib.ASSegment{other, one}
		a.ASPath, a.ASPathLen = slices.Concat(other.ASes, a.ASPath), a.ASPathLen+1
	default:
		out.Segments = []rib.ASSegment{one, other}
		a.ASPath, a.ASPathLen = slices.Concat(a.ASPath, other.ASes), a.ASPathLen+1
	}
	return out
}

func randomPolicy(r *rand.Rand) Definition {
	d := Definition{Name: fmt.Sprintf("p%d", r.IntN(1<<30)), Default: oneOf(r, Accept, Reject)}
	d.Rules = some(r, 5, func() Rule {
		rule := Rule{Action: oneOf(r, Accept, Reject, Next, Next), Name: oneOf(r, "", "x")}
		for range r.IntN(3) {
			randomCondition(r, &rule.When)
		}
		if r.IntN(3) == 0 {
			randomCondition(r, &rule.Unless)
		}
		if rule.Action != Reject {
			for range r.IntN(4) {
				randomChange(r, &rule.Set)
			}
		}
		return rule
	})
	return d
}

func randomCondition(r *rand.Rand, c *Conditions) {
	switch r.IntN(20) {
	case 0:
		c.Prefixes = some(r, 6, func() Prefix { return randomPrefix(r) })
	case 1:
		c.Families = some(r, 2, func() rib.Family { return oneOf(r, rib.IPv4, rib.IPv6) })
	case 2:
		c.SourceVRFs = some(r, 2, func() string { return oneOf(r, "default", "red", "blue") })
	case 3:
		c.Neighbors = some(r, 2, func() Neighbor { return Neighbor{Range: randomRange(r), VRF: oneOf(r, "", "", "red", "default")} })
	case 4:
		c.Nexthops = some(r, 2, func() Range { return randomRange(r) })
	case 5:
		c.Protocols = some(r, 2, func() uint8 { return oneOf[uint8](r, 2, 4, 16) })
	case 6:
		c.Interfaces = some(r, 2, func() string { return oneOf(r, "eth*", "lan0", "eth1", "*") })
	case 7:
		c.Metric = randomNumbers(r)
	case 8:
		c.RPKI = some(r, 2, func() rib.Validity { return oneOf(r, rib.NotFound, rib.Valid, rib.Invalid) })
	case 9:
		c.LocalPref = randomNumbers(r)
	case 10:
		c.MED = randomNumbers(r)
	case 11:
		c.OriginAS = some(r, 3, func() uint32 { return randomAS(r) })
	case 12:
		c.ASPathLength = randomNumbers(r)
	case 13:
		c.Communities = some(r, 3, func() rib.Community { return randomCommunity(r) })
	case 14:
		c.CommunitiesAll = some(r, 2, func() rib.Community { return randomCommunity(r) })
	case 15:
		c.Large = some(r, 3, func() rib.LargeCommunity { return randomLarge(r) })
	case 16:
		c.LargeAll = some(r, 2, func() rib.LargeCommunity { return randomLarge(r) })
	case 17:
		c.RouteTargets = some(r, 2, func() rib.RT { return oneOf[rib.RT](r, 0x0002fde80000000a, 0x0002fde80000000b) })
	case 18:
		c.Extended = some(r, 2, func() rib.ExtCommunity { return randomExtended(r) })
	case 19:
		c.ASPath = some(r, 2, func() ASPath {
			return parsed(ParseASPath, oneOf(r, "^65001_", "_65001$", "_65002_", "^65003$", "^$", "_65001_65002_", "^[0-9]+$", `\{`, "6500", `^\(`))[0]
		})
	}
}

func randomChange(r *rand.Rand, c *Changes) {
	switch r.IntN(10) {
	case 0:
		c.LocalPref = new(uint32(oneOf(r, 0, 100, 200)))
	case 1:
		c.MED = new(uint32(r.IntN(4)))
	case 2:
		c.Prepend = uint8(1 + r.IntN(3))
	case 3:
		c.Nexthop = oneOf(r, Nexthop{Told: rib.NexthopSelf}, Nexthop{Told: rib.NexthopUnchanged},
			Nexthop{Addr: netip.MustParseAddr("192.0.2.77")}, Nexthop{Addr: netip.MustParseAddr("2001:db8::77")})
	case 4:
		c.Communities = randomChanges(r, func() rib.Community { return randomCommunity(r) })
	case 5:
		c.Large = randomChanges(r, func() rib.LargeCommunity { return randomLarge(r) })
	case 6:
		c.Metric = uint32(r.IntN(100))
	case 7:
		c.PrefSrc[r.IntN(2)] = netip.MustParseAddr("192.0.2.1")
	case 8:
		c.Weight = uint32(r.IntN(5))
	case 9:
		c.WeightBandwidth = true
	}
}

func randomChanges[T comparable](r *rand.Rand, one func() T) (c CommunityChanges[T]) {
	if r.IntN(3) == 0 {
		c.Replace = true
		if r.IntN(2) == 0 {
			c.Set = slices.Compact(some(r, 2, one))
		}
	}
	if r.IntN(2) == 0 {
		c.Remove = some(r, 2, one)
	}
	if r.IntN(2) == 0 {
		c.Add = some(r, 2, one)
	}
	return c
}
