package nsworker

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

const (
	pe2, pe3   = "10.255.0.2", "10.255.0.3"
	byPE2      = "10.2.0.0/24 via inet6 fe80::aff:2:0:201 dev vx100 proto vrfredist metric 20"
	byPE3      = "10.2.0.0/24 via inet6 fe80::aff:3:0:301 dev vx100 proto vrfredist metric 20"
	pe2Entries = "fe80::aff:2:0:201 lladdr 02:00:00:00:02:01 dst 10.255.0.2"
	pe3Entries = "fe80::aff:3:0:301 lladdr 02:00:00:00:03:01 dst 10.255.0.3"
)

var pe3MAC = rib.MAC{2, 0, 0, 0, 3, 1}

// carriedStory is a story of a VRF with VNI 100, whose core reaches PEs 2 and 3.
func carriedStory(t *testing.T, tell func(l *lab, table *fakeTable, core *fakeCore)) {
	t.Helper()
	story(t, func(l *lab, table *fakeTable) {
		core := newFakeCore(pe2, pe3)
		l.core = core
		table.vxlan()
		l.converge("red")
		tell(l, table, core)
	})
}

// TestCarried: a path of another PE leads to its endpoint, in both families by the same one, which
// is there before any nexthop object.
func TestCarried(t *testing.T) {
	carriedStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
		l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byEVPN(100, peMAC)))
		l.hear("red", bgpPath("2001:db8:2::/64", pe2, rd(2), byEVPN(100, peMAC)))
		l.start(overVXLAN())
		l.settle()
		l.table(red, byPE2, "2001:db8:2::/64 via fe80::aff:2:0:201 dev vx100 proto vrfredist metric 20")
		if got := table.pes(); got != pe2Entries {
			t.Errorf("the device has\n%s", got)
		}
		if _, got := l.kernel.wrote(); got[0] != "set endpoint" || strings.Count(strings.Join(got, " "), "set endpoint") != 1 {
			t.Errorf("it was written in the order %v", got)
		}
		r := l.routes("red", vrf.Export)["10.2.0.0/24 vrfredist"]
		if len(r.Encaps) != 1 || r.Encaps[0].String() != "vxlan 100 to 10.255.0.2, 02:00:00:00:02:01" {
			t.Errorf("the route has the encapsulations %v", r.Encaps)
		}
		c := r.Confined("red")
		if len(c.Encaps) == 0 {
			t.Fatalf("the route is %+v; the table has\n%s\nand %s", r, table, table.pes())
		}
		if got := c.Encaps[0].String(); got != "vxlan 100" || c.Route.Hops[0].Gateway.IsValid() || c.Best.Attrs.Nexthop.IsValid() {
			t.Errorf("the tenant is shown %q, %v by %v", got, c.Route.Hops, c.Best.Attrs.Nexthop)
		}
		l.unhear("red", "10.2.0.0/24", 2)
		l.unhear("red", "2001:db8:2::/64", 2)
		l.settle()
		l.table(red)
	})
}

// TestCarriedPELost: a PE that the core does not reach takes no part; where it is lost the other
// one takes over in one message, once its own nexthop is there, and with none the route goes.
func TestCarriedPELost(t *testing.T) {
	carriedStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
		l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), pref(200), byEVPN(100, peMAC)))
		l.hear("red", bgpPath("10.2.0.0/24", pe3, rd(3), byEVPN(100, pe3MAC)))
		l.start(overVXLAN())
		l.settle()
		l.table(red, byPE2)
		l.kernel.forget()
		lost := rib.Lead{Err: errors.New("no route leads there")}
		core.says(pe2, lost)
		synctest.Wait()
		if writes, objects := l.kernel.wrote(); strings.Join(objects, ", ") != "add nexthop, replace nexthop" || len(writes) > 0 {
			t.Errorf("the other PE took over by %q and %q", objects, writes)
		}
		l.settle()
		l.table(red, byPE3)
		core.says(pe3, lost)
		l.settle()
		l.table(red)
		l.exported("red", "10.2.0.0/24", rib.Unresolved, "PE 10.255.0.2 is not reached: in the core, no route leads there")
		core.says(pe3, reachedPE(pe3))
		l.settle()
		l.table(red, byPE3)
		core.says(pe2, reachedPE(pe2))
		l.settle()
		l.table(red, byPE2)
	})
}

