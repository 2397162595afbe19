package config

import (
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
)

// hintUnmet notes the VRFs with neighbours whose import targets no route can have: no VRF exports one,
// no neighbour sends VPN routes or may set targets, and no policy sets them.
func hintUnmet(p *problems, root *node, terms map[string]rib.Terms) {
	if len(sections(root.get("policy-definitions")))+len(sections(root.get("netlink").get("policies"))) > 0 || takesTargets(root, terms) {
		return
	}
	exported := make(map[rib.RT]bool)
	for _, item := range sections(root.get("vrfs")) {
		for _, n := range targetNodes(item.get("config"), "export-rt-list") {
			exported[targetOf(n)] = true
		}
	}
	for _, item := range sections(root.get("vrfs")) {
		config := item.get("config")
		list, name := targetNodes(config, "import-rt-list"), config.get("name")
		if len(list) == 0 || name == nil || !hasNeighbor(root, name.text) || slices.ContainsFunc(list, func(n *node) bool { return exported[targetOf(n)] }) {
			continue
		}
		var own []string
		for _, n := range targetNodes(config, "export-rt-list") {
			own = append(own, n.text)
		}
		p.hint(list[0], "", "no route has it, nor another import target of VRF %q: no VRF exports one, and no neighbour sends VPN routes; what its own neighbours send has the targets that it exports: [%s]",
			name.text, strings.Join(own, " "))
	}
}

// targetNodes are the route targets of a VRF, of its own list or else of both-rt-list.
func targetNodes(config *node, key string) []*node {
	for _, list := range []*node{config.get(key), config.get("both-rt-list")} {
		if list != nil && len(list.items) > 0 {
			return list.items
		}
	}
	return nil
}

// targetOf is a route target; 0: it is none, which is an error by itself.
func targetOf(n *node) rib.RT {
	rt, _ := rib.ParseRT(n.text)
	return rt
}

// takesTargets tells whether routes may come with targets that the file does not say.
func takesTargets(root *node, terms map[string]rib.Terms) bool {
	for _, t := range terms {
		if t.AnyRT || len(t.AcceptRTs) > 0 {
			return true
		}
	}
	for _, item := range slices.Concat(sections(root.get("neighbors")), sections(root.get("peer-groups"))) {
		for _, f := range sections(item.get("afi-safis")) {
			if name := f.get("config").get("afi-safi-name"); name != nil && strings.Contains(name.text, "vpn") {
				return true
			}
		}
	}
	return false
}
