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
