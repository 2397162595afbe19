package config

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"

	"github.com/vrfredist/vrfredist/vrf"
)

// TenantSection is a VRF or a neighbour of a file of tenants.
type TenantSection struct {
	Key vrf.LayerKey
	VRF string // of a neighbour: that of its session
	// Section is as vrf.ApplyRequest has it.
	Section []byte
	Line    int
}

// ReadTenants reads a file of tenants, which has the syntax of a configuration, and of its sections
// vrfs, neighbors, netlink.vrfs and netlink.policies alone. Policies are called after the VRF whose
// they are. What the keys mean is not judged here. The error is an *Errors.
func ReadTenants(path string) ([]TenantSection, error) {
	data, _, err := readFile(path, mostConfig)
	if err != nil {
		return nil, &Errors{{File: path, Message: fmt.Sprintf("cannot be read: %v", err)}}
	}
	p := &problems{file: path}
	root := readTree(p, path, data)
	if root == nil {
		return nil, p.err()
	}
	root.label("")
	for _, f := range root.fields {
		if !slices.Contains([]string{"vrfs", "neighbors", "netlink"}, f.name) {
			p.at(f.value, "is the daemon's, and not a tenant's; a file of tenants has vrfs, neighbors, netlink.vrfs and netlink.policies, write this in the daemon's file")
		}
	}
	netlink := cmpNode(root.get("netlink"), &node{})
	for _, f := range netlink.fields {
		if f.name != "vrfs" && f.name != "policies" {
			p.at(f.value, "is the daemon's, and not a tenant's; of netlink a file of tenants has vrfs and policies, write this in the daemon's file")
		}
	}
	list := tenantSections(p, root)
	if err := p.err(); err != nil {
		return nil, err
	}
	return list, nil
}

func tenantSections(p *problems, root *node) (list []TenantSection) {
	names := make(map[string]bool)
	for _, item := range listAt(root, "vrfs") {
		n := item.get("config").get("name")
		if n == nil || n.kind != kindText || n.text == "" {
			p.add(item.line, join(item.path, "config.name"), "is missing; name the VRF")
			continue
		}
		names[n.text] = true
	}
	for _, item := range listAt(root, "netlink", "vrfs") {
		switch n := item.get("name"); {
		case n == nil || n.kind != kindText:
			p.add(item.line, join(item.path, "name"), "is missing; name a VRF of [[vrfs]], or \"default\"")
		case n.text == vrf.Default:
			names[n.text] = true
		case !names[n.text]:
			p.at(n, "there is no VRF %q in this file; add it under [[vrfs]]", n.text)
		}
	}
	for _, item := range listAt(root, "netlink", "policies") {
		if n := item.get("name"); n == nil || !slices.ContainsFunc(slices.Sorted(maps.Keys(names)), func(name string) bool { return isPolicyOf(item, name) }) {
			p.at(cmpNode(n, item), "is called after no VRF of this file; a tenant's policies are its own: write its name, a slash, and what it is called")
		}
	}
	for _, name := range slices.Sorted(maps.Keys(names)) {
		section := tenantShape{}.join(root, name)
		list = append(list, TenantSection{Key: vrf.LayerKey{Name: name}, VRF: name, Section: jsonOf(section), Line: section.line})
	}
	for _, item := range listAt(root, "neighbors") {
		config := item.get("config")
		address := config.get("neighbor-address")
		if address == nil || address.kind != kindText {
			p.add(item.line, join(item.path, "config.neighbor-address"), "is missing; write the neighbour's address")
			continue
		}
		of := TenantSection{VRF: vrf.Default, Line: item.line}
		netns := ""
		if n := config.get("netns"); n != nil {
			netns = n.text
		}
		if n := config.get("vrf"); n != nil {
			of.VRF = n.text
		}
		of.Key = vrf.NeighborKey(address.text, netns)
		of.Section = jsonOf(neighborShape{}.join(root, of.Key.Name))
		list = append(list, of)
	}
	return list
}

// jsonOf is a section as JSON, with keys in snake_case but for GoBGP's own under more.
func jsonOf(n *node) []byte {
	m := n.snaked()
	if more := n.get("more"); more != nil {
		m["more"] = more.plain()
	}
	data, _ := json.Marshal(m) // what came of a file goes into it
	return data
}
