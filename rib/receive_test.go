package rib

import (
	"slices"
	"testing"
)

// TestDecideAsksWhatIsReceived: the policy for what others send is asked about paths of other
// VRFs and PEs alone, before the export's, which sees what it changed; and the step that rejects
// all of a prefix is that of the policy to which a path came last.
func TestDecideAsksWhatIsReceived(t *testing.T) {
	of := func(source string, id uint32) Path {
		return tagged(7, func(p *Path, a *Attrs) { p.ID, a.Source = id, source })
	}
	no := func(s Subject) bool { return slices.Contains(s.Attrs.Communities, 9) }
	for _, tc := range []struct {
		name            string
		receive, export judgeOf
		paths           []Path
		out             Cause
		at              Place
		chosen, asked   []uint32
	}{
		{"its own neighbours' are not asked about", judgeOf{rejects: func(Subject) bool { return true }}, judgeOf{}, []Path{of("red", 1)}, Accepted, 0, []uint32{1}, nil},
		{"another VRF's", judgeOf{rejects: func(Subject) bool { return true }}, judgeOf{}, []Path{of("red", 1), of("blue", 2)}, Accepted, 0, []uint32{1}, []uint32{2}},
		{"another PE's", judgeOf{rejects: func(Subject) bool { return true }}, judgeOf{}, []Path{of("", 2)}, PolicyRejects, AtReceive, []uint32{2}, []uint32{2}},
		{"the export's policy sees what it changed", judgeOf{changes: func(a *Attrs) { a.Tags = &Tags{Communities: []Community{9}} }}, judgeOf{rejects: no}, []Path{of("", 2), of("red", 1)}, Accepted, 0, []uint32{1}, []uint32{2}},
		{"it rejects what it changed", judgeOf{changes: func(a *Attrs) { a.Tags = &Tags{Communities: []Community{9}} }}, judgeOf{rejects: no}, []Path{of("", 2)}, PolicyRejects, AtPolicy, []uint32{2}, []uint32{2}},
		{"one by one, one by the other", judgeOf{rejects: func(s Subject) bool { return s.Attrs.Source == "blue" }}, judgeOf{rejects: func(Subject) bool { return true }}, []Path{of("", 2), of("blue", 3)}, PolicyRejects, AtPolicy, []uint32{2}, []uint32{2, 3}},
	} {
		for _, trace := range []*Trace{nil, new(Trace)} {
			receive, export := tc.receive, tc.export
			x, mine := red(func(p *ExportPolicy) { p.Receive, p.Policy, p.MaxPaths = &receive, &export, 1 })
			c := Candidates{Prefix: prefix("10.0.0.0/24"), Paths: tc.paths, Own: mine}
			v := Decide(x, &c, trace)
			if v.Out != tc.out || !slices.Equal(ids(v.Chosen), tc.chosen) {
				t.Errorf("%s: %d, %v; want %d, %v", tc.name, v.Out, ids(v.Chosen), tc.out, tc.chosen)
			}
			if len(receive.asked) != len(tc.asked) {
				t.Errorf("%s: it is asked about %d paths, want %v", tc.name, len(receive.asked), tc.asked)
			}
			if trace == nil || tc.out == Accepted {
				continue
			}
			checkTrace(t, tc.name, *trace, tc.out)
			at := slices.IndexFunc(trace.Steps, func(s TraceStep) bool { return s.Outcome == Stopped })
			if at < 0 || trace.Steps[at].Place != tc.at {
				t.Errorf("%s: the trace stops at %+v", tc.name, trace.Steps)
			}
		}
	}
}
