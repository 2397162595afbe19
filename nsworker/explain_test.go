package nsworker

import (
	"net/netip"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// explained asks red about a prefix or an address.
func (l *lab) explained(name, what string) rib.Explanation {
	l.t.Helper()
	prefix, err := netip.ParsePrefix(what)
	if err != nil {
		addr := netip.MustParseAddr(what)
		prefix = netip.PrefixFrom(addr, addr.BitLen())
	}
	x, err := l.worker(name).Explain(l.t.Context(), rib.Question{Prefix: prefix, Longest: err != nil})
	if err != nil {
		l.t.Fatalf("explain %s: %v", what, err)
	}
	for _, w := range []rib.Walk{x.Export, x.Import} {
		stops := 0
		for _, s := range w.Steps {
			if s.Outcome == rib.Stopped {
				stops++
			}
			if s.Text == "" || strings.HasSuffix(s.Text, ".") {
				l.t.Errorf("%s: step %s reads %q", what, s.Name, s.Text)
			}
		}
		if stops > 1 || (stops == 1) != (w.StoppedBy != "") {
			l.t.Errorf("%s: %d steps stop it, and %q is named", what, stops, w.StoppedBy)
		}
	}
	return x
}

// text is a walk in one string, for what must be in it.
func text(w rib.Walk) string {
	var b strings.Builder
	for _, s := range w.Steps {
		b.WriteString(s.Outcome.String() + " " + s.Name + ": " + s.Text + "\n")
		for _, d := range s.Details {
			b.WriteString("  " + d + "\n")
		}
	}
	return b.String() + w.Verdict
}

// A case of TestExplain: how it comes about, what is asked, and what must be
// said.
type explainCase struct {
	name    string
	run     func(l *lab, t *fakeTable)
	ask     string
	stop    string // the overall one
	exports []string
	imports []string
}

var explainCases = []explainCase{
	{
		"installed, the other RD behind",
		func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9", rd(1), pref(200)))
			l.hear("red", bgpPath("10.1.0.0/16", "198.51.100.9", rd(2)))
		},
		"10.1.0.0/16", "",
		[]string{
			"passed candidates: BGP has 2 paths", "passed best path: RD 0:1 from 192.0.2.254 (AS 65001), nexthop 192.0.2.9",
			"behind by local preference: RD 0:2", "192.0.2.9 is reached by 192.0.2.0/24 dev eth0 proto kernel scope link: through 192.0.2.9 on eth0",
			"passed kernel: the kernel confirmed", "10.1.0.0/16 nhid ", "dev eth0 proto vrfredist metric 20 (ours)", "is in the kernel table",
		},
		[]string{"stopped kernel route: the table has only our own route"},
	},
	{
		"an address is its longest match",
		func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath("10.0.0.0/8", "192.0.2.9"))
			l.hear("red", bgpPath("10.1.0.0/16", "203.0.113.1"))
		},
		"10.1.2.3", "nexthop",
		[]string{"stopped nexthop: nexthop 203.0.113.1 is unresolved: no route in this VRF covers it", "noted kernel: the kernel was not asked", "noted table: the table has no route"},
		[]string{"stopped kernel route: the table has no route for it"},
	},
	{
		"in no RIB at all",
		func(l *lab, t *fakeTable) {},
		"172.16.0.0/12", "candidates",
		[]string{"stopped candidates: BGP has no path"}, []string{"stopped kernel route"},
	},
	{
		"a neighbour whose word was not taken",
		func(l *lab, t *fakeTable) {
			l.bgp.refused = []rib.Refusal{{Prefix: netip.MustParsePrefix("127.0.0.0/8"), Neighbour: "192.0.2.9", Reason: "no table should have this prefix"}}
		},
		"127.0.0.0/8", "guard",
		[]string{"stopped guard: 1 neighbour announced it, and what was said of it was not taken", "192.0.2.9: no table should have this prefix, at 0001", "noted candidates: BGP has no path"}, nil,
	},
	{
		"a neighbour whose word was not taken, beside another's",
		func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath("10.1.0.0/16", "203.0.113.1"))
			l.bgp.refused = []rib.Refusal{{Prefix: netip.MustParsePrefix("10.1.0.0/16"), Neighbour: "192.0.2.9", Reason: "it has our AS"}}
		},
		"10.1.0.0/16", "nexthop",
		[]string{"noted guard: 1 neighbour"}, nil,
	},
	{
		"route targets that the VRF does not import",
		func(l *lab, t *fakeTable) {
			l.bgp.unmatched = []rib.Path{bgpPath("10.1.0.0/16", "192.0.2.9", rd(7), func(p *rib.Path) { p.Attrs.RTs = []rib.RT{2} })}
		},
		"10.1.0.0/16", "route targets",
		[]string{"passed candidates: BGP has 1 path", "stopped route targets: no path carries a route target that the VRF imports (0x0000000000000001)", "RD 0:7 has 0x0000000000000002: does not match"},
		nil,
	},
	{
		"the community that the filter asks for is missing",
		func(l *lab, t *fakeTable) {
			s := spec("red")
			s.Export.CommunityList = []rib.Community{65001<<16 | 100}
			l.configure(s)
			l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9", community(7)))
		},
		"10.1.0.0/16", "filter",
		[]string{"stopped filter: the best path does not carry what export asks for: community 65001:100", "it carries 0:7"},
		nil,
	},
	{
		"over the quota",
		func(l *lab, t *fakeTable) {
			s := spec("red")
			s.Export.MaxRoutes = 1
			l.configure(s)
			l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
			l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"))
		},
		"10.2.0.0/16", "quota",
		[]string{"stopped quota: the VRF has its max_routes, 1"}, nil,
	},
	{
		"refused by the kernel",
		func(l *lab, t *fakeTable) {
			t.refuse[netip.MustParsePrefix("10.1.0.0/16")] = syscall.ENOBUFS
			l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		},
		"10.1.0.0/16", "kernel",
		[]string{"passed nexthop", "stopped kernel: no buffer space available; it is tried again"}, nil,
	},
	{
		"another program has the key",
		func(l *lab, t *fakeTable) {
			t.set(via("10.1.0.0/16", "198.51.100.7", 3, rib.ProtoStatic, 20))
			l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		},
		// The foreign route goes into BGP; ours does not into the kernel.
		"10.1.0.0/16", "",
		[]string{"stopped kernel: another program's route has this prefix and metric", "10.1.0.0/16 via 198.51.100.7 dev eth1 proto static metric 20 (another program's: proto static)"},
		[]string{"passed announcement: BGP has it, with MED 20", "announced to BGP"},
	},
	{
		"the VRF's own import",
		func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath("192.0.2.0/24", "0.0.0.0", imported("red")))
		},
		"192.0.2.0/24", "",
		[]string{"stopped own import: the best path is this VRF's own import"},
		[]string{"passed kernel route: the table has 1 route other than ours", "192.0.2.0/24 dev eth0 proto kernel scope link: taken"},
	},
	{
		"import leaves out an interface",
		func(l *lab, t *fakeTable) {
			s := spec("red")
			s.Import.Interfaces = []string{"eth1"}
			l.configure(s)
		},
		"192.0.2.0/24", "rules",
		nil, []string{"stopped rules: interface eth0 matches nothing in interface_list (eth1)", "noted announcement"},
	},
	{
		"BGP does not answer, and the VRF has a path",
		func(l *lab, t *fakeTable) {
			l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
			l.bgp.mute = errInjected
		},
		"10.1.0.0/16", "",
		[]string{"passed candidates: BGP has 1 path", "passed best path"}, nil,
	},
	{
		"BGP does not answer, and the VRF has none",
		func(l *lab, t *fakeTable) { l.bgp.mute = errInjected },
		"10.1.0.0/16", "candidates",
		[]string{"BGP could not be asked for others: injected failure"}, nil,
	},
	{
		"a leak",
		func(l *lab, t *fakeTable) {
			s := spec("leaky")
			s.Binding = rib.Binding{Netns: "red", Table: 1001}
			l.kernel.add(s.Binding, t.where.Inode)
			l.start(s)
			l.hear("red", bgpPath("10.5.0.0/16", "192.0.2.9", from("leaky")))
		},
		"10.5.0.0/16", "",
		[]string{`192.0.2.9 in VRF "leaky" is reached by 192.0.2.0/24 dev eth0`}, nil,
	},
	{
		"export is off",
		func(l *lab, t *fakeTable) {
			s := spec("red")
			s.Export.Enabled = false
			l.configure(s)
			l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		},
		"10.1.0.0/16", "export",
		[]string{"stopped export: export is off for this VRF; turn it on", "noted nexthop"}, nil,
	},
}

