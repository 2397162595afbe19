package rib

import "slices"

// Place is a step of a decision.
type Place uint8

// The steps of Decide, and those of DecideImport, in their order.
const (
	AtExport Place = iota + 1
	AtCandidates
	AtChoice
	AtOwnImport
	AtConnected
	AtMartian
	AtCommunities

	AtImport
	AtKernelRoute
	AtRules
)

// Trace takes down how one decision came about, for who asks for it; a nil Trace takes
// down nothing. The next decision is written over it.
type Trace struct {
	Steps  []TraceStep
	Others []OtherPath   // Decide: the paths that are not the best one, as they were given
	Routes []JudgedRoute // DecideImport: the routes of the prefix, lowest metric first
}

// TraceStep is one step of a decision.
type TraceStep struct {
	Place   Place
	Outcome Outcome // Passed, or Stopped; Noted, where an earlier step stopped it already
	Reason  Reason  // why it did not pass
}

// OtherPath is a path beside the best one.
type OtherPath struct {
	Path Path
	Used bool   // as good as the best one, and used with it
	By   string // the step of the decision process that puts it behind; "": nothing does
}

// JudgedRoute is a route that may be announced.
type JudgedRoute struct {
	Route  Route
	Table  uint32 // that it is in, where it is another one than the VRF's own; 0: that, or it is an address
	Reason Reason // why it is not
}

// begin forgets the decision before.
func (t *Trace) begin() {
	if t != nil {
		t.Steps, t.Others, t.Routes = t.Steps[:0], t.Others[:0], t.Routes[:0]
	}
}

// judged takes down a step. Where an earlier one has stopped the route it stops nothing.
func (t *Trace) judged(at Place, why Reason) {
	out := Passed
	switch {
	case why.Cause == Accepted:
	case slices.ContainsFunc(t.Steps, func(s TraceStep) bool { return s.Outcome == Stopped }):
		out = Noted
	default:
		out = Stopped
	}
	t.Steps = append(t.Steps, TraceStep{at, out, why})
}

// decided takes down what is known once Decide has made its steps, and gives v the first
// of the causes.
func (t *Trace) decided(x *Exporting, c *Candidates, v *Verdict) {
	for i := range t.Steps {
		s := &t.Steps[i]
		if s.Reason = x.Reason(s.Reason.Cause, c.Prefix); s.Outcome == Stopped {
			v.Out = s.Reason.Cause
		}
	}
	if len(c.Paths) > 0 {
		t.rank(x, v.Chosen, c.Paths)
	}
}

// behindInKernel is what puts the VRF's own import behind another path, whatever BGP thinks of
// the two.
const behindInKernel = "the metric in the kernel's table, where ours is the lower one"

// rank takes down what the choice made of all paths.
func (t *Trace) rank(x *Exporting, chosen, all []Path) {
	same := func(a *Path) func(Path) bool {
		return func(b Path) bool { return a.RD == b.RD && a.ID == b.ID }
	}
	for i := range all {
		switch p := &all[i]; {
		case same(p)(chosen[0]):
		case slices.ContainsFunc(chosen, same(p)):
			t.Others = append(t.Others, OtherPath{Path: *p, Used: true})
		case x.imported(p.Attrs) && !x.imported(chosen[0].Attrs):
			t.Others = append(t.Others, OtherPath{Path: *p, By: behindInKernel})
		default:
			t.Others = append(t.Others, OtherPath{Path: *p, By: behind(&chosen[0], p, all)})
		}
	}
}
