package nsworker

import (
	"github.com/vrfredist/vrfredist/rib"
)

// tracker knows which targets a change can touch, so that one flapping link or
// route costs its own nexthops and no others.
type tracker struct {
	nexthops rib.NexthopIndex[*target]    // resolved in this VRF, by address
	onLink   map[int]map[*target]struct{} // by the interfaces their resolution rests on; 0: any
	leaks    map[*target]struct{}         // with a nexthop that another VRF leaks here
	resolved int                          // how many resolutions there were
}

func newTracker() tracker {
	return tracker{onLink: make(map[int]map[*target]struct{}), leaks: make(map[*target]struct{})}
}

// resolve resolves one target, and notes what its resolution rests on now. It
// tells whether what its routes carry changed.
func (s *session) resolve(tg *target) bool {
	s.tracker.resolved++
	s.tracker.lean(tg, s.resolver.view)
	return s.resolver.resolve(tg)
}

// watch begins to track a new target.
func (t *tracker) watch(tg *target) {
	for _, n := range tg.nexthops {
		if n.source == "" {
			t.nexthops.Add(n.addr, tg)
		} else {
			t.leaks[tg] = struct{}{}
		}
	}
}

// lean notes anew on which interfaces a target rests.
func (t *tracker) lean(tg *target, v rib.View) {
	t.unlean(tg)
	for _, n := range tg.nexthops {
		if n.source != "" {
			continue
		}
		for link := range v.DependsOn(n.addr) {
			on := t.onLink[link]
			if on == nil {
				on = make(map[*target]struct{})
				t.onLink[link] = on
			}
			if _, noted := on[tg]; !noted {
				on[tg] = struct{}{}
				tg.links = append(tg.links, link)
			}
		}
	}
}

func (t *tracker) unlean(tg *target) {
	for _, link := range tg.links {
		delete(t.onLink[link], tg)
		if len(t.onLink[link]) == 0 {
			delete(t.onLink, link)
		}
	}
	tg.links = tg.links[:0]
}

// forget ends the tracking of a target.
func (t *tracker) forget(tg *target) {
	t.unlean(tg)
	delete(t.leaks, tg)
	for _, n := range tg.nexthops {
		if n.source == "" {
			t.nexthops.Remove(n.addr, tg)
		}
	}
}
