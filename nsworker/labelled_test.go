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

const (
	byLabel2    = "10.2.0.0/24 encap mpls 16002/80 via 192.0.2.9 dev eth0 proto vrfredist metric 20 onlink"
	sixByLabel2 = "2001:db8:2::/64 encap mpls 16002/80 via ::ffff:192.0.2.9 dev eth0 proto vrfredist metric 20 onlink"
	byLabel3    = "10.2.0.0/24 encap mpls 16003/90 via 192.0.2.9 dev eth0 proto vrfredist metric 20 onlink"
)

// TestLabelled: a path of another PE goes out with its label behind those of the core, in both
// families, by one object each; and a tenant is told nothing of the core.
func TestLabelled(t *testing.T) {
	labelledStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
		l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byVPN(80)))
		l.hear("red", bgpPath("10.3.0.0/24", pe2, rd(2), byVPN(80)))
		l.hear("red", bgpPath("2001:db8:2::/64", "::ffff:"+pe2, rd(2), byVPN(80)))
		l.start(labelled())
		l.settle()
		l.table(redDevice, byLabel2, strings.Replace(byLabel2, "10.2.", "10.3.", 1), sixByLabel2)
		if _, objects := l.kernel.wrote(); strings.Count(objects, "add nexthop") != 4 || strings.Contains(objects, "replace") {
			t.Errorf("a family needs one object and a group, and it wrote %s", objects)
		}
		r := l.routes("red", vrf.Export)["10.2.0.0/24 vrfredist"]
		if len(r.Encaps) != 1 || r.Encaps[0].String() != "mpls 16002/80, PE 10.255.0.2" || r.Devices[0] != "eth0" {
			t.Fatalf("the route has the encapsulations %v on %v", r.Encaps, r.Devices)
		}
		c := r.Confined("red")
		if got := c.Encaps[0].String(); got != "mpls" || c.Route.Hops[0].Gateway.IsValid() || c.Route.Hops[0].Encap != (rib.Encap{}) || c.Devices[0] != "" || c.Best.Attrs.Nexthop.IsValid() {
			t.Errorf("the tenant is shown %q, %v on %q by %v", got, c.Route.Hops, c.Devices, c.Best.Attrs.Nexthop)
		}
		if len(core.watched) != 1 || core.watched[vtepOf(pe2)] != 2 {
			t.Errorf("the core is asked for %v", core.watched)
		}
		l.unhear("red", "10.2.0.0/24", 2)
		l.unhear("red", "10.3.0.0/24", 2)
		l.unhear("red", "2001:db8:2::/64", 2)
		l.settle()
		l.table(redDevice)
	})
}

// TestLabelledOverCores: a label of 3 is none, a PE on the link is its own gateway, several ways are a
// group, and what encapsulates otherwise leads nowhere.
func TestLabelledOverCores(t *testing.T) {
	for _, tc := range []struct {
		name string
		hops []rib.Hop
		want []string // the table, or why not
	}{
		{"no label", []rib.Hop{over("192.0.2.9", 2)}, []string{strings.Replace(byLabel2, "16002/80", "80", 1), strings.Replace(sixByLabel2, "16002/80", "80", 1)}},
		{"implicit null", []rib.Hop{over("192.0.2.9", 2, 3)}, []string{strings.Replace(byLabel2, "16002/80", "80", 1), strings.Replace(sixByLabel2, "16002/80", "80", 1)}},
		{"several labels", []rib.Hop{over("192.0.2.9", 2, 17, 0, 3, 18)}, []string{strings.Replace(byLabel2, "16002/80", "17/0/18/80", 1), strings.Replace(sixByLabel2, "16002/80", "17/0/18/80", 1)}},
		{"on the link", []rib.Hop{over("", 2)}, []string{
			strings.Replace(strings.Replace(byLabel2, "16002/80", "80", 1), "192.0.2.9", pe2, 1),
			strings.Replace(strings.Replace(sixByLabel2, "16002/80", "80", 1), "192.0.2.9", pe2, 1),
		}},
		{"by IPv6", []rib.Hop{over("fe80::9", 2, 16002)}, []string{
			"10.2.0.0/24 encap mpls 16002/80 via inet6 fe80::9 dev eth0 proto vrfredist metric 20",
			"2001:db8:2::/64 encap mpls 16002/80 via fe80::9 dev eth0 proto vrfredist metric 20",
		}},
		{"two ways", []rib.Hop{over("192.0.2.9", 2, 16002), {Gateway: netip.MustParseAddr("198.51.100.9"), Ifindex: 3, Weight: 2, Encap: rib.ByMPLS(rib.LabelStack(17002))}}, []string{
			"10.2.0.0/24 proto vrfredist metric 20\n\tnexthop encap mpls 16002/80 via 192.0.2.9 dev eth0 weight 1 onlink\n\tnexthop encap mpls 17002/80 via 198.51.100.9 dev eth1 weight 2 onlink",
			"2001:db8:2::/64 proto vrfredist metric 20\n\tnexthop encap mpls 16002/80 via ::ffff:192.0.2.9 dev eth0 weight 1 onlink\n\tnexthop encap mpls 17002/80 via ::ffff:198.51.100.9 dev eth1 weight 2 onlink",
		}},
		{"one way twice", []rib.Hop{over("192.0.2.9", 2, 3), over("192.0.2.9", 2)}, []string{strings.Replace(byLabel2, "16002/80", "80", 1), strings.Replace(sixByLabel2, "16002/80", "80", 1)}},
		{"another encapsulation", []rib.Hop{{Gateway: netip.MustParseAddr("192.0.2.9"), Ifindex: 2, Encap: rib.EncapOf(2)}}, []string{"in the core, the route 10.255.0.2/32 encapsulates (encap ip), and no label goes behind that"}},
		{"unknown labels", []rib.Hop{{Gateway: netip.MustParseAddr("192.0.2.9"), Ifindex: 2, Encap: rib.EncapOf(rib.EncapMPLS)}}, []string{"in the core, the route 10.255.0.2/32 encapsulates (encap mpls), and no label goes behind that"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			labelledStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
				core.leads[vtepOf(pe2)] = byLabels(pe2, tc.hops...)
				l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byVPN(80)))
				l.hear("red", bgpPath("2001:db8:2::/64", "::ffff:"+pe2, rd(2), byVPN(80)))
				l.start(labelled())
				l.settle()
				if len(tc.want) == 2 {
					l.table(redDevice, tc.want...)
					return
				}
				l.table(redDevice)
				l.exported("red", "10.2.0.0/24", rib.Unresolved, tc.want[0])
			})
		})
	}
}

