package gobgp3

import (
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// part is what a watch that goes on with other VRFs reads of the tables again: what leads into those
// that are new, and what is decoded otherwise, because it has the RD of one that came or went.
type part struct {
	rts   map[rib.RT]struct{}
	rds   map[rib.RD]struct{}
	feeds []*rib.Feed // that are new
	// routes are those of VPN that may be in it, as the watch knew of them: it is told of what comes
	// later.
	routes []bgp.AddrPrefixInterface
}

// partRead comes after the destinations of a part that were there when it was asked for.
type partRead struct{ feeds []*rib.Feed }

// partOf is what has to be read when VRFs go and come; some tells whether there are any.
func partOf(gone, come []speaker.VRF, feeds *speaker.Feeds) (p part, some bool) {
	p = part{rts: make(map[rib.RT]struct{}), rds: make(map[rib.RD]struct{})}
	all := feeds.ByVRF()
	for _, v := range come {
		for _, rt := range v.ImportRTs {
			p.rts[rt] = struct{}{}
		}
		p.rds[v.RD] = struct{}{}
		p.feeds = append(p.feeds, all[v.Name]...)
	}
	for _, v := range gone {
		p.rds[v.RD] = struct{}{}
	}
	return p, len(gone)+len(come) > 0
}

// has tells whether a destination is in it. It is called in the loop.
func (p *part) has(d *bgpDestination) bool {
	if rd, err := decodeRD(rdOf(d.nlri)); err == nil {
		if _, is := p.rds[rd]; is {
			return true
		}
	}
	return len(p.rts) > 0 && slices.ContainsFunc(d.knownPathList, func(path *bgpPath) bool {
		return slices.ContainsFunc(extendedCommunities(path), p.imports)
	})
}

// imports tells whether one of the new VRFs imports by a community.
func (p *part) imports(c bgp.ExtendedCommunityInterface) bool {
	rt, is := decodeRT(c)
	if is {
		_, is = p.rts[rt]
	}
	return is
}

// join makes one part of several.
func join(parts []part) part {
	all := part{rts: make(map[rib.RT]struct{}), rds: make(map[rib.RD]struct{})}
	for _, p := range parts {
		for rt := range p.rts {
			all.rts[rt] = struct{}{}
		}
		for rd := range p.rds {
			all.rds[rd] = struct{}{}
		}
		all.feeds, all.routes = append(all.feeds, p.feeds...), append(all.routes, p.routes...)
	}
	return all
}
