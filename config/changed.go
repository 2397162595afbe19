package config

import "github.com/vrfredist/vrfredist/rib"

// noteChanged says what a file that was written for an earlier version does otherwise
// now, at the key that shows it: docs/UPGRADING.md has all of it.
func noteChanged(p *problems, root *node) {
	kept := map[rib.Community]string{
		rib.CommunityNoExport: "eBGP neighbours are", 0xffffff02: "neighbours are", 0xffffff03: "eBGP neighbours are",
	}
	vrfs := sections(root.get("netlink").get("vrfs"))
	blackhole, communities := false, false
	for _, of := range append(vrfs, root.get("netlink")) {
		exp, imp := of.get("export"), of.get("import")
		if on := exp.get("accept-blackhole"); !blackhole && on != nil && on.text == "true" && exp.get("blackhole-no-export") == nil {
			blackhole = true
			p.note(on, "also keeps such routes from eBGP neighbours, which were told them before (RFC 7999); write blackhole_no_export = true beside it to say so, or false to have them told")
		}
		list := imp.get("communities")
		if communities || list == nil || list.kind != kindList {
			continue
		}
		for _, item := range list.items {
			c, err := community(item)
			if who, is := kept[c]; err == nil && is {
				communities = true
				p.note(list, "has %s, which is honoured now: %s not told these routes", c, who)
				break
			}
		}
	}
}
