package nexthop

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// Exit is where packets leave a VRF's own table for other PEs. The zero one: by the core's own
// interfaces, with the encapsulation, which is in the same namespace then.
type Exit struct {
	// Device is the VXLAN device, the second VRF device of SRv6, or the VRF's end of the link to the
	// core.
	Device rib.Link
	Link   rib.CoreLink // the zero one: there is none
}

// coreLink is the core's end of the link between a VRF's namespace and the core's; "": the VRF needs
// none.
func coreLink(c *rib.Carriage) string { return cmp.Or(c.Through.Link, c.SRv6.Link) }

// ExitOf is where the packets of a VRF leave its own table, which is in the namespace that its
// Binding calls netns, or why they cannot. The core may be nil.
func ExitOf(v rib.View, netns string, c *rib.Carriage, core Core) (Exit, *BadDevice) {
	switch {
	case c.Kind == rib.EncapVXLAN:
		link, bad := VXLANDevice(v, c, core)
		return Exit{Device: link}, bad
	case coreLink(c) != "":
		return byCoreLink(v, coreLink(c), core)
	case !rib.SameNetns(netns, c.Core.Netns):
		return Exit{}, &BadDevice{
			Why:      fmt.Sprintf("its table is not in the core's namespace (%s), and no link leads there; write core_link = \"LINK\", the core's end of a veth between the two", rib.NetnsText(c.Core.Netns)),
			Confined: "no link leads from this VRF to the core",
		}
	case c.Through.Device != "":
		link, bad := secondDevice(v, c)
		return Exit{Device: link}, bad
	}
	return Exit{}, nil
}

// byCoreLink is the VRF's end of a link that the core calls name.
func byCoreLink(v rib.View, name string, core Core) (Exit, *BadDevice) {
	bad := func(format string, args ...any) (Exit, *BadDevice) {
		return Exit{}, &BadDevice{Why: fmt.Sprintf(format, args...), Confined: "the link to the core cannot be used"}
	}
	if core == nil {
		return bad("there is no core")
	}
	to, err := core.Link(name)
	if err != nil {
		return bad("%s", err)
	}
	// An index is a namespace's own: of the right link each end names the other (IFLA_LINK).
	mine, is := v.Links[to.Ifindex]
	switch {
	case !is || mine.Peer != to.Index:
		return bad("the other end of %s in the core is not in this VRF's namespace; write the core's end of a veth to it as core_link", name)
	case !v.Member(mine):
		return bad("%s, the other end of %s in the core, does not belong to this VRF", mine.Name, name)
	case !mine.Admin:
		return bad("%s, the other end of %s in the core, is down", mine.Name, name)
	}
	return Exit{Device: mine, Link: to}, nil
}

// secondDevice is the VRF device whose table encapsulates for a VRF with SRv6.
func secondDevice(v rib.View, c *rib.Carriage) (rib.Link, *BadDevice) {
	link, is := v.Links.ByName(c.Through.Device)
	bad := func(what string) (rib.Link, *BadDevice) {
		return link, &BadDevice{Why: "the device " + c.Through.Device + " " + what}
	}
	switch {
	case !is:
		return link, noDevice(c.Through.Device, c.Managed)
	case link.VRFTable == 0:
		return bad("is no VRF device, and SRv6 needs one beside the VRF's own")
	case link.Index == v.Where.Device:
		return bad("is the VRF's own, and SRv6 needs another one beside it")
	case !link.Admin:
		return bad("is down")
	}
	return link, nil
}

// hop is the way out by a device for routes of a family.
func (e *Exit) hop(ipv6 bool) (rib.Hop, error) {
	hop := rib.Hop{Ifindex: e.Device.Index, Weight: 1}
	if e.Link == (rib.CoreLink{}) {
		return hop, nil
	}
	if hop.Gateway = e.Link.Gateway; ipv6 || !hop.Gateway.IsValid() { // one of IPv6 serves IPv4 too (RFC 8950)
		hop.Gateway = e.Link.Gateway6
	}
	if !hop.Gateway.IsValid() {
		return hop, errors.New("the core's end of the link to this VRF has no link-local address, by which IPv6 goes; give it one")
	}
	hop.OnLink = hop.Gateway.Is4() // whatever subnet the VRF's end has
	return hop, nil
}

// InsideOf is where packets from the core are delivered to a VRF, or why they cannot be: by its VXLAN
// device, of which nothing is said; to its VRF device in the core's namespace; or by the link there.
func InsideOf(v rib.View, netns string, c *rib.Carriage, core Core) (rib.Inside, *BadDevice) {
	if c.Kind == rib.EncapVXLAN || coreLink(c) != "" {
		exit, bad := ExitOf(v, netns, c, core)
		if bad != nil || c.Kind == rib.EncapVXLAN {
			return rib.Inside{}, bad
		}
		in := v.Links.Inside(exit.Device.Index)
		if !in.Via.IsValid() && !in.Via6.IsValid() {
			bad = &BadDevice{Why: fmt.Sprintf("%s, by which packets of other PEs come in, has no address; give it one of IPv4, or a link-local one", exit.Device.Name)}
		}
		return in, bad
	}
	// Whatever becomes of the second device of SRv6: that is for packets to the core.
	switch device, is := v.Links[v.Where.Device]; {
	case !is:
		return rib.Inside{}, &BadDevice{Why: "the VRF has no VRF device, to which other PEs' packets could be delivered"}
	case !device.Admin:
		return rib.Inside{}, &BadDevice{Why: "the device " + device.Name + " is down"}
	}
	return rib.Inside{Device: v.Where.Device, Table: v.Where.Table}, nil
}

// mapped is an IPv4 address as the gateway of an IPv6 route, which the kernel takes of one that
// encapsulates by MPLS, and resolves by ARP (mpls_output in net/mpls/mpls_iptunnel.c; RFC 4659, 2).
func mapped(a netip.Addr) netip.Addr { return netip.AddrFrom16(a.As16()) }
