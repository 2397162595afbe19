package config

import (
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// entry is one VRF of [netlink]: an item of the long form, or what the short
// form says of it.
type entry struct {
	node    *node // of its section
	name    string
	long    bool   // from [[netlink.vrfs]]
	of      string // the VRF whose routes these are, where it is not name: vrf.Spec.VRF
	binding rib.Binding
	makes   rib.OwnDevice // the device of binding, where that is to be made here
	imp     rib.ImportPolicy
	exp     rib.ExportPolicy
	uses    []use // of policies
	send    rib.Judge

	maxPrefixes uint32
	originates  origination
	carriage    rib.Carriage
	link        string // the core's end of a veth to the VRF's namespace

	importAt, exportAt *node // the sections that say imp and exp; nil: none does
}

// where is the key that names the VRF, or the section where none does.
func (e *entry) where() *node {
	for _, key := range []string{"name", "vrf"} {
		if n := e.node.get(key); n != nil {
			return n
		}
	}
	return e.node
}

// bound is where a VRF is bound, said or not.
func (e *entry) bound() rib.Binding {
	if e.binding == (rib.Binding{}) {
		return ownBinding(e.name)
	}
	return e.binding
}

// ownBinding is the binding of a VRF for which the file has none.
func ownBinding(name string) rib.Binding {
	if name == vrf.Default {
		return rib.Binding{}
	}
	return rib.Binding{Device: name}
}

// describe renders the table of a binding for a message.
func describe(b rib.Binding) string {
	if b.Device == "" && b.Table == 0 && b.Netns != "" {
		return "main of " + b.String()
	}
	return b.String()
}

// checkFurther refuses that the table that encapsulates for a VRF is that of another.
func checkFurther(p *problems, entries []*entry, tables map[rib.Binding]*entry) {
	for _, e := range entries {
		to := e.carriage.Through.To
		if to == (rib.Binding{}) {
			continue
		}
		other := tables[to.Canonical()]
		if other == nil {
			tables[to.Canonical()] = e
			continue
		}
		n := e.node.get("encap")
		for _, key := range []string{"core-device", "core-table"} {
			n = cmpNode(e.node.get(key), n)
		}
		p.at(n, "%s, which encapsulates packets of VRF %q, is the table of VRF %q, on line %d, already; give each its own, by core_device or core_table", describe(to), e.name, other.name, other.where().line)
	}
}
