package config

import (
	"slices"
	"strings"
)

// neighbors are the neighbours of a tenant, as items of [[neighbors]].
func (t *template) neighbors(s *Sight, id uint32) (items []*node) {
	for _, n := range t.neighborsWanted {
		for _, at := range n.at(s) {
			section := t.copyOf(n.node, id, s.Name)
			put := func(key, text string) {
				section.set(key, &node{kind: kindText, text: text, line: n.node.line}, n.node.line)
			}
			put("address", at[0].String())
			put("vrf", s.Name)
			put("local-address", at[1].String())
			if s.Device {
				section.set("more", bindTo(s.Name, n.node.line), n.node.line)
			} else {
				put("netns", s.Name)
			}
			item := neighborShape{}.item(section)
			item.adopt(n.node.path)
			items = append(items, item)
		}
	}
	return items
}

// bindTo is what binds a session to a VRF device.
func bindTo(device string, line int) *node {
	more := &node{kind: kindSection, line: line}
	more.setAt("transport.config.bind-interface", &node{kind: kindText, text: device, line: line}, line)
	return more
}

// section is the section of a tenant's VRF, as one that is applied has it.
func (t *template) section(s *Sight, id uint32) *node {
	section := t.copyOf(t.node, id, s.Name)
	for key := range templateKeys {
		if key != "device" || !t.inside {
			section.set(key, nil, 0)
		}
	}
	section.set("neighbors", nil, 0)
	at, key := t.node.get("netns"), "netns"
	if s.Device {
		at, key = t.node.get("device"), "device"
	}
	for _, is := range []string{"name", key} {
		section.set(is, &node{kind: kindText, text: s.Name, line: at.line, path: at.path, templated: true}, at.line)
	}
	return section
}

// copyOf is a part of a template, filled in for a tenant.
func (t *template) copyOf(n *node, id uint32, name string) *node {
	c := &node{kind: n.kind, line: n.line, path: n.path, text: filled(n.text, id, name), form: n.form, templated: true}
	for _, f := range n.fields {
		value := t.copyOf(f.value, id, name)
		if value.kind == kindText && slices.Contains(numericKeys, f.name) && (mentions(f.value, idPlace) || mentions(f.value, namePlace)) && isDecimal(value.text) {
			value.kind = kindWhole
		}
		c.put(f.written, f.line, value)
	}
	for _, item := range n.items {
		c.items = append(c.items, t.copyOf(item, id, name))
	}
	return c
}

// numericKeys are numbers, which a template may write as text with the id in it.
var numericKeys = []string{"vni", "label", "table", "core-table", "med", "metric", "max-routes", "max-prefixes", "peer-as", "local-as"}

func isDecimal(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool { return r < '0' || r > '9' })
}
