package doctor

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// labelsInside is what MPLS puts before a packet: the VRF's label, and one that leads to the PE.
const labelsInside = 2 * 4

// overheadOf is how many bytes an encapsulation puts around a packet.
func overheadOf(is *rib.Carriage) uint32 {
	if is.Kind == rib.EncapSRv6 {
		return is.SRv6.Overhead()
	}
	return labelsInside
}

// coreLinks finds what is wrong with the veths between namespaces of VRFs and the core.
func coreLinks(f Facts, core Space) (list []Finding) {
	for _, s := range f.carriedSpecs(0) {
		is := &s.Carriage
		name := is.Through.Link + is.SRv6.Link
		if name == "" {
			continue
		}
		space, known := f.Spaces[s.Binding.Netns]
		if !known || space.Err != nil {
			continue // which is found elsewhere
		}
		l := coreLink{facts: f, spec: s, is: is, name: name, core: core, space: space}
		list = append(list, l.judge()...)
	}
	return list
}

// coreLink is a veth between a VRF's namespace and the core's, with what is known around it.
type coreLink struct {
	facts       Facts
	spec        vrf.Spec
	is          *rib.Carriage
	name        string
	core, space Space
	here, there rib.Link // the core's end, and the VRF's
}

func (l *coreLink) finding(check, what, why, mend string) Finding {
	return Finding{
		Level: Broken, Check: check, Subject: l.spec.Name,
		What: fmt.Sprintf("%s %s, the core_link of VRF %q, %s.", l.name, in(l.is.Core.Netns), l.spec.Name, what), Why: why, Mend: mend,
	}
}

const noLink = "Nothing of the VRF gets to other PEs, or comes from them."

func (l *coreLink) judge() (list []Finding) {
	broken := func(what, mend string) []Finding {
		return []Finding{l.finding("core-link", what, noLink, mend)}
	}
	here, is := l.core.Links.ByName(l.name)
	if !is {
		return broken("is not there", l.made())
	}
	l.here, l.there = here, l.space.Links[here.Peer]
	if here.Peer == 0 || l.there.Name == "" || l.there.Peer != here.Index {
		return broken(fmt.Sprintf("is no veth whose other end is %s; name one that is", in(l.spec.Binding.Netns)), "")
	}
	var mend []string
	device := l.is.Through.To.Device
	if master := l.core.Links[here.Master]; device != "" && master.Name != device {
		list = append(list, l.finding("core-link", "does not belong to the VRF device "+device,
			"What the VRF sends to other PEs is looked up in another table than the one that leads there.", ipIn(l.is.Core.Netns, "link set "+quote(l.name)+" master "+quote(device))))
	}
	if !here.Admin {
		mend = append(mend, ipIn(l.is.Core.Netns, "link set "+quote(l.name)+" up"))
	}
	if !l.there.Admin {
		mend = append(mend, ipIn(l.spec.Binding.Netns, "link set "+quote(l.there.Name)+" up"))
	}
	if len(mend) > 0 {
		list = append(list, l.finding("core-link", "or its other end is down", noLink, all(mend...)))
	}
	list = append(list, l.addresses()...)
	return append(list, append(l.filter(), l.mtu()...)...)
}

// made makes the link.
func (l *coreLink) made() string {
	netns := l.is.Core.Netns
	to := "$$" // the shell's own
	if l.spec.Binding.Netns != "" {
		to = quote(l.spec.Binding.Netns)
	}
	const inner = "core"
	commands := []string{ipIn(netns, fmt.Sprintf("link add %s type veth peer name %s netns %s", quote(l.name), inner, to))}
	if device := l.is.Through.To.Device; device != "" {
		commands = append(commands, ipIn(netns, "link set "+quote(l.name)+" master "+quote(device)))
	}
	return all(append(commands,
		ipIn(netns, fmt.Sprintf("addr add 169.254.0.1/30 dev %s", quote(l.name))), ipIn(l.spec.Binding.Netns, "addr add 169.254.0.2/30 dev "+inner),
		ipIn(netns, fmt.Sprintf("link set %s up", quote(l.name))), ipIn(l.spec.Binding.Netns, "link set "+inner+" up"))...)
}

// addresses finds ends without the address by which the other one sends there. To the core's end a VRF
// sends by a link-local one, of IPv4 too (RFC 8950), or IPv4 alone by one of IPv4; to the VRF's end
// labels lead by either, and SIDs by a link-local one.
func (l *coreLink) addresses() (list []Finding) {
	labels := l.is.Kind == rib.EncapMPLS
	for i, end := range []rib.Link{l.here, l.there} {
		netns := []string{l.is.Core.Netns, l.spec.Binding.Netns}[i]
		has4, local := ofLink(end)
		what, lost := "link-local address", "IPv6 packets do"
		switch {
		case local, has4 && labels && i == 1:
			continue
		case !has4 && labels:
			what, lost = "address", "Packets of the VRF, or for it, do"
		}
		list = append(list, l.finding("core-link-address", fmt.Sprintf("has no %s on %s %s", what, end.Name, in(netns)), lost+" not get over it.",
			ipIn(netns, fmt.Sprintf("addr add fe80::%d/64 dev %s nodad", i+1, quote(end.Name)))))
	}
	return list
}

