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

// explainExport walks a prefix from BGP to the kernel: first by the trace of the decision,
// then by what the worker and the kernel made of it.
func (f *facts) explainExport(w *rib.Walk) {
	x := exporting(f.spec).Asking(f.board.RPKI()).LookingOn()
	var t rib.Trace
	c := rib.Candidates{Prefix: f.prefix, Paths: f.paths, Own: f.mine, Taken: takenOf(f.spec, importing(f.spec), f.view)}
	if f.read {
		ways := f.onlooker.pathWays()
		ways.barring(rib.FamilyOf(f.prefix), f.onlooker.barred)
		c.Reach = ways.reach
	}
	v := rib.Decide(x, &c, &t)
	for _, s := range t.Steps {
		switch s.Place {
		case rib.AtExport:
			tell(w, "export", s, "export is on for this VRF")
		case rib.AtCandidates:
			f.explainRefused(w)
			f.explainLeaks(w)
			f.explainOffers(w)
			f.explainCandidates(w, s)
			if !(waysOut{f}).explainFurther(w) {
				f.explainTargets(w)
			}
		case rib.AtReceive:
			hearings{f}.paths(w, "receive", s, t.Judged)
		case rib.AtPolicy:
			hearings{f}.paths(w, "policy", s, t.Judged)
		case rib.AtChoice:
			w.Add("best path", s.Outcome, f.show(v.Chosen[0]), lines(t.Others, f.beside)...)
		case rib.AtOwnImport:
			passed := "the best path is not what this VRF imported itself"
			if v.Discards {
				passed = "the best path is an aggregate of this VRF: packets that no longer prefix takes are discarded"
			}
			tell(w, "own import", s, passed)
		case rib.AtConnected:
			tell(w, "connected", s, "")
		case rib.AtMartian:
			tell(w, "martian", s, "")
		case rib.AtCommunities:
			tell(w, "filter", s, "export takes "+x.Takes(), carries(v.Chosen[0].Attrs))
		}
	}
	if len(f.paths) > 0 {
		f.explainQuota(w)
		waysOut{f}.explainPEs(w)
		waysOut{f}.explainNexthop(w)
		f.explainBackup(w, v.Backup)
	}
	if f.absent == "" {
		f.explainKernel(w)
		f.explainTable(w)
	}
	hearings{f}.advertised(w, t.Judged)
	explainTold(w, f)
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
		details[i] = fmt.Sprintf("%s: %s, at %s", whereabouts(f.link).called(r.Neighbour), r.Reason, r.At.UTC().Format(time.RFC3339))
	}
	w.Add("guard", outcome, plural(len(f.refused), "neighbour")+" announced it, and what was said of it was not taken", details...)
}

// explainOffers names what neighbours sent and BGP does not have, and because of what.
func (f *facts) explainOffers(w *rib.Walk) {
	if len(f.offers) == 0 {
		return
	}
	outcome := rib.Noted
	if len(f.candidates)+len(f.paths) == 0 {
		outcome = rib.Stopped
	}
	text := "BGP did not take what a neighbour sent"
	if n := len(f.offers); n > 1 {
		text = fmt.Sprintf("BGP did not take %d paths that neighbours sent", n)
	} else if why := f.offers[0].Reason; why != "" {
		text += ": " + why
	}
	w.Add("received", outcome, text, lines(f.offers, func(o rib.Offer) string {
		return f.show(o.Path) + ": " + cmp.Or(o.Reason, "it is not known why; look at the log")
	})...)
}

func (f *facts) explainCandidates(w *rib.Walk, s rib.TraceStep) {
	switch n := len(f.candidates); {
	case n > 0:
		w.Add("candidates", rib.Passed, "BGP has "+plural(n, "path"), lines(f.candidates, f.show)...)
	case len(f.byRules) > 0: // and nothing else: that is said
	case len(f.paths) > 0: // it came since
		w.Add("candidates", rib.Passed, "BGP has "+plural(len(f.paths), "path"))
	case f.unasked != nil:
		w.Add("candidates", rib.Stopped, "the VRF was given no path, and BGP could not be asked for others: "+f.unasked.Error())
	case f.entry.Note.state == rib.Stale:
		w.Add("candidates", rib.Stopped, "BGP has no path; the route in the table is of an earlier run, and goes when every neighbour has sent its routes, or after sweep_delay")
	case len(f.offers) > 0: // which says why there is none
	default:
		tell(w, "candidates", s, "")
	}
}

// explainLeaks says what comes in by the VRF's leaks, and what they keep out.
func (f *facts) explainLeaks(w *rib.Walk) {
	in, all, details := leakLines(f.byRules, f.spec.Of(), f.paths, f.board.RPKI(), f.show)
	if all == 0 {
		return
	}
	outcome, comes := rib.Passed, "come"
	if len(f.paths) == 0 {
		outcome = rib.Stopped
	}
	if in == 1 {
		comes = "comes"
	}
	if f.confined {
		details = nil
	}
	w.Add("leaks", outcome, fmt.Sprintf("%d of %s of other VRFs %s in by this VRF's leaks", in, plural(all, "path"), comes), details...)
}

