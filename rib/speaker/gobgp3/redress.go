package gobgp3

import (
	"context"
	"maps"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// redressAll has what goes out of VRFs that have other route targets than before have those of now:
// what their neighbours sent, what clients of the API put there, and, by announce, what we announce.
func redressAll(ctx context.Context, c *changes, all map[string]reload.Retargeted, announce func(ctx context.Context, vrf string) error) error {
	changed := make(map[string]bool, len(all))
	for name := range all {
		changed[name] = true
	}
	return again(c, changed, func() error {
		for _, name := range slices.Sorted(maps.Keys(all)) {
			old, err := targetsOf(all[name].Were)
			if err != nil {
				return err
			}
			if err := redress(c, name, old); err != nil {
				return err
			}
			if err := announce(ctx, name); err != nil {
				return err
			}
		}
		return nil
	})
}

// redress gives what clients of the API put into a VRF the targets that it has now, for those that it
// had.
func redress(c *changes, name string, old []bgp.ExtendedCommunityInterface) error {
	var list []*bgpPath
	err := c.inLoop(func() error {
		if v := c.rib().Vrfs[name]; v != nil {
			list = c.localOf(v.Rd) // as withdrawals, of which only the path is asked for
		}
		return nil
	})
	for some := range slices.Chunk(list, rejudgedAtOnce) {
		if err != nil {
			return err
		}
		err = c.inLoop(func() error {
			v := c.rib().Vrfs[name]
			if v == nil {
				return nil
			}
			var paths []*bgpPath
			for _, w := range some {
				if _, ours := announcedAs(w.origin()); ours || !isKnown(c.loop, w.parent) {
					continue
				}
				paths = append(paths, dressed(w.parent, v, old))
			}
			if len(paths) > 0 {
				c.during("", paths, func() { serverPropagate(c.server(), nil, paths) })
			}
			return nil
		})
	}
	return err
}

// isKnown tells whether a path is in GoBGP's tables yet.
func isKnown(l *loop, p *bgpPath) bool {
	nlri := p.origin().nlri
	t := l.rib().Tables[bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI())]
	if t == nil {
		return false
	}
	d := tableGetDestination(t, nlri)
	return d != nil && slices.Contains(d.knownPathList, p)
}

// dressed is a path as it came from a client, before policies, with the export targets that its VRF has
// now in the place of old ones.
func dressed(p *bgpPath, v *bgpVRF, old []bgp.ExtendedCommunityInterface) *bgpPath {
	for p.parent != nil {
		p = p.parent
	}
	list := slices.DeleteFunc(slices.Clone(extendedCommunities(p)), func(c bgp.ExtendedCommunityInterface) bool {
		return isMark(c) || slices.ContainsFunc(old, func(o bgp.ExtendedCommunityInterface) bool { return o.String() == c.String() })
	})
	attrs := []bgp.PathAttributeInterface{bgp.NewPathAttributeExtendedCommunities(append(list, v.ExportRt...))}
	for _, a := range p.attributes() {
		if a.GetType() != bgp.BGP_ATTR_TYPE_EXTENDED_COMMUNITIES {
			attrs = append(attrs, a)
		}
	}
	slices.SortFunc(attrs, func(a, b bgp.PathAttributeInterface) int { return int(a.GetType()) - int(b.GetType()) })
	info := *p.info
	return &bgpPath{info: &info, pathAttrs: attrs, attrsHash: hashOf(attrs)}
}
