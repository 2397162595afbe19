package nsworker

import (
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/policy"
)

// TestReceive: bgp.receive judges what other PEs and VRFs send and not what the VRF's own
// neighbours do, and the list and explain say that it is what rejects a prefix.
func TestReceive(t *testing.T) {
	story(t, func(l *lab, _ *fakeTable) {
		s := spec("red")
		s.Export.Receive, s.Export.Policy = judge("from others", rejecting(7)), judge("of all", policy.Rule{Set: policy.Changes{Metric: 30}, Action: policy.Accept})
		l.start(s)
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9", rd(5), community(7)))
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9", community(7), from("red")))
		l.hear("red", bgpPath("10.3.0.0/16", "192.0.2.9", rd(5)))
		l.converge("red")
		l.settle()
		l.table(red,
			"10.2.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 30", "10.3.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 30")
		const why = `policy "from others", rule 1 rejects it`
		l.exported("red", "10.1.0.0/16", rib.Filtered, why)
		x := l.explained("red", "10.1.0.0/16")
		if got := stopping(x.Export); got != why {
			t.Errorf("explained by %q", got)
		}
		if said := text(x.Export); !strings.Contains(said, "stopped receive: ") || strings.Contains(said, `policy "of all" accepts`) {
			t.Errorf("explain says\n%s", said)
		}
		s.Export.Receive = nil
		l.configure(s)
		l.settled("red")
		l.exported("red", "10.1.0.0/16", rib.Installed, "")
	})
}

// TestPolicyOfASecondaryTable: another table that a VRF's routes go to has a policy of its own.
func TestPolicyOfASecondaryTable(t *testing.T) {
	story(t, func(l *lab, _ *fakeTable) {
		more := rib.Binding{Netns: "red", Table: 1002}
		l.kernel.add(more, 1)
		home, second := spec("red"), spec("red/1002")
		second.VRF, second.Binding, second.Import.Enabled = "red", more, false
		second.Export.Policy = judge("second", rejecting(7))
		l.start(home)
		l.start(second)
		for _, name := range []string{"red", "red/1002"} { // which mirrors the other
			l.hear(name, bgpPath("10.1.0.0/16", "192.0.2.9", community(7), from("red")))
			l.hear(name, bgpPath("10.2.0.0/16", "192.0.2.9", from("red")))
			l.converge(name)
		}
		l.settle()
		l.table(red, byEth0, strings.Replace(byEth0, "10.1", "10.2", 1))
		l.table(more, strings.Replace(byEth0, "10.1", "10.2", 1))
		l.exported("red/1002", "10.1.0.0/16", rib.Filtered, `policy "second", rule 1 rejects it`)
	})
}

// TestReceivedIsPassedOn: the VRF's neighbours are told of others' paths what receive lets in, as it
// leaves it, and what it comes to reject they are told no more; of what the VRF's own neighbours
// sent nothing is passed on.
func TestReceivedIsPassedOn(t *testing.T) {
	story(t, func(l *lab, _ *fakeTable) {
		s := spec("red")
		med := uint32(9)
		s.Import.Enabled = false
		s.Export.Receive = judge("from others", rejecting(7), change(policy.Changes{MED: &med}))
		s.Export.Policy = judge("to the kernel", rejecting(8), change(policy.Changes{Metric: 30}))
		l.start(s)
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9", rd(5), community(7)))
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9", community(7), from("red")))
		l.hear("red", bgpPath("10.3.0.0/16", "192.0.2.9", rd(5)))
		l.hear("red", bgpPath("10.4.0.0/16", "192.0.2.9", rd(5), community(8)))
		l.hear("red", bgpPath("10.5.0.0/16", "203.0.113.9", rd(5))) // which is not reached
		l.converge("red")
		l.settle()
		l.announces("red", "10.3.0.0/16 med 9")
		for _, a := range l.bgp.Announced("red") {
			if a.As != rib.FromLeak || a.Mark != 0 || a.Of == nil || len(a.Of.ASPath) != 1 {
				t.Errorf("it is passed on as %+v", a)
			}
		}
		s.Export.Receive = judge("from others", rejecting(7), policy.Rule{When: policy.Conditions{Prefixes: []policy.Prefix{exactly("10.3.0.0/16")}}, Action: policy.Reject})
		l.configure(s)
		l.settle()
		l.announces("red")
		s.Export.Receive = judge("from others", policy.Rule{When: policy.Conditions{Communities: []rib.Community{7}}, Action: policy.Accept}, policy.Rule{Action: policy.Reject})
		l.configure(s)
		l.settle()
		l.announces("red", "10.1.0.0/16 med 0")
		s.Export.Receive = nil
		l.configure(s)
		l.settle()
		l.announces("red") // GoBGP tells of it
	})
}
