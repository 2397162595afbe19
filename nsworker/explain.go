package nsworker

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// facts are what a worker knows of one prefix, taken out of its loop: everything
// in it is immutable, or a copy.
type facts struct {
	prefix netip.Prefix
	// confined: what is of other VRFs is not to be told.
	confined bool
	spec     vrf.Spec
	absent   string // why there is no table; "": there is one
	read     bool

	heard

	entry   route
	known   bool // there is an entry
	reason  string
	target  nexthop.Set
	changes int // routes that are due
	wanted  int // places of the quota that are taken

	view         rib.View
	mine         *rib.OwnPrefixes
	board        *Board
	announced    rib.Announcement
	isAnnounced  bool
	announcesDue bool
}

// heard is what BGP has of the prefix.
type heard struct {
	candidates []rib.Path    // with whatever route targets
	unasked    error         // why BGP did not say which
	refused    []rib.Refusal // what neighbours announced and BGP did not take
	paths      []rib.Path    // in the feed
	waiting    int           // prefixes that wait in the feed
}

// Explain implements vrf.Worker.
func (w *Worker) Explain(ctx context.Context, q rib.Question) (rib.Explanation, error) {
	var f facts
	if err := w.ask(ctx, func(s *tableSync) { f = w.facts(s, q) }); err != nil {
		return rib.Explanation{}, err
	}
	f.candidates, f.unasked = w.deps.BGP.Candidates(ctx, f.spec.Of(), f.prefix)
	f.refused = w.deps.BGP.Refused(f.spec.Of(), f.prefix)
	if f.confined && f.spec.Of() != vrf.Default {
		f.candidates = slices.DeleteFunc(f.candidates, func(p rib.Path) bool { return !p.Attrs.Meets(f.spec.ImportRTs) })
	}
	return f.explain(), nil
}

// facts is called by the loop's goroutine; s is nil while there is no table.
func (w *Worker) facts(s *tableSync, q rib.Question) facts {
	prefix := q.Prefix
	if q.Longest {
		prefix, _ = rib.Longest(prefix.Addr(), func(p netip.Prefix) bool {
			return len(w.feed.Lookup(p)) > 0 || s != nil && (s.knows(p) || len(s.sets.Resolver.View.Foreign.Get(p)) > 0)
		})
	}
	f := facts{prefix: prefix, confined: q.Confined, spec: w.spec, board: w.deps.Board}
	f.paths = w.feed.Lookup(prefix)
	_, f.waiting = w.feed.Len()
	if s == nil {
		f.absent = w.absent
		return f
	}
	f.read, f.changes, f.wanted = s.phase.known(), s.routes.Waiting(), s.routes.wanted
	f.view, f.mine = s.sets.Resolver.View, s.routes.own
	if slot, e := s.routes.entryOf(prefix); e != nil {
		f.entry, f.known, f.reason = *e, true, s.reason(slot, e)
		if e.Want != nil {
			f.target = *e.Want
		}
	}
	f.announced, f.isAnnounced = s.announced.announcedNow(prefix)
	f.announcesDue = s.announced.due(prefix)
	return f
}

func (s *tableSync) knows(prefix netip.Prefix) bool {
	_, e := s.routes.entryOf(prefix)
	return e != nil
}

func (f *facts) explain() rib.Explanation {
	x := rib.Explanation{Prefix: f.prefix}
	if f.absent != "" {
		for _, w := range []*rib.Walk{&x.Export, &x.Import} {
			w.Add("binding", rib.Stopped, "the VRF has no table now: "+f.absent)
		}
	}
	f.explainExport(&x.Export)
	f.explainImport(&x.Import)
	f.conclude(&x)
	return x
}

// conclude words the verdicts, and finds the direction that the question is
// about: the one that got through, or else the one that has something.
func (f *facts) conclude(x *rib.Explanation) {
	x.Export.Verdict = verdict(x.Export, "its BGP route is in the kernel table")
	x.Import.Verdict = verdict(x.Import, "its kernel route is announced to BGP")
	matters := x.Export
	switch foreign := len(f.view.Foreign.Get(f.prefix)) > 0; {
	case x.Export.StoppedBy == "":
	case x.Import.StoppedBy == "", foreign && len(f.candidates) == 0 && f.spec.Import.Enabled:
		matters = x.Import
	case !foreign && len(f.candidates) == 0 && !f.known && f.absent == "":
		x.StoppedBy, x.Verdict = x.Export.StoppedBy, "neither BGP nor the kernel table of this VRF has a route for it"
		return
	}
	x.StoppedBy, x.Verdict = matters.StoppedBy, matters.Verdict
}

func verdict(w rib.Walk, through string) string {
	for _, s := range w.Steps {
		if s.Outcome == rib.Stopped {
			return fmt.Sprintf("stopped at %s: %s", s.Name, s.Text)
		}
	}
	return through
}

// plural renders a number of things.
func plural(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
