package main

import (
	"fmt"
	"net/netip"
	"os/exec"
	"strings"
	"sync"

	"github.com/vrfredist/vrfredist/bench/peer"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// way is how the packets of a tenant leave for another PE.
type way struct {
	kind   string
	encap  string // as the configuration has it; "": plainly
	device bool   // the tenant is a VRF device of the router's namespace, and else a namespace
}

// The ways, each beside the plain one of the same kind of tenant.
var (
	plainWay       = way{kind: "plain VPN routes"}
	vxlanWay       = way{kind: "EVPN routes by VXLAN", encap: "vxlan"}
	srv6Way        = way{kind: "VPN routes by SRv6", encap: "srv6"}
	plainDeviceWay = way{kind: "plain VPN routes, VRF device", device: true}
	mplsWay        = way{kind: "VPN routes by MPLS, VRF device", encap: "mpls", device: true}
)

// ways are those that this kernel has; what it has not is named.
var ways = sync.OnceValue(func() []way {
	has := func(what string, lines ...string) bool {
		err := exec.Command("unshare", "-n", "sh", "-c", "ip link set lo up && "+strings.Join(lines, " && ")).Run()
		if err != nil {
			progress("        left out: %s: this kernel has none, or cannot load its module", what)
		}
		return err == nil
	}
	list := []way{plainWay, vxlanWay}
	if has("routes by SRv6", "ip -6 route add fd00::/64 encap seg6 mode encap segs fd00:1:: dev lo") {
		list = append(list, srv6Way)
	}
	if has("VRF devices with routes by MPLS", "ip link add red type vrf table 10", "test -e /proc/sys/net/mpls/platform_labels") {
		list = append(list, plainDeviceWay, mplsWay)
	}
	return list
})

// How the other PE is known in the core, and where its SIDs are. The number of a tenant is in
// the 80th bit and on of its SID, its VNI and label are the first ones and the number.
var (
	vtep     = nexthop
	sidBlock = netip.MustParsePrefix("fd00:2:0:1::/64")
)

const (
	encapVNI   = 1001  // of the first VRF
	firstLabel = 20001 // that the other PE has for the first VRF
	ownLabels  = "30000-39999"
)

// from is how the other PE announces the i-th tenant.
func (w way) from(i int) peer.Tenant {
	o := peer.Tenant{AS: as, Number: uint16(i + 1), Nexthop: vtep}
	switch w.encap {
	case "vxlan":
		o.MAC, o.VNI = [6]byte{2, 0, 0, 0, byte((i + 1) >> 8), byte(i + 1)}, uint32(encapVNI+i)
	case "srv6":
		sid := sidBlock.Addr().As16()
		sid[8], sid[9] = byte((i+1)>>8), byte(i+1)
		o.SID = netip.AddrFrom16(sid)
	case "mpls":
		o.Label = uint32(firstLabel + i)
	}
	return o
}

// evpn tells whether its routes are EVPN's.
func (w way) evpn() bool { return w.encap == "vxlan" }

// family is that of its routes, as a configuration names it.
func (w way) family() string {
	if w.evpn() {
		return "l2vpn-evpn"
	}
	return "l3vpn-ipv4-unicast"
}

// core is what a configuration says of the core.
func (w way) core() string {
	const source = "[netlink.core]\n  interfaces = [\"eth*\"]\n  source = \"10.0.0.1\"\n"
	switch w.encap {
	case "vxlan": // the daemon makes the devices of its VRFs
		return "[netlink]\n  manage_links = true\n" + source
	case "srv6":
		return source + "  source6 = \"fd00::1\"\n[netlink.srv6]\n  locator = \"fd00:1:0:1::/64\"\n"
	case "mpls":
		return source + fmt.Sprintf("[netlink.mpls]\n  labels = %q\n", ownLabels)
	}
	return ""
}

// vrf adds the i-th tenant to a configuration: a namespace, or a VRF device.
func (w way) vrf(b *strings.Builder, i int, netns string) {
	fmt.Fprintf(b, "[[vrfs]]\n  [vrfs.config]\n    name = \"v%d\"\n    rd = \"%d:%d\"\n    both-rt-list = [\"%d:%d\"]\n", i, as, i+1, as, i+1)
	fmt.Fprintf(b, "[[netlink.vrfs]]\n  name = \"v%d\"\n", i)
	if w.device {
		name, _ := deviceOf(i)
		fmt.Fprintf(b, "  device = %q\n", name)
	} else {
		fmt.Fprintf(b, "  netns = %q\n", netns)
	}
	if w.encap != "" {
		fmt.Fprintf(b, "  encap = %q\n", w.encap)
	}
	switch w.encap {
	case "vxlan":
		fmt.Fprintf(b, "  vni = %d\n", encapVNI+i)
	case "srv6":
		fmt.Fprintf(b, "  trusted = true\n  core_link = %q\n", coreLink(i))
	}
	b.WriteString("  [netlink.vrfs.export]\n    enabled = true\n")
}

// coreLink is the core's end of the link to the i-th tenant.
func coreLink(i int) string { return fmt.Sprintf("vr%d", i) }

// prepare gives the router what its core needs for the way, before there are tenants.
func (w way) prepare(r *router) {
	r.ns.Sysctl("ipv4.ip_forward", "1")
	switch w.encap {
	case "srv6":
		r.ns.Sysctl("ipv6.conf.all.forwarding", "1")
		r.ns.Sysctl("ipv6.conf.all.seg6_enabled", "1")
		r.ns.IP("-6", "route", "add", sidBlock.String(), "via", "fd00::2", "dev", "eth0", "proto", "static")
	case "mpls":
		r.ns.Sysctl("mpls.platform_labels", "100000")
		r.ns.Sysctl("mpls.conf.eth0.input", "1")
	}
}

// deviceOf is the VRF device that the i-th tenant is.
func deviceOf(i int) (name string, table int) { return fmt.Sprintf("v%d", i), 1001 + i }

// tenant makes what the i-th tenant needs: in its namespace, or as a VRF device of the router's.
// Plainly, the nexthop is behind a route of its own.
func (w way) tenant(r *router, i int, ns *lab.Namespace) {
	switch {
	case w.device:
		name, table := deviceOf(i)
		lines := []string{fmt.Sprintf("link add %s type vrf table %d", name, table), "link set " + name + " up"}
		if w.encap == "" {
			lines = append(lines, lan(fmt.Sprintf("t%d", i), " master "+name, fmt.Sprintf(" table %d", table))...)
		}
		r.ns.Batch(lines...)
	case w.encap == "":
		ns.Batch(lan("tenant0", "", "")...)
	case w.encap == "srv6":
		w.link(r, i, ns)
	}
}

// lan is an interface by which the nexthop of plain routes is reached.
func lan(dev, master, table string) []string {
	return []string{
		"link add " + dev + " type veth peer name " + dev + "p", "link set " + dev + master + " up", "link set " + dev + "p up",
		"addr add 10.9.0.1/24 dev " + dev, fmt.Sprintf("route add %v dev %s%s proto static", covering, dev, table),
	}
}

// link gives a trusted namespace its link to the core, by which it reaches the SIDs of other PEs.
func (w way) link(r *router, i int, ns *lab.Namespace) {
	dev, net := coreLink(i), fmt.Sprintf("169.254.%d.", i/64)
	r.ns.Batch(fmt.Sprintf("link add %s type veth peer name cr netns %s", dev, ns.Name), "link set "+dev+" up",
		fmt.Sprintf("addr add %s%d/30 dev %s", net, i%64*4+1, dev), "addr add fe80::1/64 dev "+dev+" nodad")
	ns.Batch("link set cr up", fmt.Sprintf("addr add %s%d/30 dev cr", net, i%64*4+2), "addr add fe80::2/64 dev cr nodad", "route add fd00::/16 via fe80::1 dev cr")
	ns.Sysctl("ipv6.conf.all.seg6_enabled", "1")
	ns.Sysctl("ipv6.conf.cr.seg6_enabled", "1")
}

// wayAims hold each encapsulation against the plain way into the same kind of tenant, and many
// VRFs with a number each against half a minute.
func wayAims() (list []aim) {
	for _, pair := range [][2]way{{vxlanWay, plainWay}, {srv6Way, plainWay}, {mplsWay, plainDeviceWay}} {
		by, plain := pair[0].kind, pair[1].kind
		against := func(quantity string) func(*results) (float64, bool) {
			return over(encapScenario, by, quantity, encapScenario, plain, quantity)
		}
		scenario := numberedScenario(pair[0])
		list = append(list,
			aim{by + ", routes/s ÷ plain", 0.9, true, against("routes/s")},
			aim{by + ", CPU beyond GoBGP ÷ plain", 1.1, false, against("CPU s beyond GoBGP")},
			aim{by + ", bytes a route beyond GoBGP ÷ plain", 1.1, false, against("bytes a route beyond GoBGP")},
			aim{by + ", bytes a route in the kernel ÷ plain", 1.1, false, against("kernel's slabs, bytes a route")},
			aim{scenario + ", s from a cold start to all ready", 30, false, figureOf(scenario, "s to all ready, cold")},
			aim{scenario + ", s from a restart to all ready, with routes", 30, false, figureOf(scenario, "s to all ready, restarted, with routes")})
	}
	return append(list, aim{"core's route moved under labelled routes, ms", 10, false, figureOf(underlayScenario, "ms")})
}
