package nsworker

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/policy"
	"github.com/vrfredist/vrfredist/vrf"
)

// judge is a policy of some rules, which accepts what none of them decides.
func judge(name string, rules ...policy.Rule) rib.Judge {
	return policy.Compile(policy.Definition{Name: name, Default: policy.Accept, Rules: rules})
}

// rejecting is a rule that rejects what carries a community.
func rejecting(c rib.Community) policy.Rule {
	return policy.Rule{When: policy.Conditions{Communities: []rib.Community{c}}, Action: policy.Reject}
}

// judged is a VRF with an export policy.
func judged(j rib.Judge) vrf.Spec {
	s := spec("red")
	s.Export.Policy = j
	return s
}

// change is a rule that changes everything.
func change(c policy.Changes) policy.Rule { return policy.Rule{Set: c, Action: policy.Accept} }

// settled waits until what a VRF was given is in force.
func (l *lab) settled(name string) {
	l.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := l.worker(name).Settled(ctx); err != nil {
		l.t.Errorf("what %s was given is not in force: %v", name, err)
	}
}

// TestExportPolicyLetsTheNextPathIn: a path that the policy rejects leaves its place to the next,
// and a prefix of which it rejects all paths is filtered, with the rule's name, in the list and
// in explain.
func TestExportPolicyLetsTheNextPathIn(t *testing.T) {
	story(t, func(l *lab, _ *fakeTable) {
		paths := two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")
		paths[0].Attrs.Tags, paths[0].Attrs.Source = &rib.Tags{Communities: []rib.Community{7}}, "red"
		l.start(judged(judge("next", rejecting(7))))
		l.hear("red", paths...)
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9", community(7)))
		l.converge("red")
		l.settle()
		l.table(red, byEth1)
		l.exported("red", "10.2.0.0/16", rib.Filtered, `policy "next", rule 1 rejects it`)
		if got := stopping(l.explained("red", "10.2.0.0/16").Export); got != `policy "next", rule 1 rejects it` {
			t.Errorf("explained by %q", got)
		}
		said := text(l.explained("red", "10.1.0.0/16").Export)
		for _, want := range []string{`policy "next" accepts 1 of 2 paths`, `policy "next": rule 1 matches, and rejects`, `behind by policy "next", rule 1`, `neighbours are not told of 1 path that the policy rejects`} {
			if !strings.Contains(said, want) {
				t.Errorf("explain does not say %q:\n%s", want, said)
			}
		}
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"))
		l.settle()
		l.table(red, byEth1, "10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20")
	})
}

// TestReloadOfAPolicyIsInForce: once Settled returns each prefix was judged by the new policy,
// and the kernel has what came of that, in both directions.
func TestReloadOfAPolicyIsInForce(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		table.set(via("10.8.0.0/16", "198.51.100.7", 3, rib.ProtoStatic, 5))
		s := spec("red")
		s.Import.Protocols = []uint8{rib.ProtoStatic}
		l.start(s)
		paths := two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")
		paths[0].Attrs.Tags = &rib.Tags{Communities: []rib.Community{7}}
		l.hear("red", paths...)
		l.converge("red")
		l.settle()
		l.table(red, byEth0, "10.8.0.0/16 via 198.51.100.7 dev eth1 proto static metric 5")
		l.announces("red", "10.8.0.0/16 med 5")

		next := s
		next.Export.Policy, next.Import.Policy = judge("out", rejecting(7)), judge("in", change(policy.Changes{MED: new(uint32(77))}))
		l.worker("red").Reconfigure(next)
		l.settled("red")
		l.table(red, byEth1, "10.8.0.0/16 via 198.51.100.7 dev eth1 proto static metric 5")
		l.announces("red", "10.8.0.0/16 med 77")

		l.worker("red").Reconfigure(s) // the rollback
		l.settled("red")
		l.table(red, byEth0, "10.8.0.0/16 via 198.51.100.7 dev eth1 proto static metric 5")
		l.announces("red", "10.8.0.0/16 med 5")

		next.Import.Policy = judge("none", policy.Rule{Action: policy.Reject})
		l.worker("red").Reconfigure(next)
		l.settled("red")
		l.announces("red")
		if r := l.routes("red", vrf.Import)["10.8.0.0/16 static"]; r.State != rib.Filtered || r.Reason != `policy "none", rule 1 rejects it` {
			t.Errorf("%s: %s", r.State, r.Reason)
		}
		if said := text(l.explained("red", "10.8.0.0/16").Import); !strings.Contains(said, `policy "none": rule 1 matches, and rejects`) {
			t.Errorf("explain says\n%s", said)
		}
	})
}

