package rib

// Diff yields the changes that make a table's own routes, have, into want: adds
// and replaces in the order of want, then deletes in the order of have, so that
// no prefix is without a route while the batch is written. A key is expected
// once in want; of more the first counts. The result is written over buf.
//
// Whatever differs about a key is one OpReplace. The kernel does that in place
// in both families, also between one hop and several, and between unicast and
// blackhole (IPv6 checked on Linux 6.18: where no route of the same kind is
// found, the one with the same metric is replaced with all its legs). A delete
// followed by an add would leave a gap.
func Diff(buf []Change, have, want []Route) []Change {
	changes := buf[:0]
	at := make(map[Key]int, len(have))
	for i := range have {
		if _, twice := at[have[i].Key()]; !twice {
			at[have[i].Key()] = i
		}
	}
	const done = -1 // the key was met in want
	stays := make([]bool, len(have))
	for _, w := range want {
		i, found := at[w.Key()]
		if found && i == done {
			continue
		}
		at[w.Key()] = done
		if !found {
			changes = append(changes, Change{Op: OpAdd, Route: w})
			continue
		}
		stays[i] = true
		if have[i].Protocol != w.Protocol || !SameForwarding(have[i], w) {
			changes = append(changes, Change{Op: OpReplace, Route: w})
		}
	}
	for i := range have {
		if !stays[i] {
			changes = append(changes, Change{Op: OpDelete, Route: have[i]})
		}
	}
	return changes
}

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