func TestExplain(t *testing.T) {
	for _, tc := range explainCases {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t)
				defer l.close()
				table := l.kernel.add(red, 7)
				s := spec("red")
				s.ImportRTs = []rib.RT{1}
				l.start(s)
				synctest.Wait()
				tc.run(l, table)
				synctest.Wait()
				x := l.explained("red", tc.ask)
				if x.StoppedBy != tc.stop {
					t.Errorf("stopped by %q, want %q: %s", x.StoppedBy, tc.stop, x.Verdict)
				}
				for _, want := range tc.exports {
					if !strings.Contains(text(x.Export), want) {
						t.Errorf("export does not say %q:\n%s", want, text(x.Export))
					}
				}
				for _, want := range tc.imports {
					if !strings.Contains(text(x.Import), want) {
						t.Errorf("import does not say %q:\n%s", want, text(x.Import))
					}
				}
			})
		})
	}
}

func TestExplainWithoutATable(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		defer l.close()
		l.start(spec("red"))
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
		x := l.explained("red", "10.1.9.9")
		if x.Prefix.String() != "10.1.0.0/16" || x.StoppedBy != "binding" || !strings.Contains(x.Verdict, "the VRF has no table now: waiting for netns red") {
			t.Errorf("%+v", x)
		}
	})
}

