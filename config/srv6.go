package config

import (
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// sid checks the SID of a VRF, or that one can be taken for it.
func (r *carriages) sid(e *entry) {
	is, l, n := &e.carriage.SRv6, r.core.locator, e.node.get("sid")
	if r.netlink.get("srv6").get("locator") == nil {
		r.at(e.node.get("encap"), `needs a locator, the prefix of this router's SIDs; write locator = "fd00:1:0:1::/64" in [netlink.srv6]`)
		return
	}
	if !l.Prefix.IsValid() {
		return // it is wrong
	}
	if !is.SID.IsValid() {
		is.SID = netip.Addr{}
	} else if function, fits := l.Function(is.SID); !fits {
		switch {
		case !l.Prefix.Contains(is.SID):
			r.at(n, "%s is outside of the locator %s of [netlink.srv6]; write one of its addresses, such as %q, or remove the key", is.SID, l.Prefix, l.SID(1))
		case function == 0:
			r.at(n, "%s has no function behind the locator %s; write one, such as %q, or remove the key", is.SID, l.Prefix, l.SID(1))
		default:
			r.at(n, "%s has bits behind its function, which has %d behind the locator %s; write %q, or a larger function_bits", is.SID, l.FunctionBits, l.Prefix, l.SID(function))
		}
	} else {
		r.only(e, "sid", is.SID.String(), "the SID")
	}
	is.Locator, is.BlockBits, is.FunctionBits = l.Prefix, uint8(l.Block.Bits()), l.FunctionBits
	is.Reduced, is.Transpose = r.core.reduced, r.core.transpose
}

// insideSRv6 finds how packets get between a VRF and the core: by a second VRF device, or from a
// namespace that may do as it likes.
func (r *carriages) insideSRv6(e *entry) {
	is, core, b, n := &e.carriage, r.core.Netns, e.bound(), e.node.get("encap")
	if !r.core.Six.IsValid() {
		r.at(n, `needs this router's IPv6 address in the core, which other PEs are told; write source6 = "ADDRESS" in [netlink.core]`)
		return
	}
	device := e.node.get("core-device")
	switch {
	case b.Device == "" && rib.SameNetns(b.Netns, core):
		r.at(n, "needs a table of its own, and the main table of %s is the core's; bind the VRF by a VRF device there", rib.NetnsText(core))
	case b.Device == "" && !is.SRv6.Trusted:
		r.at(n, "cannot be had for netns %s without trust: its own table would encapsulate, and a host of the tenant could send to any SID, of other VRFs too; bind the VRF by a VRF device in the core's namespace, which keeps it from that, or write trusted = true where the tenant may", b.Netns)
	case b.Device == "":
		if device != nil {
			r.at(device, "means nothing for a trusted namespace, whose own table encapsulates; remove the key")
		}
		if r.linked(e, "which encapsulated packets go by") {
			is.SRv6.Link = e.link
		}
	case !rib.SameNetns(b.Netns, core):
		r.at(n, "needs its VRF device in the core's namespace (%s), where alone SIDs lead to it, and %s is in %s; bind the VRF there, or by netns alone with core_link and trusted = true",
			rib.NetnsText(core), b.Device, rib.NetnsText(b.Netns))
	default:
		r.second(e)
		r.needless(e, "core-link")
		if is.SRv6.Trusted {
			r.at(e.node.get("trusted"), "means nothing for a VRF device, from which no SID is reached; remove the key")
		}
	}
}

// second is the VRF device that encapsulates for a VRF: so no host of the tenant reaches a SID.
func (r *carriages) second(e *entry) {
	is := &e.carriage
	to := &is.Through.To
	if to.Device == "" {
		to.Device = "sr-" + e.name
		if err := deviceName(to.Device); err != nil {
			r.at(e.node.get("encap"), "needs a second VRF device, and %q cannot be the name of one; write core_device = \"NAME\", of at most 15 characters", to.Device)
			return
		}
	}
	to.Netns = r.core.Netns
	is.Through.Device, is.Managed = to.Device, r.managed
}
