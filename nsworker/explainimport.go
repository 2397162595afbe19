package nsworker

import (
	"fmt"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
)

// explainImport walks a prefix from the kernel to BGP.
func (f *facts) explainImport(w *rib.Walk) {
	if f.spec.Import.Enabled {
		w.Add("import", rib.Passed, "import is on for this VRF, from "+strings.Join(f.spec.Import.Interfaces, ", "))
	} else {
		w.Add("import", rib.Stopped, "import is off for this VRF; turn it on with `vrfredist redistribution enable import IFACE --vrf "+f.name+"`")
	}
	if f.absent != "" {
		return
	}
	routes := f.view.FIB.Get(f.prefix)
	switch {
	case len(routes) > 0:
		w.Add("kernel route", rib.Passed, "the table has "+plural(len(routes), "route")+" other than ours",
			lines(routes, func(r rib.Route) string { return flat(r.Format(f.view.Links)) + " (" + f.owner(r) + ")" })...)
	case f.entry.Have != nil:
		w.Add("kernel route", rib.Stopped, "the table has only our own route for it, which came from BGP")
	default:
		w.Add("kernel route", rib.Stopped, "the table has no route for it")
	}
	if len(routes) > 0 {
		f.explainRules(w, routes)
	}
	f.explainAnnouncement(w)
}

// explainRules says which route is taken, and which rule leaves out the others.
func (f *facts) explainRules(w *rib.Walk, routes []rib.Route) {
	policy, links := f.spec.Import, f.view.Links
	in, why, ok := rib.ImportOne(f.view, policy, f.spec.Protocol, f.prefix)
	taken := false
	details := lines(routes, func(r rib.Route) string {
		reason := policy.Reject(r, f.view, f.spec.Protocol)
		switch {
		case reason == "" && ok && !taken && r.Key() == in.Route.Key() && r.Protocol == in.Route.Protocol:
			taken, reason = true, "taken"
		case reason == "":
			reason = "left out: another route of this prefix has a lower metric"
		default:
			reason = "left out: " + reason
		}
		return flat(r.Format(links)) + ": " + reason
	})
	if !ok {
		w.Add("rules", rib.Stopped, why, details...)
		return
	}
	w.Add("rules", rib.Passed, "every rule lets it through", details...)
}

func (f *facts) explainAnnouncement(w *rib.Walk) {
	switch {
	case f.announcesDue:
		w.Add("announcement", rib.Stopped, "what BGP has is out of date; the change is due")
	case f.isAnnounced:
		a := f.announced
		text := fmt.Sprintf("BGP has it, with MED %d", a.MED)
		if has := append(lines(a.Communities, rib.Community.String), lines(a.Large, rib.LargeCommunity.String)...); len(has) > 0 {
			text += " and " + strings.Join(has, ", ")
		}
		w.Add("announcement", rib.Passed, text)
	default:
		w.Add("announcement", rib.Noted, "nothing is announced for it")
	}
}