// A route of an earlier run that BGP has not spoken of.
func TestExplainAStaleRoute(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		defer l.close()
		l.kernel.add(red, 7).set(via("10.1.0.0/16", "192.0.2.9", 2, rib.ProtoOwn, 20))
		l.start(spec("red"))
		x := l.explained("red", "10.1.0.0/16")
		if x.StoppedBy != "candidates" || !strings.Contains(text(x.Export), "of an earlier run") || !strings.Contains(text(x.Export), "(ours)") {
			t.Errorf("%s", text(x.Export))
		}
	})
}

// Every state that a route can be listed in has a step that says the same.
func TestExplainAgreesWithTheList(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := newLab(t)
		defer l.close()
		table := l.kernel.add(red, 7)
		s := spec("red")
		s.Export.MaxRoutes = 2
		l.start(s)
		table.set(via("10.2.0.0/16", "198.51.100.7", 3, rib.ProtoStatic, 20))
		table.refuse[netip.MustParsePrefix("10.3.0.0/16")] = syscall.EINVAL
		for i, hop := range []string{"192.0.2.9", "192.0.2.9", "203.0.113.1", "192.0.2.9", "192.0.2.9"} {
			prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i + 1)}), 16).String()
			l.hear("red", bgpPath(prefix, hop))
		}
		steps := map[rib.State]string{rib.Installed: "", rib.Unresolved: "nexthop", rib.Conflict: "kernel", rib.OverQuota: "quota", rib.Failed: "kernel"}
		var seen []rib.State
		for _, r := range l.routes("red", vrf.Export) {
			seen = append(seen, r.State)
			if x := l.explained("red", r.Prefix.String()); x.Export.StoppedBy != steps[r.State] {
				t.Errorf("%s is %s, and is explained by %q", r.Prefix, r.State, x.Export.StoppedBy)
			}
		}
		for _, state := range []rib.State{rib.Installed, rib.Unresolved, rib.Conflict, rib.OverQuota} {
			if !slices.Contains(seen, state) {
				t.Errorf("no route is %s", state)
			}
		}
	})
}
