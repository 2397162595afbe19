package nexthop

import (
	"github.com/vrfredist/vrfredist/rib"
)

// tracker knows which ways a change can touch, so that one flapping link or route costs
// its own nexthops and no others.
type tracker struct {
	nexthops rib.NexthopIndex[*Way]    // resolved in this VRF, by address
	onLink   map[int]map[*Way]struct{} // by the interfaces their resolution depends on; 0: any
	leaks    map[*Way]struct{}         // that another VRF leaks here
	pes      map[*Way]struct{}         // that are looked up in the core, and depend on any interface
	resolved int                       // how many resolutions there were
}

func newTracker() tracker {
	return tracker{onLink: make(map[int]map[*Way]struct{}), leaks: make(map[*Way]struct{}), pes: make(map[*Way]struct{})}
}

// watch begins to track a new way.
func (t *tracker) watch(way *Way) {
	if way.carried() {
		t.pes[way] = struct{}{}
	}
	switch {
	case way.Source != "":
		t.leaks[way] = struct{}{}
	case !way.carried(): // no route of the VRF leads to another PE
		t.nexthops.Add(way.Addr, way)
		if way.Peer.IsValid() {
			t.nexthops.Add(way.Peer, way)
		}
	}
}

// depend notes anew on which interfaces the resolution of a way depends.
func (t *tracker) depend(way *Way, v rib.View) {
	if way.carried() {
		return // see pes
	}
	t.release(way)
	if way.Link != "" {
		t.depends(way, 0) // whichever has that name by then
	}
	if way.Source != "" {
		return
	}
	for link := range v.DependsOn(way.Addr) {
		t.depends(way, link)
	}
}

// depends notes that the resolution of a way depends on an interface.
func (t *tracker) depends(way *Way, link int) {
	on := t.onLink[link]
	if on == nil {
		on = make(map[*Way]struct{})
		t.onLink[link] = on
	}
	if _, noted := on[way]; !noted {
		on[way] = struct{}{}
		way.links = append(way.links, link)
	}
}

// release forgets on which interfaces a way depends.
func (t *tracker) release(way *Way) {
	for _, link := range way.links {
		delete(t.onLink[link], way)
		if len(t.onLink[link]) == 0 {
			delete(t.onLink, link)
		}
	}
	way.links = way.links[:0]
}

// forget ends the tracking of a way.
func (t *tracker) forget(way *Way) {
	t.release(way)
	delete(t.leaks, way)
	delete(t.pes, way)
	if way.Source == "" && !way.carried() {
		t.nexthops.Remove(way.Addr, way)
		if way.Peer.IsValid() {
			t.nexthops.Remove(way.Peer, way)
		}
	}
}
