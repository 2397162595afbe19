package nsworker

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// explainExport walks a prefix from BGP to the kernel.
func (f *facts) explainExport(w *rib.Walk) {
	if f.spec.Export.Enabled {
		w.Add("export", rib.Passed, "export is on for this VRF")
	} else {
		w.Add("export", rib.Stopped, "export is off for this VRF; turn it on with `vrfredist redistribution enable export --vrf "+f.name+"`")
	}
	f.explainRefused(w)
	f.explainCandidates(w)
	f.explainTargets(w)
	if len(f.paths) > 0 {
		best := f.explainBest(w)
		f.explainPolicy(w, best)
		f.explainQuota(w)
		f.explainNexthop(w)
	}
	if f.absent == "" {
		f.explainKernel(w)
		f.explainTable(w)
	}
}

// explainRefused names the neighbours whose announcement was taken for a withdrawal. Where
// another one's stands that stops nothing.
func (f *facts) explainRefused(w *rib.Walk) {
	if len(f.refused) == 0 {
		return
	}
	outcome := rib.Noted
	if len(f.candidates)+len(f.paths) == 0 {
		outcome = rib.Stopped
	}
	details := make([]string, len(f.refused))
	for i, r := range f.refused {
		details[i] = fmt.Sprintf("%s: %s, at %s", r.Neighbour, r.Reason, r.At.UTC().Format(time.RFC3339))
	}
	w.Add("guard", outcome, plural(len(f.refused), "neighbour")+" announced it, and what was said of it was not taken", details...)
}

func (f *facts) explainCandidates(w *rib.Walk) {
	switch n := len(f.candidates); {
	case n > 0:
		w.Add("candidates", rib.Passed, "BGP has "+plural(n, "path"), lines(f.candidates, f.show)...)
	case len(f.paths) > 0: // it came since
		w.Add("candidates", rib.Passed, "BGP has "+plural(len(f.paths), "path"))
	case f.unasked != nil:
		w.Add("candidates", rib.Stopped, "the VRF was given no path, and BGP could not be asked for others: "+f.unasked.Error())
	case f.entry.state == rib.Stale:
		w.Add("candidates", rib.Stopped, "BGP has no path; the route in the table is of an earlier run, and goes when every neighbour has sent its routes, or after sweep_delay")
	default:
		w.Add("candidates", rib.Stopped, "BGP has no path for it, of any neighbour")
	}
}

// show renders a path as the one who asks may see it.
func (f *facts) show(p rib.Path) string {
	if f.confined {
		p = p.Confined(f.spec.Of())
	}
	return p.String()
}

// explainTargets says which candidates the VRF takes by its route targets. The
// global table takes them all.
func (f *facts) explainTargets(w *rib.Walk) {
	if f.spec.Of() == vrf.Default || len(f.candidates) == 0 {
		return
	}
	wants := strings.Join(lines(f.spec.ImportRTs, rib.RT.String), ", ")
	match := 0
	details := lines(f.candidates, func(p rib.Path) string {
		if f.confined { // all that is left of them match
			match++
			return fmt.Sprintf("%s: matches", f.show(p))
		}
		verb := "does not match"
		if len(rib.CommonRTs(p.Attrs.RTs, f.spec.ImportRTs)) > 0 {
			match++
			verb = "matches"
		}
		has := strings.Join(lines(p.Attrs.RTs, rib.RT.String), ", ")
		if has == "" {
			has = "none"
		}
		return fmt.Sprintf("RD %s has %s: %s", p.RD, has, verb)
	})
	switch {
	case len(f.paths) > 0:
		w.Add("route targets", rib.Passed, fmt.Sprintf("%d of %s a route target that the VRF imports (%s)", match, carry(len(f.candidates)), wants), details...)
	case match > 0:
		w.Add("route targets", rib.Stopped, fmt.Sprintf("the paths with a route target that the VRF imports (%s) are not the best ones of their RD", wants), details...)
	default:
		w.Add("route targets", rib.Stopped, fmt.Sprintf("no path carries a route target that the VRF imports (%s)", wants), details...)
	}
}

