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

// TestVRFWithoutEntrance: a VRF by which no packets of other PEs come in, or go out, says so, and PEs
// are told of none of its routes until they do.
func TestVRFWithoutEntrance(t *testing.T) {
	inCore := "an end of a veth in the core has another name"
	for _, tc := range []struct {
		name         string
		of           vrf.Spec
		own          rib.Binding
		change       func(tenant *fakeTable, core *fakeCore)
		deaf         bool
		state        vrf.State
		want, tenant string
	}{
		{"all there, labels", labelled(), redDevice, nil, false, vrf.Ready, "", ""},
		{"all there, SIDs", bySegment(), redDevice, nil, false, vrf.Ready, "", ""},
		{"all there, a link", behindLink(), red, nil, false, vrf.Ready, "", ""},
		{"the label is taken", labelled(), redDevice, func(_ *fakeTable, core *fakeCore) { core.entrance = "label 100 is another program's" }, true, vrf.Degraded, "label 100 is another program's", "other PEs cannot send to this VRF now"},
		{"the device is down", labelled(), redDevice, func(k *fakeTable, _ *fakeCore) {
			k.change(ownDevice, func(l *rib.Link) { l.Up, l.Admin = false, false })
		}, true, vrf.Degraded, "the device red is down", ""},
		{"no second device", bySegment(), redDevice, func(k *fakeTable, _ *fakeCore) { k.change(secondIndex, func(l *rib.Link) { l.Name = "sr-x" }) }, false, vrf.Degraded, "the VRF has no device sr-red; make it, or write manage_links = true in [netlink]", "the VRF has no device sr-red"},
		{"second device is none", bySegment(), redDevice, func(k *fakeTable, _ *fakeCore) { k.change(secondIndex, func(l *rib.Link) { l.VRFTable = 0 }) }, false, vrf.Degraded, "the device sr-red is no VRF device, and SRv6 needs one beside the VRF's own", ""},
		{"second device is down", bySegment(), redDevice, func(k *fakeTable, _ *fakeCore) {
			k.change(secondIndex, func(l *rib.Link) { l.Up, l.Admin = false, false })
		}, false, vrf.Degraded, "the device sr-red is down", ""},
		{"no link", behindLink(), red, func(_ *fakeTable, core *fakeCore) { core.fails = errors.New(inCore) }, true, vrf.Degraded, inCore, "the link to the core cannot be used"},
		{"a link elsewhere", behindLink(), red, func(k *fakeTable, _ *fakeCore) { k.change(tenantVeth, func(l *rib.Link) { l.Peer = 61 }) }, true, vrf.Degraded, "the other end of vr-red in the core is not in this VRF's namespace", "the link to the core cannot be used"},
		{"the link is down", behindLink(), red, func(k *fakeTable, _ *fakeCore) {
			k.change(tenantVeth, func(l *rib.Link) { l.Up, l.Admin = false, false })
		}, true, vrf.Degraded, "cr, the other end of vr-red in the core, is down", "the link to the core cannot be used"},
		{"the link has no address", behindLink(), red, func(k *fakeTable, _ *fakeCore) { k.change(tenantVeth, func(l *rib.Link) { l.Addrs = nil }) }, true, vrf.Degraded, "cr, by which packets of other PEs come in, has no address", ""},
		{"the link is another VRF's", behindLink(), red, func(k *fakeTable, _ *fakeCore) { k.change(tenantVeth, func(l *rib.Link) { l.Master = ownDevice }) }, true, vrf.Degraded, "cr, the other end of vr-red in the core, does not belong to this VRF", "the link to the core cannot be used"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			twoTables(t, tc.of, tc.own, func(l *lab, core *fakeCore) {
				tenant := l.kernel.tables[tc.own]
				tenant.change(ownDevice, func(l *rib.Link) { *l = rib.Link{Index: ownDevice, Name: "red", Up: true, Admin: true, VRFTable: 1001} })
				before := tenant.links
				if tc.change != nil {
					tc.change(tenant, core)
				}
				l.start(tc.of)
				l.settle()
				expect := func(state vrf.State, why, toTenant string, deaf bool) {
					t.Helper()
					st := l.state("red")
					if st.State != state || !strings.HasPrefix(st.Reason, why) || (why == "") != (st.Reason == "") || st.ToTenant != toTenant || l.bgp.deaf["red"] != deaf {
						t.Errorf("it is %s: %q, to a tenant %q, deaf %t", st.State, st.Reason, st.ToTenant, l.bgp.deaf["red"])
					}
				}
				expect(tc.state, tc.want, tc.tenant, tc.deaf)
				core.mu.Lock()
				core.entrance, core.fails = "", nil
				core.mu.Unlock()
				tenant.changed(before)
				core.says(pe2, core.leads[netip.MustParseAddr(pe2)])
				l.settle()
				expect(vrf.Ready, "", "", false)
				core.mu.Lock()
				core.entrance = "label 100 is not there"
				core.mu.Unlock()
				core.says(pe2, core.leads[netip.MustParseAddr(pe2)]) // news
				synctest.Wait()
				expect(vrf.Degraded, "label 100 is not there", "other PEs cannot send to this VRF now", true)
				l.stop("red", vrf.ErrRemoved)
				if last := core.needs[len(core.needs)-1]; last != "drop red" {
					t.Errorf("at its end the core hears %q", last)
				}
			})
		})
	}
}

