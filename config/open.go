package config

import "fmt"

// readOpen names the neighbours for whom another host may pose, with the VRF
// of each. A peer group's keys are its neighbours' too.
func readOpen(root *node) (open []string) {
	groups := make(map[string]*node)
	for _, item := range sections(root.get("peer-groups")) {
		if n := item.get("config").get("peer-group-name"); n != nil {
			groups[n.text] = item
		}
	}
	guarded := func(item *node) bool {
		on := item.get("ttl-security").get("config").get("enabled")
		return item.get("config").get("auth-password") != nil || on != nil && on.text == "true"
	}
	for _, item := range sections(root.get("neighbors")) {
		config := item.get("config")
		group := config.get("peer-group")
		if guarded(item) || group != nil && guarded(groups[group.text]) {
			continue
		}
		name := config.get("neighbor-address")
		if name == nil {
			name = config.get("neighbor-interface")
		}
		switch vrf := config.get("vrf"); {
		case name == nil: // its absence was reported
		case vrf == nil:
			open = append(open, name.text)
		default:
			open = append(open, fmt.Sprintf("%s in VRF %s", name.text, vrf.text))
		}
	}
	for _, item := range sections(root.get("dynamic-neighbors")) {
		prefix, group := item.get("config").get("prefix"), item.get("config").get("peer-group")
		if prefix != nil && (group == nil || !guarded(groups[group.text])) {
			open = append(open, "any from "+prefix.text)
		}
	}
	return open
}
