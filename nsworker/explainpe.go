package nsworker

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// waysOut are the nexthops of what a worker knows of a prefix.
type waysOut struct{ *facts }

// explainPEs says of the paths of other PEs that are used by MPLS or SRv6 whether each has a label
// or SID that the VRF can use, and whether the core reaches the PE.
func (f waysOut) explainPEs(w *rib.Walk) {
	kind := f.spec.Carriage.Kind
	if kind != rib.EncapMPLS && kind != rib.EncapSRv6 {
		return
	}
	var pes []*nexthop.Way
	for _, way := range f.set.Ways {
		if way.Carried() && way.Source == "" { // what another VRF leaks it judges itself
			pes = append(pes, way)
		}
	}
	if f.entry.Want == nil || len(pes) == 0 {
		return
	}
	usable := f.explainLabels(w, pes, kind)
	if len(usable) == 0 {
		return
	}
	outcome, reached := rib.Stopped, 0
	details := lines(usable, func(way *nexthop.Way) string {
		lead, err := f.onlooker.resolver.InCore(way.Member)
		if err != nil {
			return fmt.Sprintf("%s: %v", whither(way), err)
		}
		outcome = rib.Passed
		reached++
		by := lead.Route()
		return fmt.Sprintf("%s is reached by %s", whither(way), flat(by.Format(nil)))
	})
	if f.confined {
		details = nil
	}
	w.Add("PE reachable in core", outcome, fmt.Sprintf("%d of %s reached", reached, are(len(usable), "PE")), details...)
}

// explainFurther says of a further table why it has nothing of what BGP has, and tells whether that is so.
func (f waysOut) explainFurther(w *rib.Walk) bool {
	if !f.spec.Encapsulates() || len(f.paths) > 0 || len(f.candidates) == 0 {
		return false
	}
	w.Add("other PEs", rib.Stopped, fmt.Sprintf("this table has what other PEs sent into VRF %q, and nothing else; explain it for VRF %q, whose own table has the rest", f.spec.VRF, f.spec.VRF))
	return true
}

// whither is the PE of a nexthop, with its SID where that is what the core has to reach.
func whither(way *nexthop.Way) string {
	if sid := way.Encap.Tunnel().SID; sid.IsValid() {
		return fmt.Sprintf("SID %s of PE %s", sid, way.Addr)
	}
	return "PE " + way.Addr.String()
}

// explainLabels is the step of the labels, or SIDs, of PEs, and returns those that have one.
func (f waysOut) explainLabels(w *rib.Walk, pes []*nexthop.Way, kind rib.EncapKind) (usable []*nexthop.Way) {
	step, why := "label", ""
	if kind == rib.EncapSRv6 {
		step = "SID"
	}
	details := lines(pes, func(way *nexthop.Way) string {
		if way.Cannot != "" {
			why = cmp.Or(why, way.Cannot)
			return fmt.Sprintf("PE %s: %s", way.Addr, way.Cannot)
		}
		usable = append(usable, way)
		return rib.EncapTo{Encap: way.Encap, PE: way.Addr}.String()
	})
	text := fmt.Sprintf("%d of %s one that this VRF can use", len(usable), have(len(pes), "path"))
	outcome := rib.Passed
	if len(usable) == 0 {
		outcome, text = rib.Stopped, why
	}
	if f.confined {
		if details = nil; len(usable) == 0 {
			text = "the PE that sent it says no " + step + " that this VRF can use"
		}
	}
	w.Add(step, outcome, text, details...)
	return usable
}

// pe says how another PE is reached, and what packets are put into for it.
func (f waysOut) pe(w *nexthop.Way) string {
	to := rib.EncapTo{Encap: w.Encap, PE: w.Addr}
	switch {
	case f.confined && len(w.Hops) == 0:
		return rib.PENotReached
	case f.confined && to.Kind() == rib.EncapVXLAN:
		to.PE = netip.Addr{}
		return fmt.Sprintf("encap %s, to a PE that is reached", to)
	case f.confined:
		return fmt.Sprintf("encap %s, to a PE that is reached", to.Kind().Word())
	case len(w.Hops) == 0:
		return w.Reason
	}
	route := w.Core()
	core := "in the core the PE is reached by " + flat(route.Format(nil))
	if w.Hops[0].Encap == (rib.Encap{}) {
		return fmt.Sprintf("encap %s: through %s; %s", to, through(w.Hops, f.view.Links), core)
	}
	return strings.Join(lines(w.Hops, func(h rib.Hop) string {
		return "encap " + rib.EncapTo{Encap: h.Encap, PE: w.Addr}.By(strings.Join(h.Way(f.view.Links, f.prefix.Addr().Is4()), " "))
	}), " and ") + "; " + core
}

// through names where packets go.
func through(hops []rib.Hop, links rib.Links) string {
	return strings.Join(lines(hops, func(h rib.Hop) string {
		s := links[h.Ifindex].Name
		if h.Gateway.IsValid() {
			s = h.Gateway.String() + " on " + s
		}
		return s
	}), " and ")
}