// TestNeedInside: the core is told where packets are to be delivered, and when that changes.
func TestNeedInside(t *testing.T) {
	of := behindLink()
	twoTables(t, of, red, func(l *lab, core *fakeCore) {
		l.start(of)
		l.settle()
		want := rib.Inside{Via: vtepOf("169.254.0.2"), Via6: vtepOf("fe80::2")}
		if got := core.inside["red"]; got != want {
			t.Errorf("the core was told %+v", got)
		}
		l.kernel.tables[red].change(tenantVeth, func(k *rib.Link) { k.Addrs = prefixes("169.254.0.6/30") })
		l.settle()
		if got, want := core.inside["red"], (rib.Inside{Via: vtepOf("169.254.0.6")}); got != want {
			t.Errorf("the core was told %+v", got)
		}
		l.kernel.tables[red].change(tenantVeth, func(k *rib.Link) { k.Up, k.Admin = false, false })
		l.settle()
		if got := core.inside["red"]; got != (rib.Inside{}) {
			t.Errorf("the core was told %+v", got)
		}
	})
	device := bySegment()
	twoTables(t, device, redDevice, func(l *lab, core *fakeCore) {
		l.startBoth(t, device)
		if got, want := core.inside["red"], (rib.Inside{Device: ownDevice, Table: 1001}); got != want || len(core.inside) != 1 {
			t.Errorf("the core was told %+v", core.inside)
		}
	})
}

// TestFurtherTableToATenant: who may know of the VRF alone hears nothing of the core, in neither table and
// in no state of a route.
func TestFurtherTableToATenant(t *testing.T) {
	for _, of := range []vrf.Spec{bySegment(), behindLink()} {
		own, path, pe, lost := redDevice, withSID(sid2, 0, 0), "fd00:255::2", sid2
		other, backup, second := withSID(sid3, 0, 0), "fd00:255::3", sid3
		if of.Carriage.Kind == rib.EncapMPLS {
			own, path, pe, lost = red, byVPN(80), pe2, pe2
			other, backup, second = byVPN(90), pe3, pe3
		}
		of.ImportRTs = []rib.RT{1}
		twoTables(t, of, own, func(l *lab, core *fakeCore) {
			l.hearBoth(bgpPath("10.2.0.0/24", pe, rd(2), pref(200), byVPN(3), path))
			l.hearBoth(bgpPath("10.2.0.0/24", backup, rd(3), byVPN(3), other))
			l.startBoth(t, of)
			for _, reached := range []bool{true, false} {
				if !reached {
					for _, pe := range []string{lost, second} {
						core.says(pe, rib.Lead{Err: errors.New("no route leads there")})
					}
					l.settle()
				}
				for _, name := range []string{"red", further(t, of).Name} {
					x, err := l.worker(name).Explain(l.t.Context(), rib.Question{Prefix: netip.MustParsePrefix("10.2.0.0/24"), Confined: true})
					if err != nil {
						t.Fatal(err)
					}
					r := l.routes(name, vrf.Export)["10.2.0.0/24 vrfredist"].Confined("red")
					heard := text(x.Export) + x.Verdict + r.Reason + r.Best.String() + r.Backup.String() + strings.Join(r.Devices, " ") + r.Route.String()
					if (r.Backup.Attrs != nil) != reached {
						t.Errorf("%s, reached: %t: the backup is %v", name, reached, r.Backup)
					}
					for _, e := range r.Encaps {
						heard += e.String()
					}
					for _, secret := range []string{"10.255.0.", "fd00:", "192.0.2.9", "16002", "eth0", bgpPeer} {
						if strings.Contains(heard, secret) {
							t.Errorf("%s, reached: %t: it says %q:\n%s", name, reached, secret, heard)
						}
					}
				}
			}
		})
	}
}

