package nexthop

import "github.com/vrfredist/vrfredist/rib"

// A hop that encapsulates stands for another PE. Where the core comes to reach that PE otherwise, by
// another label or interface, the object of the hop goes along: it is replaced, and the groups that it
// is in, of however many sets, are left alone.

// standsFor is what a single object with an encapsulation is known by after a restart: the id alone says
// no more what it led to first.
func standsFor(n *rib.Nexthop) (key string, is bool) {
	if n.Group() || n.Hop.Encap == (rib.Encap{}) {
		return "", false
	}
	h := n.Hop
	h.OnLink = false // sameSingle
	return string(appendHop(nil, h, n.IPv6)), true
}

// stood is the id of a single object that forwards as n does, and stands since an earlier run; 0: none.
func stood(o *Objects, n rib.Nexthop) uint32 {
	key, is := standsFor(&n)
	id := o.standing[key]
	if _, claimed := o.claimed[id]; !is || claimed {
		return 0
	}
	return id
}

// moved has objects go along with hops of sets that lead elsewhere than before. was are the sets as they
// were.
func moved(s *Sets, was map[*Set]Set) {
	var needed map[string]struct{}
	for set, old := range was {
		if set.Carries == nil || set.inline || !s.Objects.On {
			continue
		}
		came := without(set.Hops, old.Hops)
		for _, gone := range without(old.Hops, set.Hops) {
			if len(came) == 0 {
				break
			}
			if needed == nil {
				needed = encapsulating(s)
			}
			if _, is := needed[hopKey(gone, set.ipv6)]; !is && move(s.Objects, gone, came[0], set.ipv6) {
				came = came[1:]
			}
		}
	}
}

// without are those of hops that encapsulate, and are none of others.
func without(hops, others []rib.Hop) (out []rib.Hop) {
	for _, h := range hops {
		if h.Encap == (rib.Encap{}) {
			continue
		}
		found := false
		for _, o := range others {
			found = found || h.Equal(o)
		}
		if !found {
			out = append(out, h)
		}
	}
	return out
}

// encapsulating are the hops that encapsulate, of all sets and their backups.
func encapsulating(s *Sets) map[string]struct{} {
	all := make(map[string]struct{})
	for set := range s.All() {
		hops := set.Hops
		if set.Backup != nil {
			hops = append(hops[:len(hops):len(hops)], set.Backup.Hops...)
		}
		for _, h := range hops {
			if h.Encap != (rib.Encap{}) {
				all[hopKey(h, set.ipv6)] = struct{}{}
			}
		}
	}
	return all
}

// hopKey is what the object of a hop is known by.
func hopKey(h rib.Hop, ipv6 bool) string {
	n := singleOf(h, ipv6, 0)
	return string(appendHop(nil, n.Hop, n.IPv6))
}

// move has the object of one hop be that of another one, which has none. It tells whether there was one.
func move(o *Objects, from, to rib.Hop, ipv6 bool) bool {
	was, is := hopKey(from, ipv6), hopKey(to, ipv6)
	id := o.singles[was]
	if id == 0 || o.singles[is] != 0 || stood(o, singleOf(to, ipv6, 0)) != 0 {
		return false
	}
	delete(o.singles, was)
	o.singles[is], o.claimed[id] = id, is
	return true
}
