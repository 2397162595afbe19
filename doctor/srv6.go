package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// srv6 finds what keeps SIDs of VRFs from working.
func srv6(f Facts, core Space) (all []Finding) {
	specs := f.carriedSpecs(rib.EncapSRv6)
	if len(specs) == 0 {
		return nil
	}
	netns := f.Carriage.Core.Netns
	all = append(all, segmentsOff(netns, core, func(k rib.Link) bool { return toPEs(&f, k) })...)
	if core.Settings["ipv6/conf/all/forwarding"] == "0" {
		all = append(all, Finding{
			Level: Broken, Check: "srv6-forwarding",
			What: fmt.Sprintf("IPv6 is not forwarded %s (net.ipv6.conf.all.forwarding=0).", in(netns)),
			Why:  "Packets of VRFs with SRv6 go through the core in IPv6, and what comes out of it is forwarded there. Forwarding ends the taking of router advertisements, unless accept_ra is 2.",
			Mend: set(netns, "net.ipv6.conf.all.forwarding=1"),
		})
	}
	if is := f.Carriage.Features.Reduced; is == rib.No && slices.ContainsFunc(specs, func(s vrf.Spec) bool { return s.Carriage.SRv6.Reduced }) {
		all = append(all, Finding{
			Level: Broken, Check: "srv6-reduced",
			What: "This kernel does not send packets without a segment routing header; remove reduced = true from [netlink.srv6], or run Linux 6.1 or a newer one.",
			Why:  "It refuses the routes to other PEs.", Mend: edit(f.File, "reduced", "false"),
		})
	}
	for _, s := range specs {
		if space, known := f.Spaces[s.Binding.Netns]; s.Carriage.SRv6.Link != "" && known && space.Err == nil {
			link, _ := core.Links.ByName(s.Carriage.SRv6.Link)
			mine := space.Links[link.Peer]
			all = append(all, segmentsOff(s.Binding.Netns, space, func(k rib.Link) bool { return k.Name != "" && k.Name == mine.Name })...)
			all = append(all, noSource(s, space)...)
		}
		all = append(all, secondDevice(f, s, core)...)
	}
	return all
}

// onDevice tells whether one of some VRFs is a VRF device.
func onDevice(specs []vrf.Spec) bool {
	return slices.ContainsFunc(specs, func(s vrf.Spec) bool { return s.Binding.Device != "" })
}

// segmentsOff finds interfaces from which the kernel takes no packets with a segment routing header
// that are for its own addresses: of conf.all and the interface the lower value counts
// (ipv6_srh_rcv in net/ipv6/exthdrs.c). A SID's route takes packets whatever that says
// (net/ipv6/seg6_local.c), as was seen on 6.1.
func segmentsOff(netns string, space Space, counts func(rib.Link) bool) []Finding {
	var off []string
	for _, k := range sortedLinks(space.Links) {
		if !k.Loopback && counts(k) && space.Settings["ipv6/conf/"+k.Name+"/seg6_enabled"] == "0" {
			off = append(off, k.Name)
		}
	}
	every := space.Settings["ipv6/conf/all/seg6_enabled"] == "0"
	if len(off) == 0 && !every {
		return nil
	}
	subject, words := "all", []string{"net.ipv6.conf.all.seg6_enabled=1"}
	if len(off) > 0 {
		subject = some(off)
	}
	for _, name := range off {
		words = append(words, "net/ipv6/conf/"+name+"/seg6_enabled=1")
	}
	return []Finding{{
		Level: Advice, Check: "srv6-enabled", Subject: subject,
		What: fmt.Sprintf("The kernel drops packets with a segment routing header for its own addresses from %s %s (seg6_enabled=0).", subject, in(netns)),
		Why:  "Packets for the SIDs of VRFs come in all the same. Where a path through the core goes by this router's addresses, they do not; it has to be on for conf.all and for the interface.",
		Mend: set(netns, words...),
	}}
}

// noSource finds a trusted VRF whose packets have a link-local source outside: where nobody says which,
// the kernel takes an address of the namespace (set_tun_src in net/ipv6/seg6_iptunnel.c), and no router
// forwards packets from a link-local one (RFC 4291, 2.5.6; ip6_forward in net/ipv6/ip6_output.c), as was
// seen on 6.18.
func noSource(s vrf.Spec, space Space) []Finding {
	global := func(k rib.Link) bool {
		return slices.ContainsFunc(k.Addrs, func(p netip.Prefix) bool { return p.Addr().Is6() && p.Addr().IsGlobalUnicast() })
	}
	if !space.TunnelSource.IsValid() || !space.TunnelSource.IsUnspecified() || anyLink(space.Links, global) {
		return nil
	}
	return []Finding{{
		Level: Broken, Check: "srv6-source", Subject: s.Name,
		What: fmt.Sprintf("VRF %q puts packets into SRv6 %s, where there is no global IPv6 address that these could be from.", s.Name, in(s.Binding.Netns)),
		Why:  "The kernel sends them from a link-local address, and the core forwards none of those. Any global address will do, such as this router's in the core: nobody answers to it but with errors.",
		Mend: ipIn(s.Binding.Netns, "sr tunsrc set "+s.Carriage.Core.Six.String()),
	}}
}

// secondDevice is about the VRF device that encapsulates for a VRF. That it is not there is found
// with other VRF devices.
func secondDevice(f Facts, s vrf.Spec, core Space) []Finding {
	is := &s.Carriage
	k, there := core.Links.ByName(is.Through.Device)
	if is.Through.Device == "" {
		return nil
	}
	if !there {
		if is.Managed && f.Running {
			return nil // the daemon makes it, and says what keeps it from that
		}
		return []Finding{{
			Level: Broken, Check: "srv6-device", Subject: s.Name,
			What: fmt.Sprintf("The VRF device %s is not there %s, by which VRF %q sends to other PEs.", is.Through.Device, in(is.Core.Netns), s.Name),
			Why:  "Nothing of the VRF gets to other PEs. With manage_links = true in [netlink] the daemon makes it.",
			Mend: secondMade(&f, is, core),
		}}
	}
	if most := f.mostInside(core, is.SRv6.Overhead()); most > 0 && k.MTU > most {
		return []Finding{{
			Level: Broken, Check: "srv6-mtu", Subject: s.Name,
			What: fmt.Sprintf("The VRF device %s %s, of VRF %q, has the MTU %d, and the core carries %d inside of SRv6.", k.Name, in(is.Core.Netns), s.Name, k.MTU, most),
			Why:  "Larger packets are lost without a word to the sender.",
			Mend: ipIn(is.Core.Netns, fmt.Sprintf("link set %s mtu %d", quote(k.Name), most)),
		}}
	}
	return nil
}

// secondMade makes a second VRF device, of which the table ends. Of a device that somebody deleted the
// end of its table may have stayed.
func secondMade(f *Facts, is *rib.Carriage, core Space) string {
	netns, table := is.Core.Netns, f.tables.free(core)
	commands := []string{newDevice(netns, is.Through.Device, table)}
	if most := f.mostInside(core, is.SRv6.Overhead()); most > 0 {
		commands = append(commands, ipIn(netns, fmt.Sprintf("link set %s mtu %d", quote(is.Through.Device), most)))
	}
	for _, family := range []string{"", "-6 "} {
		commands = append(commands, ipIn(netns, fmt.Sprintf("%sroute replace table %d unreachable default metric %d", family, table, guardMetric)))
	}
	return all(commands...)
}
