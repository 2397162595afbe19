package rib

// SameForwarding tells whether the kernel does the same with a packet by a as
// by b: kind, hops in any order, and preferred source. Not compared are key and
// protocol, what the kernel reports of its own (scope, dead hops, the id of the
// nexthop object behind the hops), the weight of an only hop, which it drops,
// and the hops of a route that discards, where IPv6 shows the loopback device.
func SameForwarding(a, b Route) bool {
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
		return a.Hops[0].Equal(b.Hops[0])
	}
	inOrder := true
	for i := range a.Hops {
		if !sameShare(a.Hops[i], b.Hops[i]) {
			inOrder = false
			break
		}
	}
	return inOrder || sameSet(a.Hops, b.Hops)
}

// sameSet compares as multisets two slices of the same length. They are short,
// and this allocates nothing.
func sameSet(a, b []Hop) bool {
	count := func(hops []Hop, h Hop) (n int) {
		for _, o := range hops {
			if sameShare(o, h) {
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

// sameShare tells whether two hops of routes with several take the same share of the
// same way.
func sameShare(a, b Hop) bool { return a.Equal(b) && a.weight() == b.weight() }