// TestExplainOtherPEs: an explanation has a step for the label, or the SID, and one for the core.
func TestExplainOtherPEs(t *testing.T) {
	labelledStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
		l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byVPN(80)))
		l.hear("red", bgpPath("10.3.0.0/24", pe2, rd(2), byVPN(3)))
		l.start(labelled())
		l.settle()
		has := func(prefix, stoppedBy string, want ...string) {
			t.Helper()
			x := l.explained("red", prefix)
			for _, w := range want {
				if got := text(x.Export); !strings.Contains(got, w) {
					t.Errorf("it does not say %q:\n%s", w, got)
				}
			}
			if x.StoppedBy != stoppedBy {
				t.Errorf("%s is stopped by %q", prefix, x.StoppedBy)
			}
		}
		has("10.2.0.0/24", "", "passed label: 1 of 1 path has one that this VRF can use\n  mpls 80, PE 10.255.0.2\n",
			"passed PE reachable in core: 1 of 1 PE is reached\n  PE 10.255.0.2 is reached by 10.255.0.2 ",
			"passed nexthop: its PE is reached over the core\n  encap mpls 16002/80 via 192.0.2.9 dev eth0, PE 10.255.0.2; in the core the PE is reached by 10.255.0.2 ")
		has("10.3.0.0/24", "label", "stopped label: it came as a VPN route with the label 3", "noted nexthop: PE 10.255.0.2 is not reached")
		core.says(pe2, rib.Lead{Err: errors.New("no route leads there")})
		l.settle()
		has("10.2.0.0/24", "PE reachable in core", "stopped PE reachable in core: 0 of 1 PE is reached\n  PE 10.255.0.2: in the core, no route leads there\n")
	})
	of := bySegment()
	twoTables(t, of, redDevice, func(l *lab, core *fakeCore) {
		l.hearBoth(bgpPath("10.2.0.0/24", "fd00:255::2", rd(2), byVPN(3), withSID(sid2, 0, 0)))
		l.hearBoth(bgpPath("10.9.0.0/24", customersHop, from("red")))
		l.startBoth(t, of)
		for name, want := range map[string]string{
			"red":        "encap srv6 fd00:2:0:1:100::, PE fd00:255::2: through sr-red; in the core the PE is reached by ",
			"red/sr-red": "encap srv6 fd00:2:0:1:100:: dev eth0, PE fd00:255::2; in the core the PE is reached by ",
		} {
			if got := text(l.explained(name, "10.2.0.0/24").Export); !strings.Contains(got, want) || !strings.Contains(got, "passed SID: ") || !strings.Contains(got, "SID fd00:2:0:1:100:: of PE fd00:255::2 is reached by ") {
				t.Errorf("%s does not say %q:\n%s", name, want, got)
			}
		}
		if x := l.explained("red/sr-red", "10.9.0.0/24"); x.Export.StoppedBy != "other PEs" {
			t.Errorf("what a customer sent is stopped by %q:\n%s", x.Export.StoppedBy, text(x.Export))
		}
	})
}
