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
	sid2, sid3   = "fd00:2:0:1:100::", "fd00:3:0:1:100::"
	bySID2       = "10.2.0.0/24 encap seg6 mode encap segs fd00:2:0:1:100:: dev eth0 proto vrfredist metric 20"
	sixBySID2    = "2001:db8:2::/64 encap seg6 mode encap segs fd00:2:0:1:100:: dev eth0 proto vrfredist metric 20"
	bySecond     = "10.2.0.0/24 dev sr-red proto vrfredist metric 20"
	sixBySecond  = "2001:db8:2::/64 dev sr-red proto vrfredist metric 20"
	byVeth       = "10.2.0.0/24 via 169.254.0.1 dev cr proto vrfredist metric 20 onlink"
	sixByVeth    = "2001:db8:2::/64 via fe80::1 dev cr proto vrfredist metric 20"
	byCustomer   = "10.9.0.0/24 via 203.0.113.9 dev lan proto vrfredist metric 20"
	customersHop = "203.0.113.9"
)

// twoTables is a story of a VRF with a further table, of which both hear what it hears.
func twoTables(t *testing.T, of vrf.Spec, own rib.Binding, tell func(l *lab, core *fakeCore)) {
	t.Helper()
	story(t, func(l *lab, _ *fakeTable) {
		core := newFakeCore()
		core.links = map[string]rib.CoreLink{"vr-red": {Index: coreVeth, Ifindex: tenantVeth, Gateway: netip.MustParseAddr("169.254.0.1"), Gateway6: netip.MustParseAddr("fe80::1")}}
		core.leads[vtepOf(sid2)], core.leads[vtepOf(sid3)] = byLabels("fd00:2:0:1::", over("fd00:a::2", 2)), byLabels("fd00:3:0:1::", over("fd00:a::3", 3))
		core.leads[vtepOf(pe2)], core.leads[vtepOf(pe3)] = byLabels(pe2, over("192.0.2.9", 2, 16002)), byLabels(pe3, over("192.0.2.9", 2, 16003))
		l.core = core
		l.device(redDevice, ownDevice, 1001)
		l.device(srRed, secondIndex, 2001)
		tenant := l.kernel.tables[own]
		l.kernel.mu.Lock()
		tenant.links[tenantVeth] = rib.Link{Index: tenantVeth, Name: "cr", Peer: coreVeth, Up: true, Admin: true, Addrs: prefixes("169.254.0.2/30", "fe80::2/64")}
		lan := rib.Link{Index: 8, Name: "lan", Up: true, Admin: true, Master: tenant.where.Device, Addrs: prefixes("203.0.113.1/24")}
		tenant.links[8] = lan
		r := connected("203.0.113.0/24", 8, 0)
		tenant.routes[r.Key()] = r
		l.kernel.mu.Unlock()
		if of.Carriage.Through != (rib.Through{}) {
			f := further(t, of)
			l.bgp.feeds[f.Name] = rib.NewCarriedFeed()
			l.converge(f.Name)
		}
		l.converge(of.Name)
		tell(l, core)
	})
}

// hearBoth gives a VRF and its further table the newest word on a path.
func (l *lab) hearBoth(paths ...rib.Path) {
	for name := range l.bgp.feeds {
		l.hear(name, paths...)
	}
}

func (l *lab) startBoth(t *testing.T, of vrf.Spec) {
	t.Helper()
	l.start(of)
	l.start(further(t, of))
	l.settle()
}

// TestTwoTables: the VRF's own table leads what other PEs sent to the further one, which puts it into
// the encapsulation and has nothing else; a PE that is lost takes it out of both.
func TestTwoTables(t *testing.T) {
	for _, tc := range []struct {
		name          string
		of            vrf.Spec
		own, further  rib.Binding
		path          func(*rib.Path)
		pe, lost      string
		six, sixthOwn string
		inOwn, inCore string
	}{
		{"a second VRF device", bySegment(), redDevice, srRed, withSID(sid2, 0, 0), "fd00:255::2", sid2, sixBySID2, sixBySecond, bySecond, bySID2},
		{"a link", behindLink(), red, redDevice, byVPN(80), pe2, pe2, sixByLabel2, sixByVeth, byVeth, byLabel2},
	} {
		t.Run(tc.name, func(t *testing.T) {
			twoTables(t, tc.of, tc.own, func(l *lab, core *fakeCore) {
				l.hearBoth(bgpPath("10.2.0.0/24", tc.pe, rd(2), byVPN(3), tc.path))
				l.hearBoth(bgpPath("2001:db8:2::/64", tc.pe, rd(2), byVPN(3), tc.path))
				l.hearBoth(bgpPath("10.9.0.0/24", customersHop, from("red")))
				l.startBoth(t, tc.of)
				l.table(tc.own, tc.inOwn, byCustomer, tc.sixthOwn)
				l.table(tc.further, tc.inCore, tc.six)
				core.says(tc.lost, rib.Lead{Err: errors.New("no route leads there")})
				l.settle()
				l.table(tc.own, byCustomer)
				l.table(tc.further)
				why := "is not reached: in the core, no route leads there"
				l.exported("red", "10.2.0.0/24", rib.Unresolved, why)
				l.exported(further(t, tc.of).Name, "10.2.0.0/24", rib.Unresolved, why)
				r := l.routes("red", vrf.Export)["10.2.0.0/24 vrfredist"].Confined("red")
				if r.Reason != rib.PENotReached {
					t.Errorf("a tenant is told %q", r.Reason)
				}
				// The VRF that the PEs are told of takes no packets by its further table.
				for _, need := range core.needs {
					if strings.Contains(need, "/") {
						t.Errorf("the core heard %q", need)
					}
				}
			})
		})
	}
}

