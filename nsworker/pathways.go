package nsworker

import (
	"iter"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// pathWays finds the nexthop of a path, and how it is reached.
type pathWays struct {
	ways *nexthop.Ways
	of   string // the VRF's name in BGP: paths with this Source are its own
	// blackhole says that a path with BLACKHOLE (RFC 7999) needs no nexthop.
	blackhole bool
	linkLocal bool // a path's link-local nexthop is preferred
	link      func(peer netip.Addr) (netns, device string, inside netip.Addr)
	links     map[string]string // the interfaces that lead to VRFs of other namespaces
	carriage  rib.Carriage      // how packets get to other PEs
	theirs    theirs            // the same of the VRFs that leak
	unsourced bool              // its routes have no preferred source: they only encapsulate

	news    bool // how a nexthop is reached has changed, or one is new that is not
	kept    int  // nexthops, when those were forgotten that no path had
	byVia   [rib.Families]map[*rib.Via]*viaWays
	became  map[*rib.Via][]*rib.Via // what a policy made of them that sets nexthops
	last    nexthop.Want            // what want returned, for its room
	weights []uint16                // reused
	barred  []*nexthop.Way          // by which the kernel takes no route for the prefix in hand
}

func newPathWays(ways *nexthop.Ways, spec vrf.Spec, link func(netip.Addr) (netns, device string, inside netip.Addr)) *pathWays {
	w := &pathWays{ways: ways, of: spec.Of(), link: link}
	w.judgeBy(spec)
	w.news = false
	return w
}

// forget has each nexthop looked up by its parts again.
func (w *pathWays) forget() {
	for f := range w.byVia {
		w.byVia[f] = make(map[*rib.Via]*viaWays)
	}
	w.became = make(map[*rib.Via][]*rib.Via)
}

// heard takes in what a policy left of the paths of a prefix.
func (w *pathWays) heard(paths, judged []rib.Path) {
	for i := range paths {
		p := &paths[i]
		if len(judged) == 0 {
			return
		}
		j := &judged[0]
		if p.RD != j.RD || p.ID != j.ID {
			continue // it is rejected
		}
		judged = judged[1:]
		if was, is := p.Attrs.Via, j.Attrs.Via; was != is && !slices.Contains(w.became[was], is) {
			w.became[was] = append(w.became[was], is)
		}
	}
}

// known yields the nexthops that were looked up of paths with a Via, as BGP has it and as a
// policy left it.
func (w *pathWays) known(f rib.Family, via *rib.Via) iter.Seq[*nexthop.Way] {
	return func(yield func(*nexthop.Way) bool) {
		if !w.byVia[f][via].each(yield) {
			return
		}
		for _, is := range w.became[via] {
			if !w.byVia[f][is].each(yield) {
				return
			}
		}
	}
}

// judgeBy takes over a changed Spec.
func (w *pathWays) judgeBy(spec vrf.Spec) {
	w.blackhole, w.linkLocal, w.news = spec.Export.AcceptBlackhole, spec.Export.PreferLinkLocal, true
	w.links, w.carriage = linksOf(spec), spec.Carriage
	w.theirs, w.unsourced = make(theirs), spec.Encapsulates()
	w.forget()
}

// linksOf are the interfaces that lead to the VRFs that a VRF leaks from, where they are in
// other namespaces.
func linksOf(spec vrf.Spec) map[string]string {
	links := make(map[string]string)
	for _, l := range spec.Leaks {
		if l.Link != "" {
			links[l.From] = l.Link
		}
	}
	return links
}

// way is the nexthop of a path.
func (w *pathWays) way(p *rib.Path) *nexthop.Way {
	f := rib.FamilyOf(p.Prefix)
	if w.leaks(p.Attrs) && p.Attrs.Imported {
		m := nexthop.Member{Source: p.Attrs.Source, Prefix: p.Prefix, Link: w.linkOf(p.Attrs)}
		if p.Attrs.As != rib.FromKernel {
			m.Originated, m.Prefix = true, netip.Prefix{}
		}
		return w.ways.Of(m, f)
	}
	way := w.byVia[f][p.Attrs.Via].at(p, w.labelled(p))
	if way == nil {
		m := member(p.Attrs, w.linkLocal, w.link)
		if m.Encap, m.Cannot = w.carriageOf(p.Attrs).Use(p); m.Encap != (rib.Encap{}) || m.Cannot != "" {
			// A PE's address, which is on no link of the VRF, and may be of IPv4 in a family of IPv6
			// (RFC 4659, 3.2.1.2).
			m = nexthop.Member{Addr: p.Attrs.Nexthop.Unmap(), Encap: m.Encap, Cannot: m.Cannot}
		}
		if w.leaks(p.Attrs) {
			m.Source, m.Link = p.Attrs.Source, w.linkOf(p.Attrs)
		}
		way = w.ways.Of(m, f)
		w.found(f, p.Attrs.Via, p, way)
		w.news = w.news || way.Reach != rib.Reached
	}
	return way
}

// carriageOf is how packets for a path get to other PEs: as those of the VRF which has it from there,
// because that one's routes lead to them.
func (w *pathWays) carriageOf(a *rib.Attrs) *rib.Carriage {
	if !w.leaks(a) || a.Carrier == rib.NotCarried {
		return &w.carriage
	}
	return w.theirs.of(a.Source, w.ways.Resolver.Views)
}

// labelled tells whether a path says by its label how it is reached, which its Via does not.
func (w *pathWays) labelled(p *rib.Path) bool {
	return p.Attrs.Carrier != rib.NotCarried && w.carriageOf(p.Attrs).Kind != 0
}

// haveMoved tells whether a VRF that leaks has another encapsulation than before. Then what its paths
// are put into is found out anew.
func (w *pathWays) haveMoved() bool {
	moved := w.theirs.haveMoved(w.ways.Resolver.Views)
	if moved {
		w.theirs = make(theirs)
		w.forget()
	}
	return moved
}

// leakedByPE tells whether paths with some attributes are another PE's that a VRF here leaks.
func (w *pathWays) leakedByPE(a *rib.Attrs) bool { return a.Carrier != rib.NotCarried && w.leaks(a) }

// leaks tells whether a path is another VRF's of this daemon.
func (w *pathWays) leaks(a *rib.Attrs) bool { return a.Source != "" && a.Source != w.of }

// linkOf is the interface that leads to the VRF of a leaked path; "": it is in this namespace,
// or came by route targets, which name none.
func (w *pathWays) linkOf(a *rib.Attrs) string {
	if !a.ByRule {
		return ""
	}
	return w.links[a.Source]
}

// reach is rib.Candidates.Reach.
func (w *pathWays) reach(p *rib.Path) rib.Reach {
	if p.Attrs.Imported && !w.leaks(p.Attrs) || w.discards(p.Attrs) {
		return rib.Reached // it needs no nexthop
	}
	way := w.way(p)
	if len(w.barred) > 0 && slices.Contains(w.barred, way) {
		return rib.Unreached
	}
	return way.Reach
}

// discards tells whether a path becomes a blackhole route.
func (w *pathWays) discards(a *rib.Attrs) bool {
	return w.blackhole && slices.Contains(a.Communities, rib.CommunityBlackhole)
}

// want is what a decision comes down to. Its lists are good until the next call.
func (w *pathWays) want(v *rib.Verdict, candidates []rib.Path) nexthop.Want {
	to := &w.last
	*to = nexthop.Want{
		Ways: to.Ways[:0], Weights: to.Weights[:0], Sent: to.Sent[:0], BackupSent: to.BackupSent[:0],
		Metric: v.Metric, PrefSrc: v.PrefSrc,
	}
	if w.unsourced {
		to.PrefSrc = netip.Addr{} // the VRF's own table has chosen it, and it is none of the core's
	}
	if v.Discards || w.discards(v.Chosen[0].Attrs) {
		to.Blackhole = true
		return *to
	}
	w.join(to, v.Chosen)
	if v.Backup.Attrs != nil && !w.discards(v.Backup.Attrs) {
		to.Backup = w.way(&v.Backup)
	}
	if len(candidates) == 1 {
		to.Sent = appendSender(to.Sent, candidates[0].Attrs)
		return *to
	}
	local := false
	for i := range candidates {
		p := &candidates[i]
		switch way := w.way(p); {
		case way == to.Backup:
			to.BackupSent = appendSender(to.BackupSent, p.Attrs)
		case slices.Contains(to.Ways, way):
			to.Sent = appendSender(to.Sent, p.Attrs)
			local = local || !p.Attrs.Peer.IsValid()
		}
	}
	if local {
		to.Sent = to.Sent[:0]
	}
	return *to
}

// join gives a want the ways of the chosen paths, and their weights where they have some. A way
// that several of them have weighs as the one that has the most.
func (w *pathWays) join(to *nexthop.Want, chosen []rib.Path) {
	w.weights = rib.Weights(w.weights, chosen)
	for i := range chosen {
		way := w.way(&chosen[i])
		at := slices.Index(to.Ways, way)
		if at < 0 {
			at, to.Ways = len(to.Ways), append(to.Ways, way)
			if len(w.weights) > 0 {
				to.Weights = append(to.Weights, 0)
			}
		}
		if len(w.weights) > 0 {
			to.Weights[at] = max(to.Weights[at], w.weights[i])
		}
	}
	if len(to.Ways) < 2 {
		to.Weights = to.Weights[:0]
	}
}

// appendSender appends the neighbour that sent a path. A path of the VRF's own daemon has
// none.
func appendSender(to []netip.Addr, a *rib.Attrs) []netip.Addr {
	if a.Peer.IsValid() {
		to = append(to, a.Peer)
	}
	return to
}

// among returns the test whether the paths with some attributes have one of these nexthops.
func (w *pathWays) among(ways map[*nexthop.Way]struct{}) func(*rib.Attrs) bool {
	imports := false // of other VRFs: each prefix has a nexthop of its own
	for way := range ways {
		imports = imports || way.Prefix.IsValid() || way.Originated
	}
	return func(a *rib.Attrs) bool {
		if a.Imported {
			return imports
		}
		for f := range w.byVia {
			for way := range w.known(rib.Family(f), a.Via) {
				if _, is := ways[way]; is {
					return true
				}
			}
		}
		return false
	}
}

// barring has the kernel take no route for the prefix in hand by some nexthops.
func (w *pathWays) barring(f rib.Family, members []nexthop.Member) {
	w.barred = w.barred[:0]
	for _, m := range members {
		w.barred = append(w.barred, w.ways.Of(m, f))
	}
}

// onlooker finds nexthops as a worker did when it was made, for who looks on from outside its
// loop.
type onlooker struct {
	resolver nexthop.Resolver
	decided  nexthop.Decided
	spec     vrf.Spec
	link     func(netip.Addr) (netns, device string, inside netip.Addr)
	barred   []nexthop.Member // by which the kernel takes no route for the prefix that is asked for
}

func (o onlooker) pathWays() *pathWays {
	return newPathWays(nexthop.NewDecidedWays(o.resolver, o.decided), o.spec, o.link)
}

// found keeps the nexthop of a path by its parts.
func (w *pathWays) found(f rib.Family, via *rib.Via, p *rib.Path, way *nexthop.Way) {
	by := w.byVia[f][via]
	if by == nil {
		by = new(viaWays)
		w.byVia[f][via] = by
	}
	by.put(p, w.labelled(p), way)
}
