package config

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// completed is GoBGP's part with the defaults that GoBGP fills in, as far as they are shown.
type completed struct {
	Global      map[string]any
	Neighbors   []map[string]any
	PeerGroups  []map[string]any
	RpkiServers []map[string]any
}

// filling puts a default into a section.
type filling func(to *node, key string, value any)

// fill puts GoBGP's own defaults into GoBGP's part of a file: text is that with them.
func (f filling) fill(root *node, text []byte) error {
	var of completed
	if err := json.Unmarshal(text, &of); err != nil {
		return err
	}
	global, groups := root.get("global"), peerGroups(root)
	started := present(global.get("config"))
	if started {
		f.families(global, nil, of.Global)
		delete(of.Global, "afi-safis")
		f.defaults(global, nil, of.Global)
	}
	for i, item := range sections(root.get("neighbors")) {
		if i >= len(of.Neighbors) {
			break
		}
		n, config := of.Neighbors[i], item.get("config")
		f.families(item, groups[groupOf(config)], n)
		delete(n, "afi-safis")
		if groupOf(config) != "" { // GoBGP goes by the group's, whatever the neighbour says
			delete(n, "graceful-restart")
		}
		if config.get("netns") != nil { // its session comes to GoBGP by the loopback
			delete(n, "transport")
		}
		if c, is := n["config"].(map[string]any); is {
			maps.DeleteFunc(c, func(key string, _ any) bool { return key != "local-as" || !started })
		}
		f.defaults(item, groups[groupOf(config)], n)
	}
	// After the neighbours: what of one follows from its own keys is not what follows from its group's.
	for i, item := range sections(root.get("peer-groups")) {
		if i < len(of.PeerGroups) {
			g := of.PeerGroups[i]
			maps.DeleteFunc(g, func(key string, _ any) bool { return ofEachMember[key] })
			f.defaults(item, nil, g)
		}
	}
	for i, item := range sections(root.get("rpki-servers")) {
		if i < len(of.RpkiServers) {
			f.defaults(item, nil, of.RpkiServers[i])
		}
	}
	return nil
}

// ofEachMember are the sections of a peer group whose defaults follow from each neighbour's own address
// and name.
var ofEachMember = map[string]bool{"config": true, "transport": true, "afi-safis": true, "apply-policy": true}

// groupOf is the name of the peer group that a neighbour is in; "": it is in none.
func groupOf(config *node) string {
	if n := config.get("peer-group"); n != nil {
		return n.text
	}
	return ""
}

// families are those of a neighbour that says none, and whose group says none, and those that GoBGP
// has tables of, in the order of their names. Of a neighbour by interface they are not known before it is heard.
func (f filling) families(item, group *node, of map[string]any) {
	list, _ := of["afi-safis"].([]any)
	if item.get("afi-safis") != nil || group.get("afi-safis") != nil || item.get("config").get("neighbor-interface") != nil {
		return
	}
	to := &node{kind: kindList}
	for _, one := range list {
		family, _ := one.(map[string]any)
		config, _ := family["config"].(map[string]any)
		section, inside := &node{kind: kindSection}, &node{kind: kindSection}
		f.defaults(inside, nil, config)
		section.put("config", 0, inside)
		to.items = append(to.items, section)
	}
	slices.SortFunc(to.items, func(a, b *node) int { return strings.Compare(familyName(a), familyName(b)) })
	if len(to.items) > 0 {
		item.put("afi-safis", 0, to)
	}
}

func familyName(item *node) string {
	if n := item.get("config").get("afi-safi-name"); n != nil {
		return n.text
	}
	return ""
}

// defaults puts into a section what GoBGP has in it, and neither it nor the same section of its peer
// group says.
func (f filling) defaults(to, group *node, of map[string]any) {
	if !present(to) {
		return
	}
	for _, key := range slices.Sorted(maps.Keys(of)) {
		was := to.get(key)
		if below, is := of[key].(map[string]any); is {
			section := was
			if was == nil {
				section = &node{kind: kindSection}
			}
			if f.defaults(section, group.get(key), below); was == nil && len(section.fields) > 0 {
				to.put(key, 0, section)
			}
			continue
		}
		if was == nil && group.get(key) == nil {
			f(to, key, plainValue(of[key]))
		}
	}
}

// plainValue is a value of JSON as valueNode has it; nil: there is none.
func plainValue(v any) any {
	switch v := v.(type) {
	case float64:
		if v >= 0 && v == float64(uint64(v)) {
			return uint64(v)
		}
	case bool, string:
		return v
	case []any:
		var list []string
		for _, one := range v {
			s, is := one.(string)
			if !is {
				return nil
			}
			list = append(list, s)
		}
		return list
	}
	return nil
}
