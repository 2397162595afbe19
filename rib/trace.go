package rib

import "slices"

// Place is a step of a decision.
type Place uint8

// The steps of Decide, and those of DecideImport, in their order.
const (
	AtExport Place = iota + 1
	AtCandidates
	AtReceive // where there is a policy for what others send
	AtPolicy  // where there is one
	AtChoice
	AtOwnImport
	AtConnected
	AtMartian
	AtCommunities

	AtImport
	AtKernelRoute
	AtRules
	AtImportPolicy // where there is one
)

// Trace takes down how one decision came about, for who asks for it; a nil Trace takes
// down nothing. The next decision is written over it.
type Trace struct {
	Steps  []TraceStep
	Judged []JudgedPath  // Decide: what policies made of each path, in the order in which they were asked
	Others []OtherPath   // Decide: the paths that are not the best one, as the policy left them
	Routes []JudgedRoute // DecideImport: the routes of the prefix, lowest metric first
}

// TraceStep is one step of a decision.
type TraceStep struct {
	Place   Place
	Outcome Outcome // Passed, or Stopped; Noted, where an earlier step stopped it already
	Reason  Reason  // why it did not pass
}

// JudgedPath is a path that a policy was asked about.
type JudgedPath struct {
	At   Place // AtReceive or AtPolicy
	Path Path  // as it was given to Decide
	Hearing
}

// OtherPath is a path beside the best one.
type OtherPath struct {
	Path   Path
	Used   bool   // as good as the best one, and used with it
	Backup bool   // it is the backup
	Reach  Reach  // how its nexthop is reached
	By     string // the step of the decision process that puts it behind; "": nothing does
}

// JudgedRoute is a route that may be announced.
type JudgedRoute struct {
	Route  Route
	Table  uint32   // that it is in, where it is another one than the VRF's own; 0: that, or it is an address
	Reason Reason   // why it is not
	Heard  *Hearing // what the policy made of it; nil: it was not asked
}

// begin forgets the decision before.
func (t *Trace) begin() {
	if t != nil {
		t.Steps, t.Judged, t.Others, t.Routes = t.Steps[:0], t.Judged[:0], t.Others[:0], t.Routes[:0]
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
		if s.Reason.Cause == PolicyRejects {
			s.Reason.Subject = v.rejected.by
		} else {
			s.Reason = x.Reason(s.Reason.Cause, c.Prefix)
		}
		if s.Outcome == Stopped {
			v.Out = s.Reason.Cause
		}
	}
}

// behindInKernel is what puts the VRF's own import behind another path, whatever BGP thinks of
// the two.
const behindInKernel = "the metric in the kernel's table, where ours is the lower one"

// ranked takes down what the choice made of all paths. paths are those that took part in it.
func (t *Trace) ranked(x *Exporting, c *Candidates, paths []Path, v *Verdict) {
	same := func(a *Path) func(Path) bool {
		return func(b Path) bool { return a.RD == b.RD && a.ID == b.ID }
	}
	var rivals []Path
	for i := range paths {
		if c.reach(&paths[i]) == v.Reach {
			rivals = append(rivals, paths[i])
		}
	}
	for i := range c.Paths {
		p := &c.Paths[i]
		if k := slices.IndexFunc(paths, same(p)); k >= 0 {
			p = &paths[k]
		} else {
			t.Others = append(t.Others, OtherPath{Path: *p, Reach: c.reach(p), By: t.rejection(same(p))})
			continue
		}
		o := OtherPath{Path: *p, Reach: c.reach(p), Backup: v.Backup.Attrs != nil && same(p)(v.Backup)}
		switch {
		case same(p)(v.Chosen[0]):
			continue
		case slices.ContainsFunc(v.Chosen, same(p)):
			o.Used = true
		case x.imported(p.Attrs) && !x.imported(v.Chosen[0].Attrs):
			o.By = behindInKernel
		case o.Reach > v.Reach:
			o.By = o.Reach.String()
		default:
			o.By = x.policy.Selection.behind(&v.Chosen[0], p, rivals)
		}
		t.Others = append(t.Others, o)
	}
}

// rejection is what rejected a path that takes no part.
func (t *Trace) rejection(is func(Path) bool) string {
	for i := range t.Judged {
		if is(t.Judged[i].Path) && t.Judged[i].Rejected {
			return t.Judged[i].By
		}
	}
	return ""
}

// String says for a person what is in the way of a path; "": nothing is.
func (r Reach) String() string {
	switch r {
	case Reached:
		return ""
	case NoCarrier:
		return "reachability: its nexthop is on a link without carrier"
	case Refused:
		return "reachability: the kernel refuses its nexthop"
	}
	return "reachability: its nexthop is not reached"
}