// TestCarriedOrNot: what the VRF's encapsulation cannot use is not reached, and never forwarded
// plainly.
func TestCarriedOrNot(t *testing.T) {
	plain := spec("red")
	for _, tc := range []struct {
		of     vrf.Spec
		change func(*rib.Path)
		device func(*rib.Link)
		want   string
	}{
		{plain, byEVPN(100, peMAC), nil, `it came by EVPN, and this VRF has no encap; write encap = "vxlan" and its vni`},
		{overVXLAN(), func(p *rib.Path) { p.Label, p.Attrs.Carrier = 80, rib.ByVPN }, nil, "it came as a VPN route with an MPLS label, and this VRF's encap is vxlan"},
		{overVXLAN(), byEVPN(100, rib.MAC{}), nil, "it came by EVPN without its router's MAC address (RFC 9135, 5.1)"},
		{overVXLAN(), byEVPN(100, rib.MAC{1, 0, 0x5e, 0, 0, 1}), nil, "it came by EVPN without its router's MAC address (RFC 9135, 5.1)"},
		{overVXLAN(), byEVPN(0, peMAC), nil, "it came by EVPN with the VNI 0, which is none"},
		{overVXLAN(), func(p *rib.Path) { byEVPN(100, peMAC)(p); p.Attrs.EncapKind = 1 }, nil, "it came by EVPN for another encapsulation than VXLAN (mpls)"},
		{overVXLAN(), byEVPN(100, peMAC), func(k *rib.Link) { k.Name = "vx7" }, "the VRF has no device vx100; make it, or write manage_links = true in [netlink]"},
		{overVXLAN(), byEVPN(100, peMAC), func(k *rib.Link) { k.VXLAN.VNI = 7 }, "the device vx100 has the VNI 7, and this VRF's is 100"},
		{overVXLAN(), byEVPN(100, peMAC), func(k *rib.Link) { k.VXLAN = rib.VXLAN{} }, "the device vx100 is no VXLAN device"},
		{overVXLAN(), byEVPN(100, peMAC), func(k *rib.Link) { k.VXLAN.MAC[5] = 9 }, "the device vx100 has the MAC address 02:00:00:00:01:09, and other PEs send to 02:00:00:00:01:01; run: ip link set vx100 address 02:00:00:00:01:01"},
		{overVXLAN(), byEVPN(100, peMAC), func(k *rib.Link) { k.Up, k.Admin = false, false }, "the device vx100 is down"},
	} {
		carriedStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
			if tc.device != nil {
				table.vxlan(tc.device)
			}
			l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), tc.change))
			l.start(tc.of)
			l.settle()
			l.table(red)
			l.exported("red", "10.2.0.0/24", rib.Unresolved, tc.want)
			if got := table.pes(); got != "" {
				t.Errorf("the device has\n%s", got)
			}
		})
	}
}

// TestCarriedRestart: after a restart nothing is written that stands.
func TestCarriedRestart(t *testing.T) {
	carriedStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
		l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byEVPN(200, peMAC)))
		l.start(overVXLAN())
		l.settle()
		if got := table.pes(); got != pe2Entries+" vni 200" {
			t.Errorf("the device has\n%s", got)
		}
		l.stop("red", vrf.ErrExit)
		l.kernel.forget()
		l.start(overVXLAN())
		l.settle()
		l.table(red, byPE2)
		if writes, objects := l.kernel.wrote(); len(writes)+len(objects) > 0 {
			t.Errorf("it wrote %v and %v", writes, objects)
		}
		if core.watched[vtepOf(pe2)] != 1 {
			t.Errorf("the core is asked for %v", core.watched)
		}
		l.stop("red", vrf.ErrRemoved)
		if got := table.pes(); got != "" || len(core.watched) > 0 {
			t.Errorf("a VRF that went leaves %q and %v", got, core.watched)
		}
	})
}

// TestCarriedFlap: what the kernel takes with the device, and what somebody deletes, comes back.
func TestCarriedFlap(t *testing.T) {
	carriedStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
		l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byEVPN(100, peMAC)))
		l.start(overVXLAN())
		l.settle()
		table.loseEndpoints()
		table.link(vxIndex, false)
		l.settle()
		l.table(red)
		if !l.bgp.deaf["red"] {
			t.Error("other PEs are still told of the VRF's routes, whose packets it cannot take")
		}
		table.link(vxIndex, true)
		l.settle()
		if l.bgp.deaf["red"] {
			t.Error("other PEs are told of none of the VRF's routes")
		}
		l.table(red, byPE2)
		table.loseEndpoints()
		table.emitResync()
		l.settle()
		if got := table.pes(); got != pe2Entries {
			t.Errorf("the device has\n%s", got)
		}
	})
}

// TestTwoPEsOneMAC: of two PEs with one MAC address the second is not reached, until the first
// one is gone.
func TestTwoPEsOneMAC(t *testing.T) {
	carriedStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
		l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byEVPN(100, peMAC)))
		l.start(overVXLAN())
		l.settle()
		l.hear("red", bgpPath("10.3.0.0/24", pe3, rd(3), byEVPN(100, peMAC)))
		l.settle()
		l.table(red, byPE2)
		l.exported("red", "10.3.0.0/24", rib.Unresolved, "its router's MAC address 02:00:00:00:02:01 is that of 10.255.0.2 too")
		core.says(pe2, rib.Lead{Err: errors.New("no route leads there")})
		l.settle()
		l.table(red, "10.3.0.0/24 via inet6 fe80::aff:3:0:201 dev vx100 proto vrfredist metric 20")
	})
}

// TestEndpointOfAnother: an entry of another program is left, and what needs it is not reached.
func TestEndpointOfAnother(t *testing.T) {
	carriedStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
		table.refuseVia = map[netip.Addr]error{rib.VTEPGateway(vtepOf(pe2), peMAC): errors.New("another program has an entry for 02:00:00:00:02:01")}
		l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byEVPN(100, peMAC)))
		l.start(overVXLAN())
		l.settle()
		l.table(red)
		l.exported("red", "10.2.0.0/24", rib.Unresolved, "another program has an entry")
		table.refuseVia = nil
		table.emitResync()
		l.settle()
		l.table(red, byPE2)
	})
}