// TestPolicySetsTheRoute: the metric and the preferred source of the best path are the route's;
// a route whose metric changes is added before the old one goes, and the backup route stands
// under the next metric.
func TestPolicySetsTheRoute(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		s := judged(judge("sets", change(policy.Changes{Metric: 50, PrefSrc: [rib.Families]netip.Addr{netip.MustParseAddr("192.0.2.1")}})))
		s.Export.BackupRoutes = true
		l.start(s)
		l.hear("red", two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")...)
		l.converge("red")
		l.settle()
		const first, spare = "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist src 192.0.2.1 metric 50", "10.1.0.0/16 via 198.51.100.9 dev eth1 proto vrfredist src 192.0.2.1 metric 51"
		l.table(red, first, spare)

		l.kernel.writes = nil
		s.Export.Policy = judge("sets", change(policy.Changes{Metric: 70}))
		l.configure(s)
		l.settled("red")
		l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 70", "10.1.0.0/16 via 198.51.100.9 dev eth1 proto vrfredist metric 71")
		for _, w := range l.kernel.writes[:2] {
			if !strings.HasPrefix(w, "add ") {
				t.Errorf("the writes begin with %q", l.kernel.writes)
			}
		}
		l.stop("red", vrf.ErrExit) // what stands is taken for what it is
		l.kernel.writes = nil
		l.start(s)
		l.settle()
		if len(l.kernel.writes) > 0 {
			t.Errorf("the restart writes\n%s", strings.Join(l.kernel.writes, "\n"))
		}
		l.table(red, "10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 70", "10.1.0.0/16 via 198.51.100.9 dev eth1 proto vrfredist metric 71")

		s.Export.Policy = judge("sets", change(policy.Changes{PrefSrc: [rib.Families]netip.Addr{netip.MustParseAddr("192.0.2.77")}}))
		l.configure(s)
		l.settle()
		l.exported("red", "10.1.0.0/16", rib.Unresolved, "prefsrc 192.0.2.77 is no address of this host")
		table.relink(2, func(k *rib.Link) { k.Addrs = append(k.Addrs, prefixes("192.0.2.77/24")...) })
		l.settle()
		l.exported("red", "10.1.0.0/16", rib.Installed, "")
	})
}

// TestPolicySetsWeights: in groups and in routes.
func TestPolicySetsWeights(t *testing.T) {
	for _, objects := range []bool{true, false} {
		story(t, func(l *lab, _ *fakeTable) {
			heavy := policy.Rule{When: policy.Conditions{Communities: []rib.Community{3}}, Set: policy.Changes{Weight: 3}, Action: policy.Accept}
			s := judged(judge("weighs", heavy, change(policy.Changes{Weight: 1})))
			s.NexthopObjects = objects
			l.start(s)
			a, b := bgpPath("10.1.0.0/16", "192.0.2.9", id(1)), bgpPath("10.1.0.0/16", "198.51.100.9", id(2), community(3))
			l.hear("red", a, b)
			l.converge("red")
			l.settle()
			got := l.kernel.tables[red].String()
			for _, want := range []string{"via 192.0.2.9 dev eth0 weight 1", "via 198.51.100.9 dev eth1 weight 3"} {
				if !strings.Contains(got, want) {
					t.Errorf("objects %v: the table has\n%s\nwithout %q", objects, got, want)
				}
			}
			s.Export.Policy = nil
			l.configure(s)
			l.settled("red")
			if got := l.kernel.tables[red].String(); strings.Contains(got, "weight 3") {
				t.Errorf("objects %v: without a policy the table has\n%s", objects, got)
			}
		})
	}
}

