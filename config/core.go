package config

import (
	"cmp"
	"fmt"
	"math"
	"net/netip"
	"strconv"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// core is [netlink.core] and [netlink.vxlan] as they are written: the network between PEs.
type core struct {
	rib.Core
	interfaces []string
	source     netip.Addr
	source6    netip.Addr
}

var coreKeys = keys[core]{
	"netns":      one(namespace, func(c *core) *string { return &c.Netns }),
	"interfaces": many(glob, func(c *core) *[]string { return &c.interfaces }),
	"source":     one(vtep(true), func(c *core) *netip.Addr { return &c.source }),
	"source6":    one(vtep(false), func(c *core) *netip.Addr { return &c.source6 }),
}

var vxlanKeys = keys[core]{
	"port": one(whole[uint16](1, math.MaxUint16, ""), func(c *core) *uint16 { return &c.Port }),
}

// carriageKeys are the keys of a VRF that say how its packets get to other PEs.
var carriageKeys = keys[entry]{
	"encap":        one(encapsulation, func(e *entry) *rib.EncapKind { return &e.carriage.Kind }),
	"vni":          one(whole[uint32](1, rib.MaxVNI, ": a VNI has 24 bits"), func(e *entry) *uint32 { return &e.carriage.VNI }),
	"router-mac":   one(routerMAC, func(e *entry) *rib.MAC { return &e.carriage.Router }),
	"vxlan-device": one(vxlanDevice, func(e *entry) *string { return &e.carriage.Device }),
}

// vxlanPort is the port of RFC 7348.
const vxlanPort = 4789

// vtep reads an address of this router in the core.
func vtep(four bool) func(*node) (netip.Addr, error) {
	return func(n *node) (netip.Addr, error) {
		example, family := "10.255.0.1", "an IPv4 address"
		if !four {
			example, family = "fd00:255::1", "an IPv6 address"
		}
		a, err := netip.ParseAddr(n.text)
		switch {
		case n.kind != kindText || err != nil || a.Zone() != "" || a.Is4() != four || a.Is4In6():
			return a, fmt.Errorf("%s is not %s; write one of this router in the core, such as %q", n.show(), family, example)
		case a.IsUnspecified(), a.IsMulticast(), a.IsLoopback(), a.IsLinkLocalUnicast():
			return a, fmt.Errorf("%s cannot be reached by other PEs; write an address of this router in the core, such as %q", n.show(), example)
		}
		return a, nil
	}
}

func encapsulation(n *node) (rib.EncapKind, error) {
	if n.kind == kindText && n.text == "vxlan" {
		return rib.EncapVXLAN, nil
	}
	return 0, fmt.Errorf(`%s is not "vxlan"; write that, or remove the key: then packets go plainly, where the VRF's own table leads to a nexthop`, n.show())
}

func routerMAC(n *node) (rib.MAC, error) {
	s, err := text(n)
	if err != nil {
		return rib.MAC{}, err
	}
	m, err := rib.ParseMAC(s)
	if err == nil && !m.Unicast() {
		err = fmt.Errorf("%q is the address of no single interface; write one of which the first byte is even, or remove the key", s)
	}
	return m, err
}

func vxlanDevice(n *node) (string, error) {
	s, err := text(n)
	if err == nil {
		err = deviceName(s)
	}
	return s, err
}

func coreSchema() schema  { return coreKeys.schema(nil) }
func vxlanSchema() schema { return vxlanKeys.schema(nil) }

// readCore reads the core, and gives the entries with an encapsulation what it says.
func readCore(p *problems, root *node, s *settings, entries []*entry) {
	n := root.get("netlink")
	c := core{Core: rib.Core{Port: vxlanPort}}
	read(p, n.get("core"), coreKeys, &c)
	read(p, n.get("vxlan"), vxlanKeys, &c)
	if c.VTEP = c.source; !c.source.IsValid() {
		c.VTEP = c.source6
	}
	if c.VTEP.IsValid() {
		s.core = c
	}
	router := root.get("global").get("config").get("router-id")
	first := make(map[uint32]*entry) // by VNI
	for _, e := range entries {
		if e.carriage.Kind == 0 {
			withoutEncap(p, e)
			continue
		}
		e.carriage.Core = c.Core
		e.carriage.Managed = s.manageLinks
		checkCarriage(p, e, present(n.get("core")))
		if e.carriage.VNI == 0 {
			continue
		}
		if other := first[e.carriage.VNI]; other != nil {
			p.at(e.node.get("vni"), "%d is the VNI of VRF %q too, on line %d: packets of the one would reach the other; give each its own", e.carriage.VNI, other.name, other.where().line)
			continue
		}
		first[e.carriage.VNI] = e
		e.carriage.Device = cmp.Or(e.carriage.Device, "vx"+strconv.FormatUint(uint64(e.carriage.VNI), 10))
		if e.carriage.Router == (rib.MAC{}) && router != nil {
			e.carriage.Router = rib.RouterMAC(router.text, e.name)
		}
	}
}

// withoutEncap refuses what means nothing where a VRF has no encapsulation.
func withoutEncap(p *problems, e *entry) {
	for _, key := range []string{"vni", "router-mac", "vxlan-device"} {
		if n := e.node.get(key); n != nil && e.node.get("encap") == nil {
			p.at(n, `means nothing without an encapsulation; write encap = "vxlan", or remove the key`)
		}
	}
}

// checkCarriage refuses an encapsulation that cannot be had.
func checkCarriage(p *problems, e *entry, core bool) {
	n := e.node.get("encap")
	switch {
	case e.name == vrf.Default:
		p.at(n, "means nothing for default, whose routes are no VRF's; give a VRF of [[vrfs]] the encapsulation")
	case e.of != "":
		p.at(n, "means nothing for a secondary table; give it to VRF %q, whose routes these are", e.of)
	case e.binding.Table != 0:
		p.at(n, "needs a namespace or a VRF device: what comes in by a VXLAN device is looked up where the device is, and not in table %d; bind the VRF by netns or device", e.binding.Table)
	case !core:
		p.at(n, `needs a core; write [netlink.core] with source = "ADDRESS", this router's address there, which other PEs send to`)
	case !e.carriage.Core.VTEP.IsValid():
		p.at(n, `needs this router's address in the core, which other PEs send to; write source = "ADDRESS", or source6, in [netlink.core]`)
	}
	if e.node.get("vni") == nil {
		p.at(n, "needs a VNI, the number of this VRF on the wire, from 1 to %d; write vni = NUMBER", rib.MaxVNI)
	}
}

// readCustomers are the VRFs that have neighbours of their own.
func readCustomers(root *node) map[string]bool {
	in := make(map[string]bool)
	for _, list := range []string{"neighbors", "peer-groups"} {
		for _, item := range sections(root.get(list)) {
			if n := item.get("config").get("vrf"); n != nil {
				in[n.text] = true
			}
		}
	}
	return in
}