func carry(n int) string {
	if n == 1 {
		return "1 path carries"
	}
	return fmt.Sprintf("%d paths carry", n)
}

func (f *facts) explainBest(w *rib.Walk) rib.Path {
	chosen := f.spec.Export.Select(nil, f.paths)
	best := chosen[0]
	same := func(a rib.Path) func(rib.Path) bool {
		return func(b rib.Path) bool { return a.RD == b.RD && a.ID == b.ID }
	}
	var details []string
	for _, p := range f.paths {
		switch {
		case same(best)(p):
		case slices.ContainsFunc(chosen, same(p)):
			details = append(details, "used as well: "+f.show(p))
		default:
			step := rib.Worse(best, p, f.paths)
			if step == "" {
				step = "nothing: it is the same"
			}
			details = append(details, fmt.Sprintf("behind by %s: %s", step, f.show(p)))
		}
	}
	w.Add("best path", rib.Passed, f.show(best), details...)
	return best
}

func (f *facts) explainPolicy(w *rib.Walk, best rib.Path) {
	a := best.Attrs
	if a.Imported && a.Source == f.spec.Of() {
		w.Add("own import", rib.Stopped, "the best path is this VRF's own import from the kernel: its table has the route already")
	} else {
		w.Add("own import", rib.Passed, "the best path is not what this VRF imported itself")
	}
	if why := specialIn(f.mine, f.spec.Export.AcceptMartians, f.prefix); why == martian {
		w.Add("martian", rib.Stopped, specialReason(why, f.prefix))
	} else if why != taken {
		w.Add("connected", rib.Stopped, specialReason(why, f.prefix))
	}
	has := append(lines(a.Communities, rib.Community.String), lines(a.Large, rib.LargeCommunity.String)...)
	carries := "it carries no community"
	if len(has) > 0 {
		carries = "it carries " + strings.Join(has, ", ")
	}
	if f.spec.Export.Match(a) {
		w.Add("filter", rib.Passed, "export takes "+takes(f.spec.Export), carries)
	} else {
		w.Add("filter", rib.Stopped, leftOutBy(f.spec.Export), carries)
	}
}

func takes(p rib.ExportPolicy) string {
	if wants := p.Wants(); wants != "any path" {
		return "a path with " + wants
	}
	return "any path"
}

func (f *facts) explainQuota(w *rib.Walk) {
	if f.entry.state == rib.OverQuota {
		w.Add("quota", rib.Stopped, f.reason)
		return
	}
	w.Add("quota", rib.Passed, fmt.Sprintf("%d of %d places (max_routes) are taken", f.wanted, f.spec.Export.Quota()))
}

func (f *facts) explainNexthop(w *rib.Walk) {
	switch {
	case f.entry.target == nil:
		w.Add("nexthop", rib.Noted, "it was not looked for")
	case f.target.blackhole:
		w.Add("nexthop", rib.Passed, "the path says BLACKHOLE: it needs none")
	case f.target.want == nil:
		w.Add("nexthop", rib.Stopped, f.unresolved(), lines(f.target.nexthops, f.way)...)
	default:
		w.Add("nexthop", rib.Passed, "it resolves in this VRF", lines(f.target.nexthops, f.way)...)
	}
}

func (f *facts) unresolved() string {
	if f.confined && f.target.leaks() {
		return "it is leaked from " + rib.Elsewhere + ", which has no way to it here now"
	}
	return f.target.reason
}