// TestLabelledOrNot: what has no label that the VRF can use is not reached, and never forwarded plainly;
// without an encapsulation VPN routes are plain.
func TestLabelledOrNot(t *testing.T) {
	for _, tc := range []struct {
		change []func(*rib.Path)
		want   string
	}{
		{[]func(*rib.Path){byVPN(0)}, "it came as a VPN route without an MPLS label"},
		{[]func(*rib.Path){byVPN(3)}, "it came as a VPN route with the label 3, which means the same to every router and names no VRF"},
		{[]func(*rib.Path){byVPN(15)}, "with the label 15"},
		{[]func(*rib.Path){byVPN(1 << 20)}, "with the label 1048576, and a label has 20 bits"},
		{[]func(*rib.Path){byVPN(4096), withSID("fd00:2:0:1::", 64, 16)}, "it came as a VPN route with an SRv6 SID and no label of its own, and this VRF's encap is mpls"},
		{[]func(*rib.Path){byVPN(3), withSID("fd00:2:0:1:100::", 0, 0)}, "no label of its own"},
		{[]func(*rib.Path){byEVPN(100, peMAC)}, "it came by EVPN, and this VRF's encap is mpls"},
	} {
		labelledStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
			l.hear("red", bgpPath("10.2.0.0/24", pe2, append(tc.change, rd(2))...))
			l.start(labelled())
			l.settle()
			l.table(redDevice)
			l.exported("red", "10.2.0.0/24", rib.Unresolved, "PE 10.255.0.2 is not reached: ")
			l.exported("red", "10.2.0.0/24", rib.Unresolved, tc.want)
			if heard := l.confinedOf("10.2.0.0/24"); strings.Contains(heard, "10.255.0.") || strings.Contains(heard, "fd00:2") {
				t.Errorf("a tenant hears\n%s", heard)
			}
		})
	}
	labelledStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
		s := labelled()
		s.Carriage = rib.Carriage{}
		table.set(via("192.0.2.0/24", "192.0.2.1", 2, rib.ProtoStatic, 0))
		l.hear("red", bgpPath("10.2.0.0/24", "192.0.2.9", rd(2), byVPN(80)))
		l.start(s)
		l.settle()
		if got := table.String(); !strings.Contains(got, "10.2.0.0/24 via 192.0.2.1 dev eth0") {
			t.Errorf("a plain VRF has\n%s", got)
		}
	})
}

