package config

import (
	"github.com/vrfredist/vrfredist/rib"
)

// noteChanged notes where a file that was written for an earlier version has another
// effect now, at the key that shows it: docs/UPGRADING.md has all changes.
func noteChanged(p *problems, root *node) {
	noteChangedNeighbors(p, root)
	kept := map[rib.Community]string{
		rib.CommunityNoExport: "eBGP neighbours are", 0xffffff02: "neighbours are", 0xffffff03: "eBGP neighbours are",
	}
	vrfs := sections(root.get("netlink").get("vrfs"))
	blackhole, communities := false, false
	for _, of := range append(vrfs, root.get("netlink")) {
		exp, imp := of.get("export"), of.get("import")
		if on := exp.get("accept-blackhole"); !blackhole && on != nil && on.text == "true" && exp.get("blackhole-no-export") == nil {
			blackhole = true
			p.noteChange(on, "also keeps such routes from eBGP neighbours, which were told them before (RFC 7999); write blackhole_no_export = true beside it to say so, or false to have them told")
		}
		list := imp.get("communities")
		if communities || list == nil || list.kind != kindList {
			continue
		}
		for _, item := range list.items {
			c, err := community(item)
			if who, is := kept[c]; err == nil && is {
				communities = true
				p.noteChange(list, "has %s, which is honoured now: %s not told these routes", c, who)
				break
			}
		}
	}
}

// grouped is a section of a neighbour, with the same section of its peer group.
type grouped struct{ own, group *node }

// config returns a key of [neighbors.config], or of the group's; nil: neither has it.
func (n grouped) config(key string) *node {
	if v := n.own.get("config").get(key); v != nil {
		return v
	}
	return n.group.get("config").get(key)
}

// section returns a section's configuration, the neighbour's or the group's.
func (n grouped) section(name string) *node {
	if v := n.own.get(name); v != nil {
		return v.get("config")
	}
	return n.group.get(name).get("config")
}

// noteChangedNeighbors notes the messages that neighbours may no longer send, each at the
// first neighbour that it may concern. Where the key for one is written, with any value,
// the change is known.
func noteChangedNeighbors(p *problems, root *node) {
	groups := make(map[string]*node)
	for _, item := range sections(root.get("peer-groups")) {
		if n := item.get("config").get("peer-group-name"); n != nil {
			groups[n.text] = item
		}
	}
	as := ""
	if n := root.get("global").get("config").get("as"); n != nil {
		as = n.text
	}
	noted := make(map[string]bool)
	once := func(what string, at *node, text string) {
		if at != nil && !noted[what] {
			noted[what] = true
			p.noteChange(at, "%s", text)
		}
	}
	for _, item := range sections(root.get("neighbors")) {
		n := grouped{own: item}
		if g := item.get("config").get("peer-group"); g != nil {
			n.group = groups[g.text]
		}
		n.noteChanges(as, once)
	}
}

// noteChanges notes the changes that concern one neighbour.
func (n grouped) noteChanges(as string, once func(what string, at *node, text string)) {
	number, vrf := n.config("peer-as"), n.config("vrf")
	external := number != nil && number.text != as
	if vrf != nil && n.config("accept-route-targets") == nil {
		once("targets", vrf, "route targets that it sets are removed (UPGRADING.md); accept_route_targets = [] says so, [\"*\"] keeps them")
	}
	if external && n.config("enforce-first-as") == nil {
		once("first", number, "a path that does not begin with this AS is withdrawn (UPGRADING.md); enforce_first_as = true says so, false takes it")
	}
	if external && n.config("accept-martians") == nil {
		once("martians", number, "its LOCAL_PREF, martians and the VRF's own subnets are left out (UPGRADING.md); accept_martians = [] says so")
	}
	if external && n.config("fast-failover") == nil && n.section("ebgp-multihop").get("enabled") == nil {
		once("failover", number, "its session ends with the carrier of its link (UPGRADING.md); fast_failover = true says so, false has it last for the hold time")
	}
	if on := n.section("graceful-restart").get("enabled"); on != nil && on.text == "true" && n.config("stale-time") == nil {
		once("stale", on, "stale routes go where it comes back without them (UPGRADING.md); stale_time says how long they wait for End-of-RIB")
	}
	for _, f := range sections(n.own.get("afi-safis")) {
		once("limit", f.get("prefix-limit").get("config").get("max-prefixes"), "over it the neighbour is down until restart-timer has run (UPGRADING.md); a warning comes at 80 %")
	}
}
