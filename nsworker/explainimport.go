package nsworker

import (
	"fmt"
	"net/netip"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
)

// explainImport walks a prefix from the kernel to BGP.
func (f *facts) explainImport(w *rib.Walk) {
	var t rib.Trace
	rib.DecideImport(importing(f.spec).LookingOn(), f.view, f.prefix, f.standing, &t)
	for _, s := range t.Steps {
		switch s.Place {
		case rib.AtImport:
			tell(w, "import", s, "import is on for this VRF, from "+strings.Join(f.spec.Import.Interfaces, ", "))
			if f.absent != "" {
				return
			}
		case rib.AtKernelRoute:
			f.explainKernelRoute(w, s, t.Routes)
		case rib.AtRules:
			tell(w, "rules", s, "every rule lets it through", lines(t.Routes, f.ruled)...)
		case rib.AtImportPolicy:
			f.explainImportPolicy(w, s, t.Routes)
		}
	}
	f.explainAnnouncement(w)
}

func (f *facts) explainKernelRoute(w *rib.Walk, s rib.TraceStep, routes []rib.JudgedRoute) {
	if len(routes) == 0 && f.entry.Have != nil {
		w.Add("kernel route", s.Outcome, "the table has only our own route for it, which came from BGP")
		return
	}
	tell(w, "kernel route", s, "the table has "+plural(len(routes), "route")+" other than ours",
		lines(routes, func(r rib.JudgedRoute) string { return f.line(r) + " (" + f.owner(r.Route) + ")" })...)
}

// ruled says whether a route is announced, and else why not.
func (f *facts) ruled(r rib.JudgedRoute) string {
	if r.Reason.Cause == rib.Accepted {
		return f.line(r) + ": taken"
	}
	return f.line(r) + ": left out: " + r.Reason.String()
}

// standing implements rib.Standing for the prefix in question.
func (f *facts) standing(netip.Prefix) (metric uint32, is bool) {
	if f.entry.Have == nil {
		return 0, false
	}
	return f.entry.Have.Metric, true
}

func (f *facts) line(r rib.JudgedRoute) string {
	line := flat(r.Route.Format(f.view.Links))
	if r.Table != 0 {
		line += fmt.Sprintf(" table %d", r.Table)
	}
	return line
}

func (f *facts) explainAnnouncement(w *rib.Walk) {
	switch {
	case f.announcesDue:
		w.Add("announcement", rib.Stopped, "what BGP has is out of date; the change is due")
	case f.isAnnounced:
		a := f.announced
		w.Add("announcement", rib.Passed, "BGP has it, with "+a.Terms())
	default:
		w.Add("announcement", rib.Noted, "nothing is announced for it")
	}
}
