package config

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"strconv"

	"github.com/vrfredist/vrfredist/rib"
)

// carriageKeys are the keys of a VRF that say how its packets get to other PEs.
var carriageKeys = keys[entry]{
	"encap":        one(encapsulation, func(e *entry) *rib.EncapKind { return &e.carriage.Kind }),
	"vni":          one(whole[uint32](1, rib.MaxVNI, ": a VNI has 24 bits"), func(e *entry) *uint32 { return &e.carriage.VNI }),
	"router-mac":   one(routerMAC, func(e *entry) *rib.MAC { return &e.carriage.Router }),
	"vxlan-device": one(interfaceName, func(e *entry) *string { return &e.carriage.Device }),
	"label": one(whole[uint32](rib.FirstLabel, rib.MaxLabel, ": labels below 16 have a meaning of their own, and a label has 20 bits"),
		func(e *entry) *uint32 { return &e.carriage.Label }),
	"sid":         readSID,
	"core-link":   one(interfaceName, func(e *entry) *string { return &e.link }),
	"core-device": one(interfaceName, func(e *entry) *string { return &e.carriage.Through.To.Device }),
	"core-table":  one(table, func(e *entry) *uint32 { return &e.carriage.Through.To.Table }),
	"trusted":     one(boolean, func(e *entry) *bool { return &e.carriage.SRv6.Trusted }),
}

// usedBySome are the keys that mean something with some encapsulations alone.
var usedBySome = map[string][]rib.EncapKind{
	"vni": {rib.EncapVXLAN}, "router-mac": {rib.EncapVXLAN}, "vxlan-device": {rib.EncapVXLAN},
	"label": {rib.EncapMPLS}, "core-table": {rib.EncapMPLS}, "sid": {rib.EncapSRv6}, "trusted": {rib.EncapSRv6},
	"core-link": {rib.EncapMPLS, rib.EncapSRv6}, "core-device": {rib.EncapMPLS, rib.EncapSRv6},
}

// encapsulations are they by the words of the configuration.
var encapsulations = map[string]rib.EncapKind{"vxlan": rib.EncapVXLAN, "mpls": rib.EncapMPLS, "srv6": rib.EncapSRv6}

// encapWord is an encapsulation as the configuration has it.
func encapWord(kind rib.EncapKind) string {
	for word, k := range encapsulations {
		if k == kind {
			return word
		}
	}
	return ""
}

func encapsulation(n *node) (rib.EncapKind, error) {
	if kind := encapsulations[n.text]; n.kind == kindText && kind != 0 {
		return kind, nil
	}
	return 0, fmt.Errorf(`%s is none of "vxlan", "mpls" and "srv6"; write one of them, or remove the key: then packets go plainly, where the VRF's own table leads to a nexthop`, n.show())
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

// interfaceName reads the name of an interface.
func interfaceName(n *node) (string, error) {
	s, err := text(n)
	if err == nil {
		err = deviceName(s)
	}
	return s, err
}

// carriages reads how the packets of VRFs get to other PEs.
type carriages struct {
	*problems
	core    *core
	netlink *node
	first   map[string]*entry // by what only one VRF can have
	managed bool              // links are made here
	router  string
}

// without refuses what means nothing where a VRF has no encapsulation.
func (r *carriages) without(e *entry) {
	if e.node.get("encap") != nil {
		return // which is wrong
	}
	for _, key := range sortedKeys(usedBySome) {
		if n := e.node.get(key); n != nil {
			r.at(n, `means nothing without an encapsulation; write encap = %q, or remove the key`, encapWord(usedBySome[key][0]))
		}
	}
	e.carriage = rib.Carriage{}
}

// strange refuses the keys of other encapsulations.
func (r *carriages) strange(e *entry) {
	for _, key := range sortedKeys(usedBySome) {
		if n := e.node.get(key); n != nil && !slices.Contains(usedBySome[key], e.carriage.Kind) {
			r.at(n, "means nothing with encap = %q; remove the key", encapWord(e.carriage.Kind))
		}
	}
}

// vxlan has the VNI and what follows from it.
func (r *carriages) vxlan(e *entry) {
	is := &e.carriage
	is.Managed = r.managed
	if e.node.get("vni") == nil {
		r.at(e.node.get("encap"), "needs a VNI, the number of this VRF on the wire, from 1 to %d; write vni = NUMBER", rib.MaxVNI)
	}
	if is.VNI == 0 || !r.only(e, "vni", strconv.FormatUint(uint64(is.VNI), 10), "the VNI") {
		return
	}
	is.Device = cmp.Or(is.Device, "vx"+strconv.FormatUint(uint64(is.VNI), 10))
	if is.Router == (rib.MAC{}) && r.router != "" {
		is.Router = rib.RouterMAC(r.router, e.name)
	}
}

// only refuses that two VRFs have one number or interface.
func (r *carriages) only(e *entry, key, value, what string) bool {
	other := r.first[key+" "+value]
	if other == nil {
		r.first[key+" "+value] = e
		return true
	}
	r.at(cmpNode(e.node.get(key), e.where()), "%s is %s of VRF %q too, on line %d: packets of the one would reach the other; give each its own", value, what, other.name, other.where().line)
	return false
}

// linked refuses a namespace without a veth to the core.
func (r *carriages) linked(e *entry, why string) bool {
	if e.node.get("core-link") == nil {
		r.at(e.node.get("encap"), `needs a veth between the VRF's namespace and the core's, %s; write core_link = "NAME", that of its end in the core`, why)
		return false
	}
	return e.link != "" && r.only(e, "core-link", e.link, "the core_link")
}

// needless refuses keys of how a namespace is joined to the core.
func (r *carriages) needless(e *entry, keys ...string) {
	for _, key := range keys {
		if n := e.node.get(key); n != nil {
			r.at(n, "means nothing for a VRF device, to which the core's packets go directly; remove the key")
		}
	}
}

// readSID reads a SID of a VRF.
func readSID(p *problems, n *node, e *entry) {
	one(func(n *node) (netip.Addr, error) {
		a, err := netip.ParseAddr(n.text)
		if n.kind != kindText || err != nil || a.Zone() != "" || !a.Is6() || a.Is4In6() {
			return a, fmt.Errorf(`%s is no SID; write an IPv6 address, such as "fd00:1:0:1:100::"`, n.show())
		}
		if a.IsUnspecified() || a.IsMulticast() || a.IsLoopback() || a.IsLinkLocalUnicast() {
			return a, errors.New(n.show() + ` cannot be reached by other PEs; write an address of the locator, such as "fd00:1:0:1:100::"`)
		}
		return a, nil
	}, func(e *entry) *netip.Addr { return &e.carriage.SRv6.SID })(p, n, e)
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
