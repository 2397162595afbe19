package nsworker

import (
	"fmt"

	"github.com/vrfredist/vrfredist/rib"
)

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
	switch foreign := len(f.view.Foreign.Get(f.prefix)) > 0 || importing(f.spec).Has(f.view, f.prefix); {
	case x.Export.StoppedBy == "":
	case x.Import.StoppedBy == "", foreign && len(f.candidates) == 0 && f.spec.Import.Enabled:
		matters = x.Import
	case !foreign && len(f.candidates)+len(f.byRules) == 0 && !f.known && f.absent == "":
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
