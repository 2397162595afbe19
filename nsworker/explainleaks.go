package nsworker

import (
	"context"
	"fmt"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// askByRules asks BGP for what the VRF's rules are about, and takes it out of what is shown of
// BGP's paths for the VRF what BGP only tells its neighbours.
func askByRules(ctx context.Context, f *facts, bgp BGP) {
	f.candidates = slices.DeleteFunc(f.candidates, func(p rib.Path) bool { return p.Attrs.Imported && p.Attrs.As == rib.FromLeak })
	for _, rule := range f.spec.Leaks {
		of := f.candidates
		if (rule.From == vrf.Default) != (f.spec.Of() == vrf.Default) {
			of, _ = bgp.Candidates(ctx, rule.From, f.prefix) // an error is of all that BGP was asked for
		}
		h := heardByRule{rule: rule}
		for _, p := range of {
			if rule.Concerns(&p) {
				p.Attrs = rule.Leaked(p.Attrs)
				h.paths = append(h.paths, p)
			}
		}
		if len(h.paths) > 0 {
			f.byRules = append(f.byRules, h)
		}
	}
}

// explainLeaks says what comes in by the VRF's rules, and what they keep out.
func explainLeaks(f *facts, w *rib.Walk) {
	in, all := 0, 0
	var details []string
	for _, h := range f.byRules {
		for _, p := range h.paths {
			all++
			var heard rib.Hearing
			out := h.rule.Judge(&p, f.spec.Of(), true, &heard)
			came, why := cameIn(f.paths, &p, h.rule, out)
			if came {
				in++
			}
			details = append(details, fmt.Sprintf("from VRF %q%s%s: %s", h.rule.From, byLink(h.rule), why, f.show(p)))
			if h.rule.Policy != nil {
				details = append(details, indented(heard.Lines())...)
			}
		}
	}
	if all == 0 {
		return
	}
	outcome := rib.Passed
	if len(f.paths) == 0 {
		outcome = rib.Stopped
	}
	if f.confined {
		details = nil
	}
	w.Add("leaks", outcome, fmt.Sprintf("%d of %s of other VRFs %s in by this VRF's leaks", in, plural(all, "path"), comes(in)), details...)
}

// cameIn tells whether a path is in the VRF's feed by a rule, and why it is not.
func cameIn(paths []rib.Path, p *rib.Path, rule rib.LeakRule, out rib.Ruling) (is bool, why string) {
	at := slices.IndexFunc(paths, func(q rib.Path) bool { return q.RD == p.RD && q.ID == p.ID })
	switch {
	case out.Rejected:
		return false, ", kept out by its policy"
	case at >= 0 && !paths[at].Attrs.ByRule:
		return false, ", in by its route targets already"
	case at >= 0:
		return true, ""
	case rule.MaxPrefixes > 0:
		return false, fmt.Sprintf(", kept out by max_prefixes, %d", rule.MaxPrefixes)
	}
	return false, ", not in yet"
}

func byLink(rule rib.LeakRule) string {
	if rule.Link == "" {
		return ""
	}
	return " by " + rule.Link
}

func comes(n int) string {
	if n == 1 {
		return "comes"
	}
	return "come"
}
