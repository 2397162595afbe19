package gobgp3

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// prefixLimit is that of a neighbour, or of those that a peer group lets in, for a family.
type prefixLimit struct {
	most    uint32
	warn    int           // how many are nearly too many
	restart time.Duration // after which the session starts again; 0: it does not
}

// prefixLimits are those of a configuration.
type prefixLimits struct {
	neighbors, groups map[string]map[bgp.RouteFamily]prefixLimit
}

// warnAt is the part of a limit, in percent, at which a warning is due where the
// configuration says nothing else.
const warnAt = 80

// takeLimits takes the limits of a configuration out of it, so that GoBGP gets none.
func takeLimits(set *oc.BgpConfigSet) prefixLimits {
	l := prefixLimits{make(map[string]map[bgp.RouteFamily]prefixLimit), make(map[string]map[bgp.RouteFamily]prefixLimit)}
	for i, n := range set.Neighbors {
		if own := limitsOf(n.AfiSafis); own != nil {
			l.neighbors[n.State.NeighborAddress] = own
			set.Neighbors[i].AfiSafis = withoutLimits(n.AfiSafis)
		}
	}
	for i, g := range set.PeerGroups {
		if own := limitsOf(g.AfiSafis); own != nil {
			l.groups[g.Config.PeerGroupName] = own
			set.PeerGroups[i].AfiSafis = withoutLimits(g.AfiSafis)
		}
	}
	return l
}

// limitsOf returns those of a list; nil: it has none.
func limitsOf(list []oc.AfiSafi) map[bgp.RouteFamily]prefixLimit {
	var limits map[bgp.RouteFamily]prefixLimit
	for _, a := range list {
		c := a.PrefixLimit.Config
		family, err := bgp.GetRouteFamily(string(a.Config.AfiSafiName))
		if c.MaxPrefixes == 0 || err != nil { // Check has refused what is no family
			continue
		}
		percent := uint64(c.ShutdownThresholdPct)
		if percent == 0 {
			percent = warnAt
		}
		if limits == nil {
			limits = make(map[bgp.RouteFamily]prefixLimit)
		}
		limits[family] = prefixLimit{
			most:    c.MaxPrefixes,
			warn:    int(uint64(c.MaxPrefixes) * percent / 100),
			restart: time.Duration(c.RestartTimer * float64(time.Second)),
		}
	}
	return limits
}

func withoutLimits(list []oc.AfiSafi) []oc.AfiSafi {
	list = slices.Clone(list)
	for i := range list {
		list[i].PrefixLimit = oc.PrefixLimit{}
	}
	return list
}

// of returns the limits of a neighbour.
func (l prefixLimits) of(addr string, t *tally) map[bgp.RouteFamily]prefixLimit {
	own := l.neighbors[addr]
	if t.dynamic {
		own = l.groups[t.group]
	}
	if own == nil {
		return t.given
	}
	return own
}

// sayLimits names the limits that change, which no step brings about: adopting the
// configuration does.
func (r *reconciler) sayLimits(_ context.Context, want *reconciler) error {
	for _, line := range r.limits.changes(want.limits) {
		r.changed("%s", line)
	}
	r.limits = want.limits
	return nil
}

// changes says what others change, a line each.
func (l prefixLimits) changes(to prefixLimits) (lines []string) {
	say := func(what string, had, has map[string]map[bgp.RouteFamily]prefixLimit) {
		for _, name := range sortedNames(has) {
			if !maps.Equal(had[name], has[name]) {
				lines = append(lines, fmt.Sprintf("prefix-limit of %s %s changed", what, name))
			}
		}
		for _, name := range sortedNames(had) {
			if has[name] == nil {
				lines = append(lines, fmt.Sprintf("prefix-limit of %s %s gone", what, name))
			}
		}
	}
	say("neighbour", l.neighbors, to.neighbors)
	say("peer group", l.groups, to.groups)
	return lines
}