// TestSIDs: a SID is whole, or partly in the label; it decides whether the PE is reached, and a VRF
// without one that it can use says so.
func TestSIDs(t *testing.T) {
	for _, tc := range []struct {
		name   string
		change []func(*rib.Path)
		want   string // the further table, or why not
	}{
		{"whole", []func(*rib.Path){byVPN(3), withSID(sid2, 0, 0)}, bySID2},
		{"in the label", []func(*rib.Path){byVPN(0x0100 << 4), withSID("fd00:2:0:1::", 64, 16)}, bySID2},
		{"none", []func(*rib.Path){byVPN(80)}, "it came as a VPN route with an MPLS label and no SRv6 SID, and this VRF's encap is srv6"},
		{"too long", []func(*rib.Path){byVPN(80), withSID(sid2, 64, 21)}, "21 bits are in the label, which has 20"},
		{"beyond", []func(*rib.Path){byVPN(80), withSID(sid2, 120, 16)}, "the bits 120 to 135 are in the label, and a SID has 128"},
		{"not reached", []func(*rib.Path){byVPN(3), withSID("fd00:9::", 0, 0)}, "it is being looked up in the core"},
		{"multicast", []func(*rib.Path){byVPN(3), withSID("ff02::1", 0, 0)}, "the SRv6 SID ff02::1, to which no packet can be sent"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			of := bySegment()
			twoTables(t, of, redDevice, func(l *lab, core *fakeCore) {
				l.hearBoth(bgpPath("10.2.0.0/24", "fd00:255::2", append(tc.change, rd(2))...))
				l.startBoth(t, of)
				if tc.want == bySID2 {
					l.table(srRed, bySID2)
					l.table(redDevice, bySecond)
					if core.watched[vtepOf(sid2)] != 2 || len(core.watched) != 1 {
						t.Errorf("the core is asked for %v", core.watched)
					}
					return
				}
				l.table(srRed)
				l.table(redDevice)
				l.exported("red", "10.2.0.0/24", rib.Unresolved, tc.want)
				if heard := l.confinedOf("10.2.0.0/24"); strings.Contains(heard, "fd00:") {
					t.Errorf("a tenant hears\n%s", heard)
				}
			})
		})
	}
}

// TestReduced: without a segment routing header, where the VRF has it so.
func TestReduced(t *testing.T) {
	of := bySegment()
	of.Carriage.SRv6.Reduced = true
	twoTables(t, of, redDevice, func(l *lab, core *fakeCore) {
		l.hearBoth(bgpPath("10.2.0.0/24", "fd00:255::2", rd(2), byVPN(3), withSID(sid2, 0, 0)))
		l.startBoth(t, of)
		l.table(srRed, strings.Replace(bySID2, "mode encap", "mode encap.red", 1))
	})
}

// TestTrustedNamespace: a namespace that is trusted encapsulates itself.
func TestTrustedNamespace(t *testing.T) {
	of := spec("red")
	of.Carriage = rib.Carriage{Kind: rib.EncapSRv6, Core: theCore, SRv6: rib.SRv6{SID: vtepOf("fd00:1:0:10:4::"), Trusted: true, Link: "vr-red"}}
	twoTables(t, of, red, func(l *lab, core *fakeCore) {
		l.hear("red", bgpPath("10.2.0.0/24", "fd00:255::2", rd(2), byVPN(3), withSID(sid2, 0, 0)))
		l.hear("red", bgpPath("2001:db8:2::/64", "fd00:255::2", rd(2), byVPN(3), withSID(sid2, 0, 0)))
		l.start(of)
		l.settle()
		l.table(red, "10.2.0.0/24 encap seg6 mode encap segs fd00:2:0:1:100:: via 169.254.0.1 dev cr proto vrfredist metric 20 onlink",
			"2001:db8:2::/64 encap seg6 mode encap segs fd00:2:0:1:100:: via fe80::1 dev cr proto vrfredist metric 20")
	})
}

// TestFurtherBackup: where a PE is lost its backup takes over by one message in the further table, and by
// none in the VRF's own, which leads there all the same.
func TestFurtherBackup(t *testing.T) {
	of := behindLink()
	twoTables(t, of, red, func(l *lab, core *fakeCore) {
		l.hearBoth(bgpPath("10.2.0.0/24", pe2, rd(2), pref(200), byVPN(80)))
		l.hearBoth(bgpPath("10.2.0.0/24", pe3, rd(3), byVPN(90)))
		l.startBoth(t, of)
		l.kernel.wrote()
		core.says(pe2, rib.Lead{Err: errors.New("no route leads there")})
		synctest.Wait()
		if routes, objects := l.kernel.wrote(); len(routes) > 0 || objects != "replace nexthop" {
			t.Errorf("it wrote %q and %q", routes, objects)
		}
		l.settle()
		l.table(red, byVeth)
		l.table(redDevice, byLabel3)
	})
}
