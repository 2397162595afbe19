package conf

import (
	"slices"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
)

// MergeSets adds the sets of old whose names are not in next.
func MergeSets(next, old oc.DefinedSets) oc.DefinedSets {
	next.PrefixSets = merge(next.PrefixSets, old.PrefixSets, func(s oc.PrefixSet) string { return s.PrefixSetName })
	next.NeighborSets = merge(next.NeighborSets, old.NeighborSets, func(s oc.NeighborSet) string { return s.NeighborSetName })
	n, o := &next.BgpDefinedSets, old.BgpDefinedSets
	n.CommunitySets = merge(n.CommunitySets, o.CommunitySets, func(s oc.CommunitySet) string { return s.CommunitySetName })
	n.ExtCommunitySets = merge(n.ExtCommunitySets, o.ExtCommunitySets, func(s oc.ExtCommunitySet) string { return s.ExtCommunitySetName })
	n.LargeCommunitySets = merge(n.LargeCommunitySets, o.LargeCommunitySets, func(s oc.LargeCommunitySet) string { return s.LargeCommunitySetName })
	n.AsPathSets = merge(n.AsPathSets, o.AsPathSets, func(s oc.AsPathSet) string { return s.AsPathSetName })
	return next
}

func merge[T any](next, old []T, name func(T) string) []T {
	out := slices.Clip(next)
	for _, s := range old {
		if !slices.ContainsFunc(next, func(n T) bool { return name(n) == name(s) }) {
			out = append(out, s)
		}
	}
	return out
}