// TestRejectedPathIsWaitedOutAtARestart: a route of an earlier run does not go because a path
// comes first that the policy rejects; it goes where that path is the one that it was made of,
// and with the sweep.
func TestRejectedPathIsWaitedOutAtARestart(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		table.set(left("10.1.0.0/16"))
		table.set(left("10.2.0.0/16"))
		table.set(left("10.3.0.0/16"))
		s := judged(judge("restart", rejecting(7)))
		s.NexthopObjects = false
		l.start(s)
		l.hear("red", bgpPath("10.1.0.0/16", "198.51.100.9", community(7), id(2)))
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9", community(7)))
		l.hear("red", bgpPath("10.3.0.0/16", "198.51.100.9", community(7), id(2)))
		time.Sleep(time.Second)
		synctest.Wait()
		l.table(red, byEth0, strings.Replace(byEth0, "10.1", "10.3", 1))
		l.exported("red", "10.2.0.0/16", rib.Filtered, "rule 1 rejects it")
		l.hear("red", bgpPath("10.1.0.0/16", "198.51.100.9", community(7), id(2)), bgpPath("10.1.0.0/16", "192.0.2.9", id(1)))
		l.converge("red")
		l.settle()
		l.table(red, byEth0)
		l.exported("red", "10.3.0.0/16", rib.Filtered, "rule 1 rejects it")
		if writes := strings.Join(l.kernel.writes, "\n"); strings.Contains(writes, "10.1.0.0/16") {
			t.Errorf("what stands was written:\n%s", writes)
		}
	})
}

// TestPolicySetsANexthop: a path that the policy gave another nexthop is followed by that one,
// also when it is reached otherwise.
func TestPolicySetsANexthop(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		to := policy.Changes{Nexthop: policy.Nexthop{Addr: netip.MustParseAddr("10.9.9.9")}}
		first := policy.Rule{When: policy.Conditions{Communities: []rib.Community{7}}, Set: to, Action: policy.Accept}
		s := judged(judge("leads", first))
		table.set(via("10.9.9.0/24", "198.51.100.7", 3, rib.ProtoStatic, 5))
		l.start(s)
		paths := two("10.1.0.0/16", "192.0.2.9", "192.0.2.10")
		paths[0].Attrs.Tags = &rib.Tags{Communities: []rib.Community{7}}
		l.hear("red", paths...)
		l.converge("red")
		l.settle()
		static := "10.9.9.0/24 via 198.51.100.7 dev eth1 proto static metric 5"
		l.table(red, "10.1.0.0/16 via 198.51.100.7 dev eth1 proto vrfredist metric 20", static)
		table.del(via("10.9.9.0/24", "198.51.100.7", 3, rib.ProtoStatic, 5).Key())
		l.settle()
		l.table(red, "10.1.0.0/16 via 192.0.2.10 dev eth0 proto vrfredist metric 20")
		table.set(via("10.9.9.0/24", "198.51.100.7", 3, rib.ProtoStatic, 5))
		l.settle()
		l.table(red, "10.1.0.0/16 via 198.51.100.7 dev eth1 proto vrfredist metric 20", static)
	})
}

