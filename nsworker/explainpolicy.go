package nsworker

import (
	"fmt"

	"github.com/vrfredist/vrfredist/rib"
)

// hearings are what policies made of what a worker knows of a prefix.
type hearings struct{ *facts }

// paths says what a policy on the way to the kernel made of each path.
func (f hearings) paths(w *rib.Walk, name string, s rib.TraceStep, judged []rib.JudgedPath) {
	accepted, asked, text := 0, 0, ""
	var details []string
	for i := range judged {
		p := &judged[i]
		if p.At != s.Place {
			continue
		}
		if asked++; !p.Rejected {
			accepted++
		}
		details = append(append(details, f.show(p.Path)), indented(p.Lines())...)
		text = fmt.Sprintf("policy %q accepts %d of %s", p.Policy, accepted, plural(asked, "path"))
	}
	tell(w, name, s, text, details...)
}

// kernelRoutes says what the policy of the import made of the routes that it was asked
// about.
func (f hearings) kernelRoutes(w *rib.Walk, s rib.TraceStep, routes []rib.JudgedRoute) {
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
