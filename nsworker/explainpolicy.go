package nsworker

import (
	"fmt"

	"github.com/vrfredist/vrfredist/rib"
)

// explainPolicy says what the policy of the export made of each path.
func (f *facts) explainPolicy(w *rib.Walk, s rib.TraceStep, judged []rib.JudgedPath) {
	accepted := 0
	var details []string
	for i := range judged {
		p := &judged[i]
		if !p.Rejected {
			accepted++
		}
		details = append(append(details, f.show(p.Path)), indented(p.Lines())...)
	}
	text := ""
	if len(judged) > 0 { // else all that there is are the VRF's own imports
		text = fmt.Sprintf("policy %q accepts %d of %s", judged[0].Policy, accepted, plural(len(judged), "path"))
	}
	tell(w, "policy", s, text, details...)
}

// explainImportPolicy says what the policy of the import made of the routes that it was asked
// about.
func (f *facts) explainImportPolicy(w *rib.Walk, s rib.TraceStep, routes []rib.JudgedRoute) {
	accepted, asked, name := 0, 0, ""
	var details []string
	for _, r := range routes {
		if r.Heard == nil {
			continue
		}
		asked++
		name = r.Heard.Policy
		if !r.Heard.Rejected {
			accepted++
		}
		details = append(append(details, f.line(r)), indented(r.Heard.Lines())...)
	}
	tell(w, "policy", s, fmt.Sprintf("policy %q accepts %d of %s", name, accepted, plural(asked, "route")), details...)
}

func indented(lines []string) []string {
	out := make([]string, len(lines))
	for i, l := range lines {
		out[i] = "  " + l
	}
	return out
}