// TestExplainAsksWhatBGPTook: before it says that nobody sent a prefix it looks into what
// neighbours sent, and of an announcement it shows what BGP made of it.
func TestExplainAsksWhatBGPTook(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		s := spec("red")
		s.Import.Protocols = []uint8{rib.ProtoStatic}
		table.set(via("10.8.0.0/16", "198.51.100.7", 3, rib.ProtoStatic, 5))
		l.start(s)
		l.converge("red")
		l.settle()
		l.bgp.offers = []rib.Offer{{Path: bgpPath("10.1.0.0/16", "192.0.2.9"), Reason: `statement "a" of policy "b" rejects it`}}
		x := l.explained("red", "10.1.0.0/16")
		if got, want := stopping(x.Export), `BGP did not take what a neighbour sent: statement "a" of policy "b" rejects it`; got != want {
			t.Errorf("explained by %q, want %q", got, want)
		}
		if said := text(x.Export); strings.Contains(said, "BGP has no path for it, of any neighbour") || !strings.Contains(said, "192.0.2.254") {
			t.Errorf("explain says\n%s", said)
		}

		if said := text(l.explained("red", "10.8.0.0/16").Import); !strings.Contains(said, "BGP has it, with MED 5") {
			t.Errorf("explain says\n%s", said)
		}
		l.bgp.policy = func(p *rib.Path) bool { p.Attrs.MED = 99; return true }
		if said := text(l.explained("red", "10.8.0.0/16").Import); !strings.Contains(said, "BGP has it, with MED 99") {
			t.Errorf("where BGP's policy sets the MED, explain says\n%s", said)
		}
		l.bgp.policy = func(*rib.Path) bool { return false }
		if got := stopping(l.explained("red", "10.8.0.0/16").Import); !strings.Contains(got, "a global import policy rejects it") {
			t.Errorf("where BGP's policy rejects it, explain says %q", got)
		}
	})
}

// TestRehearsalOfAPolicy: a plan says as `ip route` lines what a changed policy would take out and
// let in, with another metric, and what would be announced otherwise; and counts nothing.
func TestRehearsalOfAPolicy(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		s := spec("red")
		s.Import.Protocols = []uint8{rib.ProtoStatic}
		table.set(via("10.8.0.0/16", "198.51.100.7", 3, rib.ProtoStatic, 5))
		l.start(s)
		paths := two("10.1.0.0/16", "192.0.2.9", "198.51.100.9")
		paths[0].Attrs.Tags = &rib.Tags{Communities: []rib.Community{7}}
		l.hear("red", paths...)
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9", community(7), from("red")))
		l.hear("red", bgpPath("10.3.0.0/16", "192.0.2.9", from("red")))
		l.converge("red")
		l.settle()
		next := s
		to := policy.Compile(policy.Definition{Name: "planned", Default: policy.Accept, Rules: []policy.Rule{
			rejecting(7), {When: policy.Conditions{Prefixes: []policy.Prefix{exactly("10.3.0.0/16")}}, Set: policy.Changes{Metric: 50}, Action: policy.Accept},
		}})
		next.Export.Policy, next.Import.Policy = to, judge("planned in", change(policy.Changes{LocalPref: new(uint32(200))}))
		want := []string{
			"remove 10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"add 10.1.0.0/16 via 198.51.100.9 dev eth1 proto vrfredist metric 20",
			"remove 10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"remove 10.3.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"add 10.3.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 50",
			"change 10.8.0.0/16",
			"1 route of BGP would be filtered, by a policy",
			"neighbours would be told no more of 1 prefix that the policy of the export rejects; with advertise_rejected = true they would be",
		}
		if d := cmp.Diff(want, l.rehearsed(s, next)); d != "" {
			t.Errorf("(-want +got)\n%s", d)
		}
		for _, r := range to.Describe() {
			if r.Matched != 0 {
				t.Errorf("a plan counts: %+v", r)
			}
		}
		l.configure(next)
		l.settled("red")
		if n := to.Describe()[0].Matched; n != 2 {
			t.Errorf("rule 1 matched %d times, want twice", n)
		}
		if d := cmp.Diff([]string(nil), l.rehearsed(next, next), cmp.Transformer("sorted", func(s []string) []string { return s })); d != "" && !strings.Contains(d, "would be filtered") {
			t.Errorf("what is in force is planned to change:\n%s", d)
		}
	})
}

func exactly(prefix string) policy.Prefix {
	p, err := policy.ParsePrefix(prefix)
	if err != nil {
		panic(err)
	}
	return p
}