// TestLabelledFailover: another label, or interface, by which the core reaches a PE is one message,
// whatever hangs on it; a PE that is lost leaves its place to the backup by one message, and with none
// its routes go.
func TestLabelledFailover(t *testing.T) {
	for _, n := range []int{1, 10_000} {
		t.Run(fmt.Sprint(n), func(t *testing.T) {
			labelledStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
				f := l.feed("red")
				for _, list := range [][]rib.Path{many(n, pe2, rd(2), pref(200), byVPN(80)), many(n, pe3, rd(3), byVPN(90))} {
					for i := range list {
						f.Set(list[i].Prefix, list[i].RD, list[i:i+1])
					}
				}
				l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byVPN(80))) // in a set of its own, without a backup
				l.start(labelled())
				l.settle()
				l.kernel.wrote()
				expect := func(what, objects, hop string) {
					t.Helper()
					synctest.Wait()
					routes, got := l.kernel.wrote()
					if len(routes) > 0 || got != objects {
						t.Errorf("%s: it wrote %q, and %d routes", what, got, len(routes))
					}
					l.settle()
					if routes, _ := l.kernel.wrote(); len(routes) > 0 {
						t.Errorf("%s: afterwards it wrote %d routes", what, len(routes))
					}
					if got := strings.Count(strings.ReplaceAll(table.String(), "10.2.0.0/24"+hop, ""), hop); got != n {
						t.Errorf("%s: %d routes go by %q", what, got, hop)
					}
				}
				core.says(pe2, byLabels(pe2, over("192.0.2.9", 2, 17002)))
				expect("another label", "replace nexthop", " encap mpls 17002/80 via 192.0.2.9 dev eth0")
				core.says(pe2, byLabels(pe2, over("198.51.100.9", 3)))
				expect("another interface", "replace nexthop", " encap mpls 80 via 198.51.100.9 dev eth1")
				core.says(pe2, byLabels(pe2, over("192.0.2.9", 2, 16002)))
				expect("and back", "replace nexthop", " encap mpls 16002/80 via 192.0.2.9 dev eth0")
				l.unhear("red", "10.2.0.0/24", 2)
				l.settle()
				l.kernel.wrote()
				core.says(pe2, rib.Lead{Err: errors.New("no route leads there")})
				expect("the PE is lost", "replace nexthop", " encap mpls 16003/90 via 192.0.2.9 dev eth0")
				core.says(pe2, byLabels(pe2, over("192.0.2.9", 2, 16002)))
				l.settle()
				core.says(pe2, rib.Lead{Err: errors.New("no route leads there")})
				core.says(pe3, rib.Lead{Err: errors.New("no route leads there")})
				l.settle()
				l.table(redDevice)
			})
		})
	}
}

// TestLabelledRestart: after a restart nothing is written that stands, also where an object stands for
// another way than the one that it was made for; and what the core does otherwise since then is put
// right.
func TestLabelledRestart(t *testing.T) {
	labelledStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
		l.hear("red", bgpPath("10.2.0.0/24", pe2, rd(2), byVPN(80)))
		l.hear("red", bgpPath("2001:db8:2::/64", "::ffff:"+pe2, rd(2), byVPN(80)))
		l.start(labelled())
		l.settle()
		core.says(pe2, byLabels(pe2, over("192.0.2.9", 2, 17002)))
		l.settle()
		l.stop("red", vrf.ErrExit)
		l.kernel.wrote()
		l.start(labelled())
		l.settle()
		l.table(redDevice, strings.Replace(byLabel2, "16002", "17002", 1), strings.Replace(sixByLabel2, "16002", "17002", 1))
		if routes, objects := l.kernel.wrote(); len(routes) > 0 || objects != "" {
			t.Errorf("it wrote %q and %q", routes, objects)
		}
		core.says(pe2, byLabels(pe2, over("192.0.2.9", 2, 18002)))
		synctest.Wait()
		if routes, objects := l.kernel.wrote(); len(routes) > 0 || objects != "replace nexthop, replace nexthop" {
			t.Errorf("it wrote %q and %q", routes, objects)
		}
		l.stop("red", vrf.ErrExit)
		core.mu.Lock()
		core.leads[vtepOf(pe2)] = byLabels(pe2, over("192.0.2.9", 2, 16002))
		core.mu.Unlock()
		l.start(labelled())
		l.settle()
		l.table(redDevice, byLabel2, sixByLabel2)
		if n := l.kernel.litter(9); n != 0 {
			t.Errorf("%d objects are left that no route uses", n)
		}
		l.stop("red", vrf.ErrRemoved)
		if l.table(redDevice); len(core.watched) > 0 || l.kernel.litter(9) > 0 {
			t.Errorf("a VRF that went leaves %v and %d objects", core.watched, l.kernel.litter(9))
		}
	})
}

// TestLabelOfEachPrefix: a PE that gives each prefix a label of its own is reached by each.
func TestLabelOfEachPrefix(t *testing.T) {
	labelledStory(t, func(l *lab, table *fakeTable, core *fakeCore) {
		via := &rib.Via{}
		for i := range 3 {
			p := bgpPath(fmt.Sprintf("10.2.%d.0/24", i), pe2, rd(2), byVPN(80+uint32(i)))
			if i == 0 {
				via = p.Attrs.Via
			}
			p.Attrs.Via = via // as GoBGP's decoder shares it
			l.hear("red", p)
		}
		l.start(labelled())
		l.settle()
		var want []string
		for i := range 3 {
			want = append(want, fmt.Sprintf("10.2.%d.0/24 encap mpls 16002/%d via 192.0.2.9 dev eth0 proto vrfredist metric 20 onlink", i, 80+i))
		}
		l.table(redDevice, want...)
	})
}
