package config

import "github.com/vrfredist/vrfredist/vrf"

// readDeaf returns the VRFs that import no route targets and have neighbours, and notes it: GoBGP
// gives what a VRF's neighbour sends the VRF's export targets, and its table gets what has an
// import target.
func readDeaf(p *problems, root *node, vrfs []vrf.Spec) (names []string) {
	for i := range vrfs {
		if len(vrfs[i].ImportRTs) > 0 {
			continue
		}
		for _, item := range sections(root.get("neighbors")) {
			in := item.get("config").get("vrf")
			if in == nil || in.text != vrfs[i].Name {
				continue
			}
			p.note(in, "VRF %q has no import route targets: what its neighbours send does not get into its table, and they are not told of each other's routes; "+
				"where they are to be, write both-rt-list with a target of the VRF's own under [vrfs.config]", vrfs[i].Name)
			names = append(names, vrfs[i].Name)
			break
		}
	}
	return names
}