// ofLink tells whether an end of a link has an IPv4 address, and a link-local one.
func ofLink(k rib.Link) (has4, local bool) {
	for _, p := range k.Addrs {
		has4 = has4 || p.Addr().Is4()
		local = local || p.Addr().Is6() && p.Addr().IsLinkLocalUnicast()
	}
	return has4, local
}

// filter finds a reverse path filter on the core's end: the table there leads to other PEs, and
// has no way back to the tenant.
func (l *coreLink) filter() []Finding {
	if l.is.Kind != rib.EncapMPLS || !filtered(l.core, l.name) {
		return nil
	}
	return []Finding{l.finding("core-link-rp-filter", "drops IPv4 packets of the VRF (rp_filter)",
		"The table that they are looked up in leads to other PEs alone, and not back to the VRF. Of conf.all and the interface the higher value counts.",
		set(l.is.Core.Netns, "net/ipv4/conf/all/rp_filter=0", "net/ipv4/conf/"+l.name+"/rp_filter=0"))}
}

// filtered tells whether the kernel looks at where packets from an interface come from.
func filtered(s Space, name string) bool {
	is := func(v string) bool { return v != "" && v != "0" }
	return is(s.Settings["ipv4/conf/all/rp_filter"]) || is(s.Settings["ipv4/conf/"+name+"/rp_filter"])
}

// mtu finds a link that takes larger packets than the core: nobody in the core can tell the sender.
func (l *coreLink) mtu() []Finding {
	overhead := overheadOf(l.is)
	if l.is.SRv6.Link != "" {
		overhead = 0 // the VRF encapsulates before the link, and takes it off by itself
	}
	most := l.facts.mostInside(l.core, overhead)
	if most == 0 || l.there.MTU <= most {
		return nil
	}
	return []Finding{l.finding("core-mtu", fmt.Sprintf("takes packets of %d bytes from the VRF, and the core carries %d of them", l.there.MTU, most),
		"Larger ones are lost without a word to the sender, in both families: the core has no route back to it. With that MTU at the VRF's end its own router says so.",
		all(ipIn(l.spec.Binding.Netns, fmt.Sprintf("link set %s mtu %d", quote(l.there.Name), most)), ipIn(l.is.Core.Netns, fmt.Sprintf("link set %s mtu %d", quote(l.name), most))))}
}

// devicesInCore finds what is wrong with VRF devices that labels and SIDs lead to.
func devicesInCore(f Facts, core Space) (list []Finding) {
	for _, s := range f.carriedSpecs(0) {
		is, name := &s.Carriage, s.Binding.Device
		k, there := core.Links.ByName(name)
		if is.Kind == rib.EncapVXLAN || name == "" || !there {
			continue
		}
		has4 := slices.ContainsFunc(k.Addrs, func(p netip.Prefix) bool { return p.Addr().Is4() })
		// What a label leads to the kernel sends out by the VRF device, as if it were its own, and looks at
		// no filter (vrf_xmit in drivers/net/vrf.c), as was seen on 6.1, 6.12 and 7; a SID has it come in.
		if is.Kind == rib.EncapSRv6 && filtered(core, name) && !has4 {
			list = append(list, Finding{
				Level: Risk, Check: "carried-rp-filter", Subject: s.Name,
				What: fmt.Sprintf("The VRF device %s %s, of VRF %q, drops what other PEs send from where no route leads back by it (rp_filter).", name, in(is.Core.Netns), s.Name),
				Why:  "It has no IPv4 address, so that the kernel filters strictly also with rp_filter=2. Of conf.all and the device the higher value counts.",
				Mend: set(is.Core.Netns, "net/ipv4/conf/all/rp_filter=0", "net/ipv4/conf/"+name+"/rp_filter=0"),
			})
		}
		list = append(list, tenantMTU(f, s, core)...)
	}
	return list
}

// tenantMTU finds interfaces of a VRF that let larger packets of IPv6 in than the core carries: the
// kernel looks up the way back of "packet too big" in the main table, where the tenant is unknown.
func tenantMTU(f Facts, s vrf.Spec, core Space) []Finding {
	most := f.mostInside(core, overheadOf(&s.Carriage))
	var large, mend []string
	for _, k := range sortedLinks(core.Links) {
		six := slices.ContainsFunc(k.Addrs, func(p netip.Prefix) bool { return p.Addr().Is6() && !p.Addr().IsLinkLocalUnicast() })
		if most > 0 && !k.Loopback && k.VRFTable == 0 && six && k.MTU > most && isMember(s.Binding, k, core) {
			large = append(large, k.Name)
			mend = append(mend, ipIn(s.Binding.Netns, fmt.Sprintf("link set %s mtu %d", quote(k.Name), most)))
		}
	}
	if len(large) == 0 {
		return nil
	}
	return []Finding{{
		Level: Broken, Check: "core-mtu", Subject: s.Name,
		What: fmt.Sprintf("VRF %q takes larger IPv6 packets from %s than the core carries, which are those of %d bytes.", s.Name, some(large), most),
		Why:  "They are lost, and their senders are not told: give the core's interfaces a larger MTU, or those of the tenant, and the hosts behind them, a smaller one.",
		Mend: all(mend...),
	}}
}
