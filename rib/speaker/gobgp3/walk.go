package gobgp3

import (
	"iter"
	"maps"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker"
)

// walk goes through the prefixes that what was said may concern: those with flagged paths,
// and what the neighbours of the VRFs sent of which something new is not reached. A tenant
// whose nexthops come and go has its own routes gone through, and nobody else's. It is the
// loop's own.
type walk struct {
	flags *flags
	next  func() (place, bool)
	end   func()
}

// walkStep is how long a turn of the loop looks for flags to change. It changes no more of
// them than neighbours are told of in a turn.
const walkStep = 5 * time.Millisecond

// begin begins a walk, for which grown says whose neighbours' paths are looked through.
func (f *flags) begin(grown map[string]bool) *walk {
	next, end := iter.Pull(f.concerned(grown))
	return &walk{flags: f, next: next, end: end}
}

// step does a part of the walk, and tells whether there is more.
func (w *walk) step() bool {
	changed := 0
	for began := time.Now(); changed < int(w.flags.batch) && time.Since(began) < walkStep; {
		for range 8 {
			at, more := w.next()
			if !more {
				return false
			}
			changed += w.flags.visit(at)
		}
	}
	return true
}

// concerned are the places of a walk. The tables change while it is under way, which a
// map's iteration allows: what comes meanwhile is judged when it comes.
func (f *flags) concerned(grown map[string]bool) iter.Seq[place] {
	sent := f.sentTo(grown)
	return func(yield func(place) bool) {
		for family, held := range f.held {
			for key := range held {
				if !yield(place{family, key}) {
					return
				}
			}
		}
		for _, s := range sent {
			for _, d := range maps.All(s.adj.destinations) {
				if key, is := s.keyOf(d.nlri); is && !yield(place{s.family, key}) {
					return
				}
			}
		}
	}
}

// sent is what a neighbour sent of one family.
type sent struct {
	adj    *bgpTable
	family bgp.RouteFamily // of the table into which it leads
	table  *bgpTable
	vrf    *bgpVRF // nil: in none
}

// sentTo is what the neighbours of VRFs sent.
func (f *flags) sentTo(vrfs map[string]bool) (list []sent) {
	for _, p := range f.peers() {
		name := p.judgedBy()
		if _, heeded := f.said[name]; !heeded || !vrfs[name] {
			continue
		}
		vrf := f.rib().Vrfs[name] // none is called "default"
		for family, adj := range p.adjIn().table {
			to := family
			if name != speaker.Default {
				to = vpnOf(family)
			}
			_, judged := f.held[to]
			table := f.rib().Tables[to]
			if judged && table != nil && isVPN(to) == (vrf != nil) {
				list = append(list, sent{adj, to, table, vrf})
			}
		}
	}
	return list
}

// keyOf is the key of what a neighbour sent in the table into which it leads.
func (s *sent) keyOf(nlri bgp.AddrPrefixInterface) (string, bool) {
	if s.vrf == nil {
		return tableKey(s.table, nlri), true
	}
	prefix, err := unicastPrefix(nlri)
	if err != nil {
		return "", false
	}
	return tableKey(s.table, nlriOf(prefix, s.vrf)), true
}

// holds tells whether a prefix has a flagged path.
func (f *flags) holds() bool {
	for _, held := range f.held {
		if len(held) > 0 {
			return true
		}
	}
	return false
}

// take takes in a part of a report, and returns what is left of it, and whether the paths of the
// VRF are to be looked through.
func (all gates) take(f *flags, r report) (rest report, walk bool) {
	g := all[r.vrf]
	if g == nil {
		return report{}, false
	}
	if r.whole {
		g.known = true
		g.clear()
		for _, c := range r.changes {
			g.set(c)
		}
		return report{}, true
	}
	of := f.rib().Vrfs[r.vrf] // none is called "default"
	changed, began := 0, time.Now()
	for i, c := range r.changes {
		if changed >= int(f.batch) || i%8 == 7 && time.Since(began) > walkStep {
			r.changes = r.changes[i:]
			return r, false
		}
		g.set(c)
		if of != nil || r.vrf == speaker.Default {
			nlri := nlriOf(c.Prefix, of)
			family := bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI())
			if t := f.rib().Tables[family]; t != nil {
				changed += f.visit(place{family, tableKey(t, nlri)})
			}
		}
	}
	return report{}, false
}
