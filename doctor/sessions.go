package doctor

import (
	"fmt"
	"maps"
	"slices"

	"github.com/vrfredist/vrfredist/vrf"
)

// mostLost is how many neighbours without a session have a finding of their own.
const mostLost = 20

// lost are the neighbours without a BGP session, of which nobody wants that.
func lost(f Facts) (all []Finding) {
	more := 0
	for _, name := range slices.Sorted(maps.Keys(f.Sessions)) {
		for _, s := range f.Sessions[name] {
			switch {
			case !s.Lacks():
			case len(all) == mostLost:
				more++
			default:
				all = append(all, lostSession(name, s))
			}
		}
	}
	if more > 0 {
		all = append(all, Finding{
			Level: Risk, Check: "session", Subject: "others",
			What: fmt.Sprintf("%s more have no BGP session; `vrfredist neighbor` lists all.", vrf.CountOf(more, "neighbor")),
			Why:  "Routes of theirs are missing.",
		})
	}
	return all
}

func lostSession(name string, s vrf.Session) Finding {
	what := fmt.Sprintf("The neighbor %s of VRF %q has no BGP session (%s).", s.Name(), name, s.State)
	if s.Netns != "" {
		what = fmt.Sprintf("The neighbor %s of VRF %q, in netns %s, has no BGP session (%s).", s.Name(), name, s.Netns, s.State)
	}
	why := "Its routes are missing, and it has none of ours."
	if s.Reason != "" {
		why = sentence(s.Why()) + " " + why
	}
	return Finding{Level: Risk, Check: "session", Subject: name + " " + s.Name(), What: what, Why: why}
}
