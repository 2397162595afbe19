package nexthop

import (
	"github.com/vrfredist/vrfredist/rib"
)

// tracker knows which sets a change can touch, so that one flapping link or route costs
// its own nexthops and no others.
type tracker struct {
	nexthops rib.NexthopIndex[*Set]    // resolved in this VRF, by address
	onLink   map[int]map[*Set]struct{} // by the interfaces their resolution depends on; 0: any
	leaks    map[*Set]struct{}         // with a nexthop that another VRF leaks here
	resolved int                       // how many resolutions there were
}

func newTracker() tracker {
	return tracker{onLink: make(map[int]map[*Set]struct{}), leaks: make(map[*Set]struct{})}
}

// watch begins to track a new set.
func (t *tracker) watch(set *Set) {
	for _, m := range set.Members {
		if m.Source == "" {
			t.nexthops.Add(m.Addr, set)
			if m.Peer.IsValid() {
				t.nexthops.Add(m.Peer, set)
			}
		} else {
			t.leaks[set] = struct{}{}
		}
	}
}

// depend notes anew on which interfaces the resolution of a set depends.
func (t *tracker) depend(set *Set, v rib.View) {
	t.release(set)
	for _, m := range set.Members {
		if m.Source != "" {
			continue
		}
		for link := range v.DependsOn(m.Addr) {
			on := t.onLink[link]
			if on == nil {
				on = make(map[*Set]struct{})
				t.onLink[link] = on
			}
			if _, noted := on[set]; !noted {
				on[set] = struct{}{}
				set.links = append(set.links, link)
			}
		}
	}
}

// release forgets on which interfaces a set depends.
func (t *tracker) release(set *Set) {
	for _, link := range set.links {
		delete(t.onLink[link], set)
		if len(t.onLink[link]) == 0 {
			delete(t.onLink, link)
		}
	}
	set.links = set.links[:0]
}

// forget ends the tracking of a set.
func (t *tracker) forget(set *Set) {
	t.release(set)
	delete(t.leaks, set)
	for _, m := range set.Members {
		if m.Source == "" {
			t.nexthops.Remove(m.Addr, set)
			if m.Peer.IsValid() {
				t.nexthops.Remove(m.Peer, set)
			}
		}
	}
}