// way says by which route and interface a nexthop is reached, or what is missing.
func (f *facts) way(n nexthop) string {
	if f.confined && n.source != "" {
		return "one is leaked from " + rib.Elsewhere
	}
	r := resolver{view: f.view, netns: f.spec.Binding.Netns, board: f.board, home: f.spec.VRF}
	hops, err := r.hops(n)
	if err != nil {
		return err.Error()
	}
	in, links, what := f.view, f.view.Links, n.addr.String()
	source := n.source
	if source == "" && f.spec.VRF != "" {
		if _, _, err := in.Resolve(n.addr); err != nil {
			source = f.spec.VRF
		}
	}
	if source != "" {
		from, _ := f.board.view(source)
		in, links = from.View, from.Links
		what += fmt.Sprintf(" in VRF %q", source)
	}
	var by rib.Route
	if n.prefix.IsValid() {
		what = fmt.Sprintf("what VRF %q has", n.source)
		_, by, err = in.ResolvePrefix(n.prefix)
	} else {
		_, by, err = in.Resolve(n.addr)
	}
	if err != nil { // it went meanwhile
		return err.Error()
	}
	out := lines(hops, func(h rib.Hop) string {
		s := links[h.Ifindex].Name
		if h.Gateway.IsValid() {
			s = h.Gateway.String() + " on " + s
		}
		return s
	})
	if !by.Prefix.IsValid() {
		return fmt.Sprintf("%s is link-local: through %s", what, strings.Join(out, " and "))
	}
	return fmt.Sprintf("%s is reached by %s: through %s", what, flat(by.Format(links)), strings.Join(out, " and "))
}

// explainKernel says what the kernel answered, or why it was not asked.
func (f *facts) explainKernel(w *rib.Walk) {
	switch e := f.entry; {
	case !f.read:
		w.Add("kernel", rib.Stopped, "the table is not read yet, and nothing is written before it is")
	case e.state == rib.Installed:
		w.Add("kernel", rib.Passed, "the kernel confirmed the route")
	case e.state == rib.Failed:
		w.Add("kernel", rib.Stopped, f.reason+"; it is tried again")
	case e.state == rib.Conflict:
		w.Add("kernel", rib.Stopped, f.reason)
	case f.due:
		w.Add("kernel", rib.Stopped, fmt.Sprintf("it is not written yet; %s due", plural(f.changes, "change")))
	case !f.known && len(f.paths) > 0 && f.spec.Export.Enabled:
		w.Add("kernel", rib.Stopped, fmt.Sprintf("the worker has not come to it yet; %d prefixes wait", f.waiting))
	default:
		w.Add("kernel", rib.Noted, "the kernel was not asked for it")
	}
}

// explainTable lists what the table has for the prefix now, and whose it is.
func (f *facts) explainTable(w *rib.Walk) {
	routes := slices.Clone(f.view.FIB.Get(f.prefix))
	if have := f.entry.have; have != nil {
		r := have.route(f.prefix, f.spec.Protocol)
		if f.target.group != 0 && have.group == f.target.group {
			r.Hops = f.target.hops
		}
		routes = append(routes, r)
	}
	slices.SortStableFunc(routes, func(a, b rib.Route) int { return cmp.Compare(a.Metric, b.Metric) })
	details := lines(routes, func(r rib.Route) string {
		if f.confined && r.Protocol == f.spec.Protocol && (f.target.leaks() || f.entry.state == rib.Stale) {
			return fmt.Sprintf("%s metric %d (ours)", r.Prefix, r.Metric) // its way may be another VRF's
		}
		return flat(r.Format(f.view.Links)) + " (" + f.owner(r) + ")"
	})
	switch len(routes) {
	case 0:
		w.Add("table", rib.Noted, "the table has no route for it")
	case 1:
		w.Add("table", rib.Noted, "the table has one route for it", details...)
	default:
		w.Add("table", rib.Noted, "the table has several routes for it; the first one, with the lowest metric, is used", details...)
	}
}

func (f *facts) owner(r rib.Route) string {
	switch r.Protocol {
	case f.spec.Protocol:
		return "ours"
	case rib.ProtoKernel:
		return "the kernel's own"
	}
	return "another program's: proto " + rib.ProtocolName(r.Protocol)
}

// flat puts a route of several nexthops into one line.
func flat(s string) string { return strings.Join(strings.Fields(s), " ") }

func lines[T any](list []T, show func(T) string) []string {
	var out []string
	for _, v := range list {
		out = append(out, show(v))
	}
	return out
}
