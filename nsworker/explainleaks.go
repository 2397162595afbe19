package nsworker

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// heardByRule is what BGP has of a prefix that a rule of the VRF's is about.
type heardByRule struct {
	rule  rib.LeakRule
	paths []rib.Path // as they come in, but for the policy
}

// askByRules asks BGP for what the rules of a VRF are about, of a prefix of which BGP has some
// candidates for it.
func askByRules(ctx context.Context, spec *vrf.Spec, prefix netip.Prefix, candidates []rib.Path, bgp BGP) (heard []heardByRule) {
	for _, rule := range spec.Leaks {
		of := candidates
		if (rule.From == vrf.Default) != (spec.Of() == vrf.Default) {
			of, _ = bgp.Candidates(ctx, rule.From, prefix) // an error is of all that BGP was asked for
		}
		h := heardByRule{rule: rule}
		for _, p := range of {
			if rule.Concerns(&p) {
				p.Attrs = rule.Leaked(p.Attrs)
				h.paths = append(h.paths, p)
			}
		}
		if len(h.paths) > 0 {
			heard = append(heard, h)
		}
	}
	return heard
}

// isPassedOn tells whether BGP has a path only to tell a VRF's neighbours of it.
func isPassedOn(p rib.Path) bool { return p.Attrs.Imported && p.Attrs.As == rib.FromLeak }

// leakLines say of each path that the rules of a VRF are about what becomes of it, and count those
// that come in. has are the paths in the VRF's feed, and show prints one.
func leakLines(heard []heardByRule, vrf string, has []rib.Path, rpki *rib.RPKI, show func(rib.Path) string) (in, all int, lines []string) {
	for _, h := range heard {
		for _, p := range h.paths {
			all++
			var by rib.Hearing
			out := h.rule.Judge(&p, vrf, true, rpki, &by)
			came, why := cameIn(has, &p, h.rule, out)
			if came {
				in++
			}
			link := ""
			if h.rule.Link != "" {
				link = " by " + h.rule.Link
			}
			lines = append(lines, fmt.Sprintf("from VRF %q%s%s: %s", h.rule.From, link, why, show(p)))
			if h.rule.Policy != nil {
				for _, line := range by.Lines() {
					lines = append(lines, "  "+line)
				}
			}
		}
	}
	return in, all, lines
}

// cameIn tells whether a path is in the VRF's feed by a rule, and why it is not.
func cameIn(has []rib.Path, p *rib.Path, rule rib.LeakRule, out rib.Ruling) (is bool, why string) {
	at := slices.IndexFunc(has, func(q rib.Path) bool { return q.RD == p.RD && q.ID == p.ID })
	switch {
	case out.Rejected:
		return false, ", kept out by its policy"
	case at >= 0 && !has[at].Attrs.ByRule:
		return false, ", in by its route targets already"
	case at >= 0:
		return true, ""
	case rule.MaxPrefixes > 0 && !slices.ContainsFunc(has, func(q rib.Path) bool { return q.Attrs.ByRule && q.RD == p.RD }):
		return false, fmt.Sprintf(", kept out by max_prefixes, %d, or VRF %q does not go by it", rule.MaxPrefixes, rule.From)
	}
	return false, fmt.Sprintf(", not in: VRF %q does not go by it", rule.From)
}
