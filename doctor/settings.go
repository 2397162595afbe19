package doctor

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// Settings are the files of /proc/sys/net that Judge looks at, * standing for
// every interface. net.ipv4.udp_l3mdev_accept is not among them: nothing here
// speaks UDP.
func Settings() []string {
	return []string{
		"ipv4/tcp_l3mdev_accept",
		"ipv4/nexthop_compat_mode",
		"ipv4/ip_forward",
		"ipv4/conf/*/forwarding",
		"ipv4/conf/all/rp_filter",
		"ipv4/conf/*/rp_filter",
		"ipv4/route/skip_notify_on_dev_down",
		"ipv6/route/skip_notify_on_dev_down",
		"ipv6/conf/all/disable_ipv6",
		"ipv6/conf/*/disable_ipv6",
		"ipv6/conf/all/forwarding",
		"vrf/strict_mode",
		"mpls/platform_labels",
		"mpls/conf/*/input",
		"ipv6/conf/all/seg6_enabled",
		"ipv6/conf/*/seg6_enabled",
	}
}

// settings looks at each namespace that the configuration names.
func settings(f Facts) []Finding {
	var out []Finding
	for _, n := range f.netnsOf() {
		space, known := f.Spaces[n.netns]
		if !known || space.Err != nil || len(n.specs) == 0 {
			continue
		}
		for _, check := range []func(Facts, netnsVRFs, Space) (Finding, bool){
			forwarding4, forwarding6, reversePath, strictMode, compatMode, skipNotify4, skipNotify6,
		} {
			if find, ok := check(f, n, space); ok {
				find.Subject = n.netns
				out = append(out, find)
			}
		}
	}
	return out
}

// uses tells whether an interface of one of the VRFs has an address of a family.
func uses(n netnsVRFs, s Space, is func(netip.Addr) bool) bool {
	for _, k := range members(n, s) {
		if slices.ContainsFunc(k.Addrs, func(p netip.Prefix) bool { return is(p.Addr()) && !p.Addr().IsLinkLocalUnicast() }) {
			return true
		}
	}
	return false
}

// members are the interfaces over which the exporting VRFs of a namespace
// forward, ordered by name.
func members(n netnsVRFs, s Space) []rib.Link {
	var out []rib.Link
	for _, k := range s.Links {
		if !k.Loopback && k.VRFTable == 0 && slices.ContainsFunc(n.specs, func(v vrf.Spec) bool { return v.Export.Enabled && isMember(v.Binding, k, s) }) {
			out = append(out, k)
		}
	}
	slices.SortFunc(out, func(a, b rib.Link) int { return strings.Compare(a.Name, b.Name) })
	return out
}

// isMember tells whether an interface belongs to a binding.
func isMember(b rib.Binding, k rib.Link, s Space) bool {
	v := rib.View{Where: rib.Where{Table: b.Table}, Links: s.Links}
	if b.Device != "" {
		device, found := s.Links.ByName(b.Device)
		if !found || device.VRFTable == 0 {
			return false
		}
		v.Where.Device = device.Index
	}
	return v.Member(k)
}

func forwarding4(_ Facts, n netnsVRFs, s Space) (Finding, bool) {
	if !exports(n.specs) || !uses(n, s, netip.Addr.Is4) {
		return Finding{}, false
	}
	find := Finding{
		Level: Risk, Check: "forwarding",
		Why: "The routes that vrfredist writes serve only what this host sends itself; packets of others are dropped.",
	}
	if s.Settings["ipv4/ip_forward"] == "0" {
		find.What = fmt.Sprintf("IPv4 is not forwarded %s (net.ipv4.ip_forward=0).", in(n.netns))
		find.Mend = set(n.netns, "net.ipv4.ip_forward=1")
		return find, true
	}
	var off, mend []string
	for _, k := range members(n, s) {
		if s.Settings["ipv4/conf/"+k.Name+"/forwarding"] == "0" {
			off = append(off, k.Name)
			mend = append(mend, "net/ipv4/conf/"+k.Name+"/forwarding=1")
		}
	}
	if len(off) == 0 {
		return Finding{}, false
	}
	find.What = fmt.Sprintf("IPv4 is not forwarded from %s %s (net.ipv4.conf.*.forwarding=0).", some(off), in(n.netns))
	find.Mend = set(n.netns, mend...)
	return find, true
}

// forwarding6 looks at one setting: only conf.all decides for IPv6.
func forwarding6(_ Facts, n netnsVRFs, s Space) (Finding, bool) {
	if !exports(n.specs) || s.Settings["ipv6/conf/all/forwarding"] != "0" || !uses(n, s, netip.Addr.Is6) {
		return Finding{}, false
	}
	return Finding{
		Level: Risk, Check: "forwarding-ipv6",
		What: fmt.Sprintf("IPv6 is not forwarded %s (net.ipv6.conf.all.forwarding=0).", in(n.netns)),
		Why:  "The routes that vrfredist writes serve only what this host sends itself; packets of others are dropped. Forwarding ends the taking of router advertisements, unless accept_ra is 2.",
		Mend: set(n.netns, "net.ipv6.conf.all.forwarding=1"),
	}, true
}

