package nsworker

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// TestVRFWithoutDevice: a VRF whose device is missing or wrong says so once, whatever routes it
// has, and to who may not know of the core without its addresses.
func TestVRFWithoutDevice(t *testing.T) {
	managed := overVXLAN()
	managed.Carriage.Managed = true
	gone := func(k *rib.Link) { k.Name = "vx7" }
	for _, tc := range []struct {
		name         string
		of           vrf.Spec
		device       func(*rib.Link)
		making       string
		state        vrf.State
		want, tenant string
	}{
		{"there", overVXLAN(), nil, "", vrf.Ready, "", ""},
		{"missing", overVXLAN(), gone, "", vrf.Degraded, "the VRF has no device vx100; make it, or write manage_links = true in [netlink]", "the VRF has no device vx100"},
		{"wrong VNI", overVXLAN(), func(k *rib.Link) { k.VXLAN.VNI = 7 }, "", vrf.Degraded, "the device vx100 has the VNI 7, and this VRF's is 100", ""},
		{
			"wrong address", overVXLAN(), func(k *rib.Link) { k.VXLAN.Local = vtepOf(pe2) }, "", vrf.Degraded,
			"the device vx100 has the local address 10.255.0.2, and this VRF's is 10.255.0.1", "the device vx100 has another local address than this VRF's",
		},
		{
			"wrong MAC", overVXLAN(), func(k *rib.Link) { k.VXLAN.MAC = pe3MAC }, "", vrf.Degraded,
			"the device vx100 has the MAC address 02:00:00:00:03:01, and other PEs send to 02:00:00:00:01:01; run: ip link set vx100 address 02:00:00:00:01:01",
			"the device vx100 has another MAC address than other PEs send to",
		},
		{"being made", managed, gone, "", vrf.Syncing, "", ""},
		{"not made", managed, gone, "the namespace core is not there", vrf.Degraded, "the device vx100 cannot be made: the namespace core is not there", "the device vx100 cannot be made"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			carriedStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
				core.making = tc.making
				if tc.device != nil {
					table.vxlan(tc.device)
				}
				l.start(tc.of)
				l.settle()
				st := l.state("red")
				if st.State != tc.state || st.Reason != tc.want || st.ToTenant != tc.tenant || st.Carried.Device != (tc.state == vrf.Ready) {
					t.Errorf("it is %s: %q, to a tenant %q, %+v", st.State, st.Reason, st.ToTenant, st.Carried)
				}
				l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byEVPN(100, peMAC)))
				l.settle()
				if st := l.state("red"); st.Reason != "" && !strings.HasPrefix(st.Reason, tc.want+"; 1 unresolved") {
					t.Errorf("with a route it is %s: %q", st.State, st.Reason)
				}
				core.mu.Lock()
				core.making = ""
				core.mu.Unlock()
				table.vxlan()
				l.settle()
				if st := l.state("red"); st.State != vrf.Ready || st.Reason+st.ToTenant != "" || st.Carried != (vrf.Carried{Endpoints: 1, Device: true}) || st.Objects == 0 {
					t.Errorf("with its device it is %s: %q, %+v, %d objects", st.State, st.Reason, st.Carried, st.Objects)
				}
			})
		})
	}
}

