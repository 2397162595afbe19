package doctor

import (
	"fmt"

	"github.com/vrfredist/vrfredist/vrf"
)

// limits are about what is near the number of prefixes or routes that the configuration allows,
// or over it.
func limits(f Facts) (all []Finding) {
	for i := range f.Limits {
		if l := &f.Limits[i]; l.Near() || l.Stopped != "" || l.Over > 0 {
			all = append(all, limit(l))
		}
	}
	for _, st := range f.States {
		q := vrf.PrefixLimit{VRF: st.Spec.Name, Prefixes: st.Counts.Total().Installed, Most: st.Spec.Export.Quota()}
		if over := st.Counts.Total().OverQuota; q.Near() || over > 0 {
			all = append(all, Finding{
				Level: Risk, Check: "max-routes", Subject: q.VRF,
				What: fmt.Sprintf("VRF %q has %d of the %d routes that its max_routes lets it have, and %d are kept out.", q.VRF, q.Prefixes, q.Most, over),
				Why:  "Beyond that number no further prefix gets into its table: what goes there takes another route, or none. Raise max_routes, or send fewer routes.",
			})
		}
	}
	return all
}

// deaf are VRFs whose own neighbours' routes do not get into their tables.
func deaf(f Facts) (all []Finding) {
	for _, name := range f.Deaf {
		all = append(all, Finding{
			Level: Advice, Check: "no-import-targets", Subject: name,
			What: fmt.Sprintf("VRF %q imports no route targets, and has neighbours: what they send does not get into its table.", name),
			Why:  "Routes of a VRF's neighbours carry its export targets, and a table gets what carries an import target; its neighbours are not told of each other's routes either. Write both-rt-list with a target of the VRF's own under [vrfs.config], unless that is what is meant.",
		})
	}
	return all
}

// unwanted are VRFs of which BGP has routes, and none with a community that their export asks for.
func unwanted(f Facts) (all []Finding) {
	for i := range f.States {
		st := &f.States[i]
		n, takes := st.Counts.Total(), &st.Spec.Export // what the VRF imports itself is filtered too
		if !takes.Enabled || len(takes.Community)+len(takes.CommunityList)+len(takes.LargeCommunities) == 0 || n.Filtered <= n.Imported || n.Filtered < n.Paths {
			continue
		}
		all = append(all, Finding{
			Level: Advice, Check: "no-community", Subject: st.Spec.Name,
			What: fmt.Sprintf("No route of BGP's gets into the table of VRF %q: it takes those with %s, and all that there are for it are left out.", st.Spec.Name, takes.Wants()),
			Why:  "What the routes carry instead `vrfredist explain PREFIX --vrf " + st.Spec.Name + "` says. Write the community that they have into the VRF's export, or have the neighbours send that one.",
		})
	}
	return all
}

func limit(l *vrf.PrefixLimit) Finding {
	find := Finding{Level: Risk, Check: "prefix-limit", Subject: l.VRF}
	switch {
	case l.From != "":
		find.What = fmt.Sprintf("VRF %q has %d of the %d prefixes that max_prefixes lets leak in from %q, and %d are kept out.", l.VRF, l.Prefixes, l.Most, l.From, l.Over)
		find.Why = "Beyond that number no further prefix leaks in. Raise max_prefixes of the leak, or give it a policy that lets in fewer."
	case l.Neighbor == "":
		find.What = fmt.Sprintf("The neighbours of VRF %q have sent %d prefixes, of the %d that its max_prefixes lets them send together.", l.VRF, l.Prefixes, l.Most)
		find.Why = "Beyond that number none of them gets a further prefix in. Raise max_prefixes under [netlink.vrfs.bgp], or have them send fewer."
	default:
		find.What = fmt.Sprintf("The neighbour %s of VRF %q has sent %d %s prefixes, of the %d that its prefix-limit lets it send.", l.Neighbor, l.VRF, l.Prefixes, l.Family, l.Most)
		find.Why = "Its session ends when it sends more. Raise max-prefixes of its prefix-limit, or have it send fewer."
		if l.Stopped != "" {
			find.Level = Broken
			find.Why = "Its session was ended: " + l.Stopped + "."
		}
	}
	return find
}