// reversePath finds strict filters: of rp_filter for conf.all and for the interface the
// higher counts, so that 2 for all makes every filter loose.
func reversePath(f Facts, n netnsVRFs, s Space) (Finding, bool) {
	every := s.Settings["ipv4/conf/all/rp_filter"]
	if every == "2" {
		return Finding{}, false
	}
	var strict []string
	carried := unfiltered(&f, n.netns)
	for _, k := range members(n, s) {
		mine := s.Settings["ipv4/conf/"+k.Name+"/rp_filter"]
		switch {
		case k.VXLAN != rib.VXLAN{}:
			carried = true // carriage finds what it drops
		case mine == "1" || every == "1" && mine == "0":
			strict = append(strict, k.Name)
		}
	}
	if len(strict) == 0 {
		return Finding{}, false
	}
	mend := set(n.netns, "net.ipv4.conf.all.rp_filter=2")
	if carried { // which has to be loose for these alone
		each := []string{"net/ipv4/conf/all/rp_filter=0"}
		for _, name := range strict {
			each = append(each, "net/ipv4/conf/"+name+"/rp_filter=2")
		}
		mend = set(n.netns, each...)
	}
	return Finding{
		Level: Risk, Check: "rp-filter",
		What: fmt.Sprintf("The reverse path filter is strict on %s %s (rp_filter=1).", some(strict), in(n.netns)),
		Why:  "Where BGP sends a reply another way than the request came, as it does with two uplinks, the kernel drops the packets and says nothing.",
		Mend: mend,
	}, true
}

// unfiltered tells whether a namespace has what even a loose filter drops packets from, as carriage
// finds: a VRF device that SIDs lead to, or the link of a VRF whose packets get labels.
func unfiltered(f *Facts, netns string) bool {
	return slices.ContainsFunc(f.carriedSpecs(0), func(v vrf.Spec) bool {
		is := &v.Carriage
		return is.Kind == rib.EncapSRv6 && v.Binding.Device != "" && v.Binding.Netns == netns ||
			is.Kind == rib.EncapMPLS && is.Through.Link != "" && is.Core.Netns == netns
	})
}

func strictMode(_ Facts, n netnsVRFs, s Space) (Finding, bool) {
	devices := slices.ContainsFunc(n.specs, func(v vrf.Spec) bool { return v.Binding.Device != "" })
	if !devices || s.Settings["vrf/strict_mode"] != "0" {
		return Finding{}, false
	}
	if slices.ContainsFunc(n.specs, func(v vrf.Spec) bool { return v.Carriage.Kind == rib.EncapSRv6 && v.Binding.Device != "" }) {
		return Finding{
			Level: Broken, Check: "vrf-strict-mode",
			What: fmt.Sprintf("The kernel lets two VRF devices have one table %s (net.vrf.strict_mode=0).", in(n.netns)),
			Why:  "It takes no SID that leads to the table of a VRF device as long as that is so, and so other PEs cannot send to VRFs with SRv6. It can be set only while no two share a table.",
			Mend: set(n.netns, "net.vrf.strict_mode=1"),
		}, true
	}
	return Finding{
		Level: Advice, Check: "vrf-strict-mode",
		What: fmt.Sprintf("The kernel lets two VRF devices have one table %s (net.vrf.strict_mode=0).", in(n.netns)),
		Why:  "Then one tenant's routes are another's too; with strict mode the kernel refuses the second device. It can be set only while no two share a table.",
		Mend: set(n.netns, "net.vrf.strict_mode=1"),
	}, true
}

func compatMode(f Facts, n netnsVRFs, s Space) (Finding, bool) {
	objects := slices.ContainsFunc(n.specs, func(v vrf.Spec) bool { return v.NexthopObjects && v.Export.Enabled })
	if !objects || s.Settings["ipv4/nexthop_compat_mode"] != "1" || f.ManageSysctls && !f.Running {
		return Finding{}, false
	}
	return Finding{
		Level: Advice, Check: "nexthop-compat-mode",
		What: fmt.Sprintf("The kernel announces every route of a replaced nexthop %s (net.ipv4.nexthop_compat_mode=1).", in(n.netns)),
		Why:  "A failover under a million routes then takes it 0.75 s instead of 2 ms. With 0, `ip route` shows `nhid N` instead of via and dev, and programs that do not know nexthop objects see no nexthop.",
		Mend: set(n.netns, "net.ipv4.nexthop_compat_mode=0"),
	}, true
}

// skipNotify4 is for kernels to come: none so far has it for IPv4.
func skipNotify4(_ Facts, n netnsVRFs, s Space) (Finding, bool) {
	return skipNotify(n, s, "ipv4", "IPv4")
}
func skipNotify6(_ Facts, n netnsVRFs, s Space) (Finding, bool) {
	return skipNotify(n, s, "ipv6", "IPv6")
}

func skipNotify(n netnsVRFs, s Space, dir, family string) (Finding, bool) {
	if s.Settings[dir+"/route/skip_notify_on_dev_down"] != "1" {
		return Finding{}, false
	}
	name := "net." + dir + ".route.skip_notify_on_dev_down"
	return Finding{
		Level: Advice, Check: "skip-notify-" + dir,
		What: fmt.Sprintf("The kernel does not say which %s routes go with a device %s (%s=1).", family, in(n.netns), name),
		Why:  "vrfredist reads the whole table again whenever a link goes down, and so loses nothing, but large tables take it longer; other programs may keep routes that are gone.",
		Mend: set(n.netns, name+"=0"),
	}, true
}

// some names a few of many.
func some(names []string) string {
	const most = 6
	if n := len(names); n > most {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), n-most)
	}
	return strings.Join(names, ", ")
}
