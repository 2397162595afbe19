package config

// noteApplied notes that the policies of neighbours that are no route server's clients are
// in force, which they were not in an earlier version, and where the global ones leave
// nothing of what they accept.
func noteApplied(p *problems, root *node) {
	first := firstApplied(root)
	if first == nil {
		return
	}
	p.noteChange(first, "is in force: what it rejects is not taken and not told (UPGRADING.md); before, GoBGP went by it for route server's clients alone. The global policies judge what it accepts, as before")
	global := root.get("global").get("apply-policy").get("config")
	for _, way := range []struct{ fallback, list, what string }{
		{"default-import-policy", "import-policy-list", "nothing is taken from any neighbour"},
		{"default-export-policy", "export-policy-list", "nothing is told to any neighbour"},
	} {
		n, list := global.get(way.fallback), global.get(way.list)
		if n != nil && n.text == "reject-route" && (list == nil || list.kind == kindList && len(list.items) == 0) {
			p.note(n, "without %s: %s, whatever the policies of neighbours accept, because the global ones judge what those accept; "+
				"write it under [neighbors.apply-policy.config] or [peer-groups.apply-policy.config], and accept-route here", way.list, way.what)
		}
	}
}

// firstApplied is the first key of a policy of a neighbour, or peer group, that is no route
// server's client; nil: there is none.
func firstApplied(root *node) *node {
	members := make(map[string][]*node) // of a peer-group, the dynamic ones too
	groups := make(map[string]*node)
	for _, item := range sections(root.get("peer-groups")) {
		if n := item.get("config").get("peer-group-name"); n != nil {
			groups[n.text] = item
		}
	}
	var first *node
	keep := func(at *node) {
		if at != nil && (first == nil || at.line < first.line) {
			first = at
		}
	}
	for _, item := range sections(root.get("neighbors")) {
		group := item.get("config").get("peer-group")
		if group != nil {
			members[group.text] = append(members[group.text], item)
		}
		if !isClient(item, groups, group) {
			keep(applied(item))
		}
	}
	for _, item := range sections(root.get("dynamic-neighbors")) {
		if group := item.get("config").get("peer-group"); group != nil {
			members[group.text] = append(members[group.text], item)
		}
	}
	for _, item := range sections(root.get("peer-groups")) {
		name := item.get("config").get("peer-group-name")
		if name != nil && !clientsAlone(members[name.text], groups, name) {
			keep(applied(item))
		}
	}
	return first
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