// TestCarriedToATenant: who may know of the VRF alone is shown its VNI and device, and of the core
// nothing: in no state of a route, and in both families.
func TestCarriedToATenant(t *testing.T) {
	lost := rib.Lead{Err: errors.New("no route leads there")}
	for _, prefix := range []string{"10.5.0.0/16", "2001:db8:5::/64"} {
		for _, tc := range []struct {
			name string
			run  func(l *lab, table *fakeTable, core *fakeCore)
			says []string
		}{
			{"reached", func(*lab, *fakeTable, *fakeCore) {}, []string{"encap vxlan 100, to a PE that is reached", "of another PE", prefix + " metric 20 (ours)"}},
			{"unreached", func(_ *lab, _ *fakeTable, core *fakeCore) { core.says(pe2, lost) }, []string{rib.PENotReached}},
			{"two PEs", func(l *lab, _ *fakeTable, _ *fakeCore) {
				l.hear("red", bgpPath(prefix, pe3, rd(3), byEVPN(100, pe3MAC)))
			}, []string{"used as well: of another PE"}},
			{"a backup", func(l *lab, _ *fakeTable, _ *fakeCore) {
				l.hear("red", bgpPath(prefix, pe3, rd(3), pref(50), byEVPN(100, pe3MAC)))
			}, []string{"it takes over in one message where the link stays\n", "of another PE"}},
			{"no device", func(_ *lab, table *fakeTable, _ *fakeCore) {
				table.vxlan(func(k *rib.Link) { k.VXLAN.Local = vtepOf(pe3) })
			}, []string{rib.PENotReached}},
			{"a VPN route", func(l *lab, _ *fakeTable, core *fakeCore) {
				core.says(pe2, lost)
				l.hear("red", bgpPath(prefix, pe2, rd(2), func(p *rib.Path) { p.Label, p.Attrs.Carrier = 80, rib.ByVPN }))
			}, []string{rib.PENotReached}},
			{"stale", func(l *lab, _ *fakeTable, _ *fakeCore) {
				l.stop("red", vrf.ErrExit)
				l.unhear("red", prefix, 2)
				for of := range rib.Families {
					l.feed("red").SetConverged(of, false)
				}
				l.start(overVXLAN())
			}, []string{prefix + " metric 20 (ours)"}},
			{"no encap", func(l *lab, _ *fakeTable, _ *fakeCore) {
				l.stop("red", vrf.ErrRemoved)
				s := spec("red")
				s.ImportRTs = []rib.RT{1}
				l.start(s)
			}, []string{rib.PENotReached}},
		} {
			t.Run(tc.name+" "+prefix, func(t *testing.T) {
				carriedStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
					l.hear("red", bgpPath(prefix, pe2, rd(2), byEVPN(100, peMAC)))
					s := overVXLAN()
					s.ImportRTs = []rib.RT{1}
					l.start(s)
					l.settle()
					tc.run(l, table, core)
					synctest.Wait()
					heard := l.confinedOf(prefix)
					for _, want := range tc.says {
						if !strings.Contains(heard, want) {
							t.Errorf("it does not say %q:\n%s", want, heard)
						}
					}
					for _, secret := range []string{"10.255.0.", "fe80::aff", "02:00:00:00:0", "0:2", bgpPeer} {
						if strings.Contains(heard, secret) {
							t.Errorf("it says %q:\n%s", secret, heard)
						}
					}
				})
			})
		}
	}
}

// confinedOf is all that one hears of a prefix who may know of VRF red alone.
func (l *lab) confinedOf(prefix string) string {
	heard := l.confined(prefix)
	if r, is := l.routes("red", vrf.Export)[prefix]; is {
		r = r.Confined("red")
		heard += fmt.Sprint("\n", r.Encaps, r.Backup)
	}
	return heard
}

// TestRehearsalOverCore: a plan has the device that would be made, asks the core for PEs that
// nobody asked for yet, and gives them back.
func TestRehearsalOverCore(t *testing.T) {
	carriedStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
		table.vxlan(func(k *rib.Link) { k.Name = "vx7" })
		plain := spec("red")
		l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byEVPN(100, peMAC)))
		l.start(plain)
		l.settle()
		core.mu.Lock()
		watched := len(core.watched)
		core.found = map[netip.Addr]rib.Lead{vtepOf(pe2): reachedPE(pe2)}
		delete(core.leads, vtepOf(pe2))
		core.mu.Unlock()
		next := overVXLAN()
		next.Carriage.Managed = true
		got := strings.Join(l.rehearsed(plain, next), "\n")
		if !strings.Contains(got, "add "+byPE2) {
			t.Errorf("the plan is\n%s", got)
		}
		core.mu.Lock()
		defer core.mu.Unlock()
		if len(core.watched) != watched || core.watched[vtepOf(pe2)] > 1 || len(core.followers) > 0 || len(core.needs) > 0 {
			t.Errorf("it leaves %v, %d followers, and asked for %v", core.watched, len(core.followers), core.needs)
		}
	})
}
