package doctor

import (
	"fmt"
	"strings"
)

// applied are findings from what was applied over the API and is not in force.
func applied(f Facts) []Finding {
	var out []Finding
	for _, l := range f.LeftOut {
		forget := "vrfredist vrf delete " + quote(l.Key.Name)
		if l.Key.Neighbor {
			address, netns := l.Key.Address()
			if forget = "vrfredist neighbor delete " + quote(address); netns != "" {
				forget += " --netns " + quote(netns)
			}
		}
		out = append(out, Finding{
			Level: Broken, Check: "applied", Subject: l.Key.String(),
			What: fmt.Sprintf("What was applied over the API to %s is left out: %s. Change the file and run `vrfredist reload`, apply it otherwise, or forget it with `%s`.", l.Key, strings.TrimSuffix(l.Failed, "."), forget),
			Why:  "It is kept, and contradicts the file, which wins at a start. What is below it is in force, if anything is.",
		})
	}
	return out
}
