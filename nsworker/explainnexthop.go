package nsworker

import (
	"fmt"
	"slices"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

func (f waysOut) explainNexthop(w *rib.Walk) {
	switch {
	case f.entry.Want == nil:
		w.Add("nexthop", rib.Noted, "it was not looked for")
	case f.set.Blackhole:
		w.Add("nexthop", rib.Passed, "the path says BLACKHOLE: it needs none")
	case f.set.Carries == nil:
		w.Add("nexthop", rib.Stopped, f.unresolved(), lines(f.set.Ways, f.way)...)
	case f.set.OnBackup:
		w.Add("nexthop", rib.Passed, "it is lost, and the backup forwards until another path is the best one", lines(f.set.Ways, f.way)...)
	default:
		where := "it resolves in this VRF"
		if slices.ContainsFunc(f.set.Ways, (*nexthop.Way).Carried) {
			where = "its PE is reached over the core"
		}
		w.Add("nexthop", rib.Passed, where, lines(f.set.Ways, f.way)...)
	}
}

func (f waysOut) unresolved() string {
	if f.confined && f.set.Leaks() {
		return "it is leaked from " + rib.Elsewhere + ", which has no way to it here now"
	}
	if f.confined && slices.ContainsFunc(f.set.Ways, (*nexthop.Way).Carried) {
		return rib.PENotReached
	}
	return f.set.Reason
}

// way says by which route and interface a nexthop is reached, or what is missing.
func (f waysOut) way(w *nexthop.Way) string {
	n := w.Member // what it resolves to is the worker's
	if w.Carried() {
		return f.pe(w)
	}
	if f.confined && n.Source != "" {
		return "one is leaked from " + rib.Elsewhere
	}
	if o, is := f.onlooker.decided.Of(n, rib.FamilyOf(f.prefix)); is {
		switch {
		case o.Own.IsValid():
			return fmt.Sprintf("%s is reached by BGP's route %s: through %s", n.Addr, o.Own, through(o.Hops, f.view.Links))
		case o.Reach == rib.Unreached:
			return o.Reason
		}
	}
	r := nexthop.Resolver{View: f.view, Netns: f.spec.Binding.Netns, Views: f.board, Home: f.spec.VRF}
	l := r.Lead(n, f.prefix.Addr().Is6())
	if l.Err != nil {
		return l.Err.Error()
	}
	links, what := f.view.Links, n.Addr.String()
	source := n.Source
	if source == "" && f.spec.VRF != "" {
		if _, _, err := f.view.Resolve(n.On(f.view)); err != nil {
			source = f.spec.VRF
		}
	}
	foreign := links // where the route that leads there is
	if source != "" {
		from, _ := f.board.View(source)
		foreign = from.Links
		if n.Link == "" {
			links = foreign
		}
		what += fmt.Sprintf(" in VRF %q", source)
	}
	switch {
	case n.Originated:
		return fmt.Sprintf("what VRF %q announces by its configuration is reached through %s", n.Source, through(l.Hops, links))
	case n.Prefix.IsValid():
		what = fmt.Sprintf("what VRF %q has", n.Source)
	}
	by := l.Route()
	if !by.Prefix.IsValid() {
		return fmt.Sprintf("%s is link-local: through %s", what, through(l.Hops, links))
	}
	return fmt.Sprintf("%s is reached by %s: through %s", what, flat(by.Format(foreign)), through(l.Hops, links))
}
