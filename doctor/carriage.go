package doctor

import (
	"cmp"
	"errors"
	"fmt"
	"net/netip"
	"path"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Carriage has the facts of how packets get to other PEs. The zero value: no VRF has an
// encapsulation.
type Carriage struct {
	Core       rib.Core
	Interfaces []string // the patterns of the interfaces to other PEs
	EVPN       bool     // a neighbour has the family l2vpn-evpn
	VPN        bool     // a neighbour has a family l3vpn-…-unicast
	VXLAN      rib.Answer
	Features   rib.CoreFeatures
	Labels     rib.LabelRange
	Reached    []rib.SIDReached // where packets for SIDs lead from interfaces of the core's namespace
	// Numbers are those of the core's namespace in others, by their netns; rib.NoNumber: none.
	Numbers map[string]int32
}

// carriedSpecs are the VRFs with an encapsulation, of one kind or of any (0).
func (f Facts) carriedSpecs(kind rib.EncapKind) (list []vrf.Spec) {
	for _, s := range f.Specs {
		if s.VRF == "" && s.Carriage.Kind != 0 && (kind == 0 || s.Carriage.Kind == kind) {
			list = append(list, s)
		}
	}
	return list
}

// mostInside is the largest packet of a tenant that fits into the core; 0: that is not known.
func (f *Facts) mostInside(core Space, overhead uint32) uint32 {
	if core.Err != nil || len(f.Carriage.Interfaces) == 0 {
		return 0
	}
	return rib.UnderlayMTU(core.Links, f.Carriage.Interfaces) - overhead
}

// carriage finds what keeps VRFs with an encapsulation from other PEs.
func carriage(f Facts) (all []Finding) {
	if len(f.carriedSpecs(0)) == 0 {
		return nil
	}
	all = append(all, byKernel(f)...)
	core, known := f.Spaces[f.Carriage.Core.Netns]
	switch netns := f.Carriage.Core.Netns; {
	case !known:
	case core.Err != nil:
		find := Finding{
			Level: Broken, Check: "core-namespace", Subject: netns,
			What: fmt.Sprintf("What is %s, the core's, cannot be looked at.", in(netns)), Why: sentence(core.Err.Error()),
		}
		if errors.Is(core.Err, rib.ErrAbsent) {
			find.What = fmt.Sprintf("The network namespace %s is not there, in which [netlink.core] says that the core is.", netns)
			find.Why, find.Mend = "No other PE is reached until it comes.", "ip netns add "+quote(netns)
		}
		all = append(all, find)
	default:
		all = append(all, coreFindings(f, core)...)
	}
	for _, s := range f.carriedSpecs(rib.EncapVXLAN) {
		if space, known := f.Spaces[s.Binding.Netns]; known && space.Err == nil {
			all = append(all, carriedBy(f, s, space, core)...)
		}
	}
	if known && core.Err == nil {
		all = append(all, mpls(f, core)...)
		all = append(all, srv6(f, core)...)
		all = append(all, reachSIDs(f, core)...)
		all = append(all, coreLinks(f, core)...)
		all = append(all, devicesInCore(f, core)...)
	}
	return all
}

// byKernel finds what the kernel, and the neighbours, lack for an encapsulation.
func byKernel(f Facts) (all []Finding) {
	overVXLAN, overMPLS, overSRv6 := f.carriedSpecs(rib.EncapVXLAN), f.carriedSpecs(rib.EncapMPLS), f.carriedSpecs(rib.EncapSRv6)
	is := f.Carriage
	if len(overVXLAN) > 0 && is.VXLAN == rib.No {
		all = append(all, Finding{
			Level: Broken, Check: "kernel", Subject: "VXLAN devices",
			What: "This kernel makes no VXLAN devices, and the configuration has VRFs with encap.",
			Why:  "It was built without CONFIG_VXLAN, or its module vxlan is not installed: nothing gets to other PEs.",
			Mend: "modprobe vxlan || apt-get install linux-modules-extra-$(uname -r)",
		})
	}
	if len(overMPLS) > 0 && (is.Features.Labels == rib.No || is.Features.MPLS == rib.No) {
		all = append(all, Finding{
			Level: Broken, Check: "kernel", Subject: "MPLS",
			What: `This kernel has no MPLS, and the configuration has VRFs with encap = "mpls".`,
			Why:  "It was built without CONFIG_MPLS_ROUTING or CONFIG_MPLS_IPTUNNEL, or its modules mpls_router and mpls_iptunnel are not installed: nothing gets to other PEs.",
			Mend: "modprobe -a mpls_router mpls_iptunnel || apt-get install linux-modules-extra-$(uname -r)",
		})
	}
	if len(overSRv6) > 0 && (is.Features.SRv6 == rib.No || is.Features.DT4 == rib.No && onDevice(overSRv6)) {
		all = append(all, Finding{
			Level: Broken, Check: "kernel", Subject: "SRv6",
			What: `This kernel lacks what VRFs with encap = "srv6" need; run Linux 5.11 or a newer one, built with CONFIG_IPV6_SEG6_LWTUNNEL.`,
			Why:  "Nothing gets to other PEs, or comes from them.",
		})
	}
	if len(overVXLAN) > 0 && !is.EVPN {
		all = append(all, Finding{
			Level: Broken, Check: "evpn-family",
			What: fmt.Sprintf(`No neighbour has the family l2vpn-evpn, and %s have encap; add [[neighbors.afi-safis]] with afi-safi-name = "l2vpn-evpn" to those that are PEs, or reflect their routes.`, vrfNames(overVXLAN)),
			Why:  "Routes of VRFs with VXLAN go out and come in by that family alone.",
		})
	}
	if others := slices.Concat(overMPLS, overSRv6); len(others) > 0 && !is.VPN {
		all = append(all, Finding{
			Level: Broken, Check: "vpn-family",
			What: fmt.Sprintf(`No neighbour has the family l3vpn-ipv4-unicast or l3vpn-ipv6-unicast, and %s have encap; add [[neighbors.afi-safis]] with afi-safi-name = "l3vpn-ipv4-unicast", and one for IPv6, to those that are PEs, or reflect their routes.`, vrfNames(others)),
			Why:  "Routes of VRFs with MPLS and SRv6 go out and come in by those families alone.",
		})
	}
	return all
}

// coreFindings are about the core's namespace.
func coreFindings(f Facts, core Space) (all []Finding) {
	is := f.Carriage.Core
	var sources []netip.Addr
	if len(f.carriedSpecs(rib.EncapVXLAN))+len(f.carriedSpecs(rib.EncapMPLS)) > 0 {
		sources = append(sources, is.VTEP)
	}
	if len(f.carriedSpecs(rib.EncapSRv6)) > 0 && !slices.Contains(sources, is.Six) {
		sources = append(sources, is.Six)
	}
	for _, source := range sources {
		has := func(k rib.Link) bool {
			return slices.ContainsFunc(k.Addrs, func(p netip.Prefix) bool { return p.Addr() == source })
		}
		if anyLink(core.Links, has) {
			continue
		}
		all = append(all, Finding{
			Level: Broken, Check: "core-source", Subject: source.String(),
			What: fmt.Sprintf("%s, the source of [netlink.core], is no address %s.", source, in(is.Netns)),
			Why:  "Other PEs are told to send there, or that it is where routes lead, and the kernel takes packets for its own addresses alone.",
			Mend: ipIn(is.Netns, fmt.Sprintf("addr add %s dev lo", netip.PrefixFrom(source, source.BitLen()))),
		})
	}
	var none []string
	for _, pattern := range f.Carriage.Interfaces {
		if !anyLink(core.Links, func(k rib.Link) bool { is, _ := path.Match(pattern, k.Name); return is }) {
			none = append(none, pattern)
		}
	}
	if len(none) > 0 {
		all = append(all, Finding{
			Level: Risk, Check: "core-interfaces", Subject: some(none),
			What: fmt.Sprintf("No interface %s is called %s, as interfaces of [netlink.core] has it.", in(is.Netns), some(none)),
			Why:  "How large a packet may be on its way to other PEs is known by these interfaces; of those that are not there nothing is known.",
		})
	}
	return all
}

func anyLink(links rib.Links, is func(rib.Link) bool) bool {
	for _, k := range links {
		if is(k) {
			return true
		}
	}
	return false
}

// carriedBy are findings about the VXLAN device of one VRF.
func carriedBy(f Facts, s vrf.Spec, space, core Space) (all []Finding) {
	c := &s.Carriage
	link, fault := c.DeviceFault(space.Links, func(k rib.Link) bool { return isMember(s.Binding, k, space) })
	d := carrier{f, s, c, space, core, link}
	if fault != rib.NoDeviceFault {
		return append(all, d.broken(fault))
	}
	if number := f.Carriage.Numbers[s.Binding.Netns]; core.Err == nil && !d.over(number) {
		all = append(all, d.finding(Broken, "vxlan-underlay", fmt.Sprintf("sends its packets by the tables of another namespace than the core's, which is %s", in(c.Core.Netns)),
			"A VXLAN device belongs for good to the namespace in which it was made: it must be made in the core, and moved.", d.anew()))
	}
	if link.VXLAN.Learning {
		all = append(all, d.finding(Risk, "vxlan-learning", "learns addresses from packets",
			"Any PE that sends from a MAC address would be taken for the router that has it.", d.set("type vxlan nolearning")))
	}
	if most := d.mostMTU(); most > 0 && link.MTU > most {
		all = append(all, d.finding(Risk, "vxlan-mtu", fmt.Sprintf("has the MTU %d, and the core carries %d inside of VXLAN", link.MTU, most),
			"Larger packets are cut in the core, or lost there without a word to the sender.", d.set(fmt.Sprintf("mtu %d", most))))
	}
	for _, family := range []string{"all", link.Name} {
		if space.Settings["ipv6/conf/"+family+"/disable_ipv6"] == "1" {
			all = append(all, d.finding(Broken, "vxlan-ipv6", "is without IPv6",
				"Routes of both families lead to other PEs by link-local addresses on it.", set(s.Binding.Netns, "net/ipv6/conf/all/disable_ipv6=0", "net/ipv6/conf/"+link.Name+"/disable_ipv6=0")))
			break
		}
	}
	if d.filters() {
		all = append(all, d.finding(Risk, "vxlan-rp-filter", "drops what comes from where no route leads back by it (rp_filter)",
			"It has no IPv4 address, so that the kernel filters strictly also with rp_filter=2: what a tenant has by two ways is lost. Of conf.all and the device the higher value counts.",
			set(s.Binding.Netns, "net/ipv4/conf/all/rp_filter=0", "net/ipv4/conf/"+link.Name+"/rp_filter=0")))
	}
	return all
}

// carrier is a VRF's VXLAN device with what is known around it.
type carrier struct {
	facts       Facts
	spec        vrf.Spec
	is          *rib.Carriage
	space, core Space
	link        rib.Link
}

func (d *carrier) finding(l Level, check, what, why, mend string) Finding {
	return Finding{
		Level: l, Check: check, Subject: d.spec.Name,
		What: fmt.Sprintf("The VXLAN device %s %s, of VRF %q, %s.", d.is.Device, in(d.spec.Binding.Netns), d.spec.Name, what),
		Why:  why, Mend: mend,
	}
}

// broken is the finding for what keeps the device from being that of the VRF.
func (d *carrier) broken(fault rib.DeviceFault) Finding {
	x, is := &d.link.VXLAN, d.is
	const lost = "Other PEs' packets do not come to this VRF, or its own do not get to them."
	say := func(what, mend string) Finding { return d.finding(Broken, "vxlan-device", what, lost, mend) }
	switch fault {
	case rib.DeviceMissing:
		return d.missing()
	case rib.DeviceElsewhere:
		master := "nomaster"
		if d.spec.Binding.Device != "" {
			master = "master " + quote(d.spec.Binding.Device)
		}
		return say("does not belong to the VRF", d.set(master))
	case rib.DeviceNotVXLAN:
		return say("is no VXLAN device; name another one with vxlan_device, or rename it", "")
	case rib.DeviceForMany:
		return say("is for many VNIs (external)", d.anew())
	case rib.DeviceOtherVNI:
		return say(fmt.Sprintf("has the VNI %d, and that of the configuration is %d", x.VNI, is.VNI), d.anew())
	case rib.DeviceOtherPort:
		return say(fmt.Sprintf("has the UDP port %d, and that of the configuration is %d", x.Port, is.Core.Port), d.anew())
	case rib.DeviceOtherLocal:
		return say(fmt.Sprintf("has the local address %v, and the source of [netlink.core] is %v", x.Local, is.Core.VTEP), d.set(fmt.Sprintf("type vxlan local %v", is.Core.VTEP)))
	case rib.DeviceOtherMAC:
		return say(fmt.Sprintf("has the MAC address %s, and other PEs send to %s", x.MAC, is.Router), d.set("address "+is.Router.String()))
	}
	return say("is down", d.set("up"))
}

// missing is the finding for a device that is not there: it may be in another namespace.
func (d *carrier) missing() Finding {
	for _, netns := range sortedNetns(d.facts.Spaces) {
		k, is := d.facts.Spaces[netns].Links.ByName(d.is.Device)
		if !is || netns == d.spec.Binding.Netns || k.VXLAN.VNI != d.is.VNI {
			continue
		}
		return Finding{
			Level: Broken, Check: "vxlan-device", Subject: d.spec.Name,
			What: fmt.Sprintf("The VXLAN device %s of VRF %q is %s, and has to be %s.", d.is.Device, d.spec.Name, in(netns), in(d.spec.Binding.Netns)),
			Why:  "What comes in by it is looked up in the tables of the namespace that it is in.",
			Mend: all(d.move(netns), d.up()),
		}
	}
	find := Finding{
		Level: Broken, Check: "vxlan-device", Subject: d.spec.Name,
		What: fmt.Sprintf("The VXLAN device %s is not there %s, which VRF %q needs.", d.is.Device, in(d.spec.Binding.Netns), d.spec.Name),
		Why:  "Nothing of the VRF gets to other PEs. With manage_links = true in [netlink] the daemon makes it.",
		Mend: d.made(),
	}
	if d.is.Managed {
		find.Why, find.Mend = "Nothing of the VRF gets to other PEs. The daemon makes it, and says in `vrfredist vrf "+quote(d.spec.Name)+"` what keeps it from that.", ""
		if !d.facts.Running {
			find.Level, find.Why = Advice, "The daemon makes it when it runs (manage_links)."
		}
	}
	return find
}

// made makes the device in the core, and moves it.
func (d *carrier) made() string {
	add := ipIn(d.is.Core.Netns, fmt.Sprintf("link add %s type vxlan id %d local %v dstport %d nolearning", quote(d.is.Device), d.is.VNI, d.is.Core.VTEP, d.is.Core.Port))
	if d.sameNamespace() {
		return all(add, d.up())
	}
	return all(add, d.move(d.is.Core.Netns), d.up())
}

// anew makes the device again. One that the daemon makes comes back by itself.
func (d *carrier) anew() string {
	gone := ipIn(d.spec.Binding.Netns, "link del "+quote(d.is.Device))
	if d.is.Managed && d.facts.Running {
		return gone
	}
	return all(gone, d.made())
}

func (d *carrier) move(from string) string {
	to := d.spec.Binding.Netns
	if to == "" {
		to = "$$" // the shell's own
	} else {
		to = quote(to)
	}
	return ipIn(from, fmt.Sprintf("link set %s netns %s", quote(d.is.Device), to))
}

// up makes a device that is in its namespace what the VRF needs.
func (d *carrier) up() string {
	words := fmt.Sprintf("address %s addrgenmode none", d.is.Router)
	if device := d.spec.Binding.Device; device != "" {
		words += " master " + quote(device)
	}
	if most := d.mostMTU(); most > 0 {
		words += fmt.Sprintf(" mtu %d", most)
	}
	return d.set(words + " up")
}

// set changes the device.
func (d *carrier) set(words string) string {
	return ipIn(d.spec.Binding.Netns, "link set "+quote(d.is.Device)+" "+words)
}

func (d *carrier) sameNamespace() bool {
	return d.core.Dev == d.space.Dev && d.core.Inode == d.space.Inode
}

// over tells whether the device's packets go by the core's tables. number is that of the core in
// the device's namespace.
func (d *carrier) over(number int32) bool {
	if d.sameNamespace() {
		return d.link.VXLAN.Underlay == rib.NoNumber
	}
	return number != rib.NoNumber && d.link.VXLAN.Underlay == number
}

// mostMTU is the largest MTU with which what the device sends fits into the core; 0: it is not
// known.
func (d *carrier) mostMTU() uint32 {
	if d.core.Err != nil || len(d.facts.Carriage.Interfaces) == 0 {
		return 0
	}
	return rib.UnderlayMTU(d.core.Links, d.facts.Carriage.Interfaces) - rib.VXLANOverhead(d.is.Core.VTEP)
}

// filters tells whether the kernel drops what comes in by the device from where another way leads.
func (d *carrier) filters() bool {
	value := cmp.Or(d.space.Settings["ipv4/conf/"+d.link.Name+"/rp_filter"], "0")
	every := cmp.Or(d.space.Settings["ipv4/conf/all/rp_filter"], "0")
	has4 := slices.ContainsFunc(d.link.Addrs, func(p netip.Prefix) bool { return p.Addr().Is4() })
	return max(value, every) != "0" && !has4
}

func sortedNetns(spaces map[string]Space) []string {
	names := make([]string, 0, len(spaces))
	for name := range spaces {
		names = append(names, name)
	}
	slices.SortFunc(names, strings.Compare)
	return names
}
