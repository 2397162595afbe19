package conf

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// Limit is the prefix-limit of a neighbour, or of the neighbours that a peer group lets
// in, for a family.
type Limit struct {
	Most    uint32
	Warn    int           // how many are nearly too many
	Restart time.Duration // after which the session starts again; 0: it does not
}

// Limits are the prefix-limits of a configuration.
type Limits struct {
	neighbors, groups map[string]map[bgp.RouteFamily]Limit
}

// WarnAt is the part of a limit, in percent, at which a warning is due where the
// configuration says nothing else.
const WarnAt = 80

// takeLimits takes the limits of a configuration out of it, so that GoBGP gets none.
func takeLimits(set *oc.BgpConfigSet) Limits {
	l := Limits{make(map[string]map[bgp.RouteFamily]Limit), make(map[string]map[bgp.RouteFamily]Limit)}
	for i, n := range set.Neighbors {
		if own := LimitsOf(n.AfiSafis); own != nil {
			l.neighbors[n.State.NeighborAddress] = own
			set.Neighbors[i].AfiSafis = WithoutLimits(n.AfiSafis)
		}
	}
	for i, g := range set.PeerGroups {
		if own := LimitsOf(g.AfiSafis); own != nil {
			l.groups[g.Config.PeerGroupName] = own
			set.PeerGroups[i].AfiSafis = WithoutLimits(g.AfiSafis)
		}
	}
	return l
}

// LimitsOf returns the limits in a list of families; nil: it has none.
func LimitsOf(list []oc.AfiSafi) map[bgp.RouteFamily]Limit {
	var limits map[bgp.RouteFamily]Limit
	for _, a := range list {
		c := a.PrefixLimit.Config
		family, err := bgp.GetRouteFamily(string(a.Config.AfiSafiName))
		if c.MaxPrefixes == 0 || err != nil { // Check has refused a word that is no family
			continue
		}
		percent := uint64(c.ShutdownThresholdPct)
		if percent == 0 {
			percent = WarnAt
		}
		if limits == nil {
			limits = make(map[bgp.RouteFamily]Limit)
		}
		limits[family] = Limit{
			Most:    c.MaxPrefixes,
			Warn:    max(1, int(uint64(c.MaxPrefixes)*percent/100)), // none is not nearly one
			Restart: time.Duration(c.RestartTimer * float64(time.Second)),
		}
	}
	return limits
}

// WithoutLimits is a list of families without their limits.
func WithoutLimits(list []oc.AfiSafi) []oc.AfiSafi {
	list = slices.Clone(list)
	for i := range list {
		list[i].PrefixLimit = oc.PrefixLimit{}
	}
	return list
}

// Of returns the limits of a neighbour, or of a dynamic neighbour by its group; nil: it
// has none.
func (l Limits) Of(addr, group string, dynamic bool) map[bgp.RouteFamily]Limit {
	if dynamic {
		return l.groups[group]
	}
	return l.neighbors[addr]
}

// Changes says how the limits of another configuration differ, a line each.
func (l Limits) Changes(to Limits) (lines []string) {
	say := func(what string, had, has map[string]map[bgp.RouteFamily]Limit) {
		for _, name := range slices.Sorted(maps.Keys(has)) {
			if !maps.Equal(had[name], has[name]) {
				lines = append(lines, fmt.Sprintf("prefix-limit of %s %s changed", what, name))
			}
		}
		for _, name := range slices.Sorted(maps.Keys(had)) {
			if has[name] == nil {
				lines = append(lines, fmt.Sprintf("prefix-limit of %s %s gone", what, name))
			}
		}
	}
	say("neighbour", l.neighbors, to.neighbors)
	say("peer group", l.groups, to.groups)
	return lines
}
