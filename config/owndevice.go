package config

import (
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
)

// readOwnDevice finds whether a VRF's device is to be made here: with manage_devices that is said by
// its table.
func readOwnDevice(p *problems, e *entry, manage bool) {
	device, table, interfaces := e.node.get("device"), e.node.get("table"), e.node.get("interfaces")
	switch {
	case device != nil && table != nil && !manage:
		p.at(table, "device and table exclude each other; a device brings its own table, remove one, or write manage_devices = true in [netlink], by which the device is made here with that table")
		e.binding.Table = 0
	case device != nil && table != nil:
		e.makes.Table, e.binding.Table = e.binding.Table, 0
		if strings.Contains(e.binding.Device, "%") {
			p.at(device, "%q is no name with which a device can be made: the kernel puts a number in the place of %%; write another one", e.binding.Device)
		}
	case interfaces == nil:
	case !manage:
		p.at(interfaces, "means nothing without manage_devices = true in [netlink], with device and table here: whoever makes the VRF device puts interfaces into it; write those, or remove the key")
	default:
		p.at(interfaces, "needs the VRF device that they are put into, which is made here; write device = \"NAME\" and table = NUMBER beside it, or remove the key")
	}
	if !e.makes.Made() {
		e.makes = rib.OwnDevice{}
	}
}

// checkOwnDevices refuses devices that are made here with a table that another VRF has, or with an
// interface that cannot be put into them.
func checkOwnDevices(p *problems, entries []*entry) {
	o := owners{p, make(map[rib.Binding]*entry), make(map[rib.Binding]*entry), make(map[rib.Binding]*entry)}
	for _, e := range entries {
		b := e.bound()
		if b.Device != "" {
			o.devices[b.Canonical()] = e
		}
		for _, t := range []rib.Binding{{Netns: b.Netns, Table: b.Table}, {Netns: e.carriage.Through.To.Netns, Table: e.carriage.Through.To.Table}} {
			if t.Table != 0 {
				o.tables[t.Canonical()] = e
			}
		}
	}
	for _, e := range entries {
		if e.makes.Made() {
			o.table(e)
			o.inside(e)
		}
	}
}

// owners are the VRFs that have tables, VRF devices and interfaces.
type owners struct {
	*problems
	tables, devices, interfaces map[rib.Binding]*entry
}

func (o owners) table(e *entry) {
	at := rib.Binding{Netns: e.binding.Netns, Table: e.makes.Table}.Canonical()
	if other := o.tables[at]; other != nil {
		o.at(e.node.get("table"), "%d is the table of VRF %q too, on line %d: the one would have the other's routes; give each its own", e.makes.Table, other.name, other.where().line)
		return
	}
	o.tables[at] = e
}

// inside checks the interfaces of a device.
func (o owners) inside(e *entry) {
	list := e.node.get("interfaces")
	for i, name := range e.makes.Interfaces {
		at := rib.Binding{Netns: e.binding.Netns, Device: name}.Canonical()
		other, device := o.interfaces[at], o.devices[at]
		switch {
		case slices.Contains(e.makes.Interfaces[:i], name):
			o.at(list, "has %q twice; remove one of them", name)
		case device != nil:
			o.at(list, "has %q, which is the VRF device of VRF %q, on line %d: no VRF device can be in another one; take it out", name, device.name, device.where().line)
		case other != nil:
			o.at(list, "has %q, which VRF %q has too, on line %d: an interface is in one VRF; take it out of one of them", name, other.name, other.where().line)
		default:
			o.interfaces[at] = e
		}
	}
}

// noteOwnDevices says where manage_devices makes nothing.
func noteOwnDevices(p *problems, root *node, entries []*entry) {
	manage := root.get("netlink").get("manage-devices")
	if manage != nil && manage.text == "true" && !slices.ContainsFunc(entries, func(e *entry) bool { return e.makes.Made() }) {
		p.note(manage, "makes nothing yet: no VRF has both device and table, unless one is applied over the API")
	}
}
