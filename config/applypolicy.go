package config

import (
	"fmt"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
)

// noteApplyPolicies says where a neighbour's own policies are not in force: GoBGP
// judges the routes of route server clients alone by them (v3.37.0, TableID in
// pkg/server/peer.go), and those of all others by the global ones. It returns the
// neighbours and peer groups, for a person.
func noteApplyPolicies(p *problems, root *node, relayed map[int]rib.Neighbor) (unapplied []string) {
	members := make(map[string][]*node) // of a peer-group, the dynamic ones too
	groups := make(map[string]*node)
	for _, item := range sections(root.get("peer-groups")) {
		if n := item.get("config").get("peer-group-name"); n != nil {
			groups[n.text] = item
		}
	}
	note := func(at *node, who, set string) {
		p.note(at, "is not in force: GoBGP heeds the policies of a neighbour only where that is a route server's client, and takes and sends all routes of %s as the global policies say. "+
			"Write them under [global.apply-policy.config], with a statement for it: conditions.match-neighbor-set, and a neighbor-set that holds %s", who, set)
		unapplied = append(unapplied, who)
	}
	for i, item := range sections(root.get("neighbors")) {
		config := item.get("config")
		group := config.get("peer-group")
		if group != nil {
			members[group.text] = append(members[group.text], item)
		}
		at := applied(item)
		if at == nil || isClient(item, groups, group) {
			continue
		}
		who, set := nameOf(config), nameOf(config)
		if n, ok := relayed[i]; ok {
			set = fmt.Sprintf("%s, which is what GoBGP calls it", n.Alias)
		} else if config.get("neighbor-address") == nil {
			set = "its link-local address"
		}
		note(at, who, set)
	}
	for _, item := range sections(root.get("dynamic-neighbors")) {
		if group := item.get("config").get("peer-group"); group != nil {
			members[group.text] = append(members[group.text], item)
		}
	}
	for _, item := range sections(root.get("peer-groups")) {
		name, at := item.get("config").get("peer-group-name"), applied(item)
		if name == nil || at == nil || clientsAlone(members[name.text], groups, name) {
			continue
		}
		note(at, "peer-group "+name.text, "the addresses of its neighbours")
	}
	return unapplied
}

// applied returns the first key of a neighbour's or group's policies; nil: it has
// none.
func applied(item *node) *node {
	config := item.get("apply-policy").get("config")
	if config == nil || config.kind != kindSection {
		return nil
	}
	for _, f := range config.fields {
		if f.value.kind != kindBad && (f.value.kind != kindList || len(f.value.items) > 0) {
			return f.value
		}
	}
	return nil
}

// isClient tells whether a neighbour is a route server's client: its own key goes
// before that of its group.
func isClient(item *node, groups map[string]*node, group *node) bool {
	const section, key = "route-server", "route-server-client"
	n := item.get(section).get("config").get(key)
	if n == nil && group != nil {
		n = groups[group.text].get(section).get("config").get(key)
	}
	return n != nil && n.text == "true"
}

// clientsAlone tells whether all members of a group, or the group itself where it
// has none yet, are route server clients.
func clientsAlone(members []*node, groups map[string]*node, group *node) bool {
	for _, m := range members {
		if !isClient(m, groups, group) {
			return false
		}
	}
	return len(members) > 0 || isClient(nil, groups, group)
}

// nameOf is a neighbour's name for a person.
func nameOf(config *node) string {
	var words []string
	for _, key := range []string{"neighbor-address", "neighbor-interface"} {
		if n := config.get(key); n != nil {
			words = append(words, n.text)
		}
	}
	if n := config.get("netns"); n != nil {
		words = append(words, "in netns", n.text)
	}
	return strings.Join(words, " ")
}

// noteWaiting says which neighbours without an address would wait now; waits is nil where
// nobody can tell. One that waits for an interface that there cannot be is an error.
func noteWaiting(p *problems, root *node, waits func(device string) string) {
	for _, item := range sections(root.get("neighbors")) {
		device := item.get("config").get("neighbor-interface")
		if device == nil || device.kind != kindText {
			continue
		}
		if err := deviceName(device.text); err != nil {
			p.at(device, "%v", err)
			continue
		}
		if waits == nil {
			continue
		}
		if why := waits(device.text); why != "" {
			p.note(device, "waits now: %s. It is taken in when that has changed, and keeps nothing else", why)
		}
	}
}
