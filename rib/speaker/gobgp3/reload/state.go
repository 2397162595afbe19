package reload

import (
	"maps"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// state is the state of a server with a configuration in force.
type state struct {
	vrfs      map[string]oc.Vrf
	groups    map[string]oc.PeerGroup
	neighbors map[string]oc.Neighbor        // by address
	dynamic   map[string]oc.DynamicNeighbor // by DynamicName
	policies  oc.BgpConfigSet               // global.apply-policy, defined-sets, policy-definitions
	limits    conf.Limits                   // of which GoBGP has none
}

func stateOf(c *conf.Config) *state {
	return &state{
		vrfs:      byName(c.Set.Vrfs, func(v oc.Vrf) string { return v.Config.Name }),
		groups:    c.Groups(),
		neighbors: byName(c.Set.Neighbors, func(n oc.Neighbor) string { return n.State.NeighborAddress }),
		dynamic:   byName(c.Set.DynamicNeighbors, func(d oc.DynamicNeighbor) string { return DynamicName(d.Config.Prefix, d.Config.PeerGroup) }),
		policies:  policiesOf(&c.Set),
		limits:    c.Limits,
	}
}

func byName[T any](list []T, name func(T) string) map[string]T {
	m := make(map[string]T, len(list))
	for _, v := range list {
		m[name(v)] = v
	}
	return m
}

func sortedNames[T any](m map[string]T) []string { return slices.Sorted(maps.Keys(m)) }

func thing(kind speaker.Kind, name string) speaker.Thing {
	return speaker.Thing{Kind: kind, Name: name}
}
