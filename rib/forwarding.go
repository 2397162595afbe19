package rib

// SameForwarding tells whether the kernel does the same with a packet by a as
// by b: kind, hops in any order, and preferred source. Not compared are key and
// protocol, what the kernel reports of its own (scope, dead hops, the id of the
// nexthop object behind the hops), the weight of an only hop, which it drops,
// and the hops of a route that discards, where IPv6 shows the loopback device.
func SameForwarding(a, b Route) bool { return sameBut(a, b, Hop.Equal) }

// SameWays is SameForwarding whatever RTNH_F_ONLINK says of the hops: the kernel heeds that
// while it decides whether to take a gateway, and forwards no otherwise by it afterwards. A
// route that stands need not be written for its sake.
func SameWays(a, b Route) bool { return sameBut(a, b, Hop.SameWay) }

func sameBut(a, b Route, equal func(a, b Hop) bool) bool {
	if a.Kind != b.Kind || a.PrefSrc != b.PrefSrc {
		return false
	}
	switch a.Kind {
	case KindBlackhole, KindUnreachable, KindProhibit, KindThrow:
		return true
	}
	if len(a.Hops) != len(b.Hops) {
		return false
	}
	if len(a.Hops) == 1 {
		return equal(a.Hops[0], b.Hops[0])
	}
	inOrder := true
	for i := range a.Hops {
		if !equal(a.Hops[i], b.Hops[i]) || a.Hops[i].weight() != b.Hops[i].weight() {
			inOrder = false
			break
		}
	}
	return inOrder || sameSet(a.Hops, b.Hops, equal)
}

// sameSet compares as multisets two slices of the same length. They are short,
// and this allocates nothing.
func sameSet(a, b []Hop, equal func(a, b Hop) bool) bool {
	count := func(hops []Hop, h Hop) (n int) {
		for _, o := range hops {
			if equal(o, h) && o.weight() == h.weight() { // the same share of the same way
				n++
			}
		}
		return n
	}
	for _, h := range a {
		if count(a, h) != count(b, h) {
			return false
		}
	}
	return true
}