// show renders a path as the one who asks may see it.
func (f *facts) show(p rib.Path) string {
	if f.confined {
		if p = p.Confined(f.spec.Of()); overCore(f.spec, &p) {
			p = p.WithoutCore()
		}
	}
	p.Attrs = withOwnPeer(p.Attrs, f.link)
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
		if p.Attrs.Meets(f.spec.ImportRTs) {
			match++
			verb = "matches"
		}
		has := strings.Join(lines(slices.DeleteFunc(slices.Clone(p.Attrs.RTs), rib.IsSendMark), rib.RT.String), ", ") // marks are not of the configuration
		if has == "" {
			has = "none"
		}
		return fmt.Sprintf("RD %s has %s: %s", p.RD, has, verb)
	})
	switch {
	case match == 0 && slices.ContainsFunc(f.paths, func(p rib.Path) bool { return p.Attrs.ByRule }):
		w.Add("route targets", rib.Noted, fmt.Sprintf("no path carries a route target that the VRF imports (%s)", wants), details...)
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

// beside says what became of a path that is not the best one.
func (f *facts) beside(o rib.OtherPath) string {
	if o.Used {
		return "used as well: " + f.show(o.Path)
	}
	backup := ""
	if o.Backup {
		backup = "the backup, "
	}
	return fmt.Sprintf("%sbehind by %s: %s", backup, cmp.Or(o.By, "nothing: it is the same"), f.show(o.Path))
}

// tell adds a step of a decision: with its reason where it stops the route, and with
// passed, "" for nothing, where it does not.
func tell(w *rib.Walk, name string, s rib.TraceStep, passed string, details ...string) {
	if text := cmp.Or(s.Reason.String(), passed); text != "" {
		w.Add(name, s.Outcome, text, details...)
	}
}

func carries(a *rib.Attrs) string {
	has := append(lines(a.Communities, rib.Community.String), lines(a.Large, rib.LargeCommunity.String)...)
	if len(has) == 0 {
		return "it carries no community"
	}
	return "it carries " + strings.Join(has, ", ")
}

func (f *facts) explainQuota(w *rib.Walk) {
	if f.entry.Note.state == rib.OverQuota {
		w.Add("quota", rib.Stopped, f.reason)
		return
	}
	w.Add("quota", rib.Passed, fmt.Sprintf("%d of %d places (max_routes) are taken", f.wanted, f.spec.Export.Quota()))
}

// explainBackup says what takes over where the nexthops of the best path are lost.
func (f *facts) explainBackup(w *rib.Walk, backup rib.Path) {
	switch {
	case f.entry.Want == nil || f.set.Blackhole || f.set.Carries == nil || len(f.paths) < 2:
	case backup.Attrs == nil:
		w.Add("backup", rib.Noted, "there is none: no other path of this prefix that would be installed has another nexthop that is reached")
	case f.spec.Export.BackupRoutes:
		w.Add("backup", rib.Noted, "it takes over in one message, and its route stands under the next metric", f.show(backup))
	default:
		w.Add("backup", rib.Noted, "it takes over in one message where the link stays", f.show(backup))
	}
}

// explainKernel says what the kernel answered, or why it was not asked.
func (f *facts) explainKernel(w *rib.Walk) {
	switch e := f.entry; {
	case !f.read:
		w.Add("kernel", rib.Stopped, "the table is not read yet, and nothing is written before it is")
	case e.Note.state == rib.Installed:
		w.Add("kernel", rib.Passed, "the kernel confirmed the route")
	case e.Note.state == rib.Failed:
		w.Add("kernel", rib.Stopped, f.reason+"; it is tried again")
	case e.Note.state == rib.Conflict:
		w.Add("kernel", rib.Stopped, f.reason)
	case e.Due():
		w.Add("kernel", rib.Stopped, fmt.Sprintf("it is not written yet; %s due", plural(f.changes, "change")))
	case !f.known && len(f.paths) > 0 && f.spec.Export.Enabled:
		w.Add("kernel", rib.Stopped, fmt.Sprintf("the worker has not come to it yet; %d prefixes wait", f.waiting))
	default:
		w.Add("kernel", rib.Noted, "the kernel was not asked for it")
	}
}

// explainTable lists what the table has for the prefix now, and whose it is.
func (f *facts) explainTable(w *rib.Walk) {
	routes := slices.Clone(f.view.Foreign.Get(f.prefix))
	if have := f.entry.Have; have != nil {
		r := have.Route(f.prefix, f.spec.Protocol)
		r.Hops = f.set.HopsOf(have)
		routes = append(routes, r)
	}
	if f.spare != nil {
		routes = append(routes, *f.spare)
	}
	slices.SortStableFunc(routes, func(a, b rib.Route) int { return cmp.Compare(a.Metric, b.Metric) })
	details := lines(routes, func(r rib.Route) string {
		if f.confined && r.Protocol == f.spec.Protocol && (f.set.Leaks() || f.entry.Note.state == rib.Stale || f.onlooker.encaps(f.view.Links, f.onlooker.exit(f.view.Links), r.Hops, nil) != nil) {
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
