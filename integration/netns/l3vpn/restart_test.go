package l3vpn_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestCrash: vrfredist is killed and away for 15 seconds; of ten packets a second each way, in both
// families and of both tenants, none is lost, and FRR never touches its routes. It comes back with
// the same labels or SIDs, and writes nothing that stands. Its VRFs come in another order then, and
// the numbers are the same again; and so without what it has kept, by what the kernel has.
func TestCrash(t *testing.T) {
	for _, by := range []edge.By{edge.MPLS, edge.SRv6} {
		t.Run(string(by), func(t *testing.T) {
			n := mixed(t, by)
			n.start()
			one, two, three := n.PEs[0], n.PEs[1], n.PEs[2]
			n.reachAll()
			before := edge.Entrances(one)
			watch := two.Core.Start("ip monitor", "ip", "monitor", "route", "nexthop")
			edge.Survives(n.Network, one, two, three)
			if lines := edge.Changes(watch.Output()); len(lines) > 0 {
				t.Errorf("while vrfredist was away, in FRR's kernel:\n%s", strings.Join(lines, "\n"))
			}
			lab.Equal(t, "the numbers of the tenants", before, edge.Entrances(one))
			n.otherOrder(one, before)
			n.replaced(one, before)
		})
	}
}

// otherOrder starts vrfredist with its VRFs in the reverse order, and then without its state.
func (n *network) otherOrder(pe *edge.PE, before map[string]string) {
	n.T.Helper()
	names := edge.Names()
	slices.Reverse(names)
	for _, what := range []string{"in another order", "without what was kept"} {
		pe.Daemon.Kill()
		pe.Order = names
		pe.Daemon.Write(n.config(pe))
		if what != "in another order" {
			pe.Daemon.Forget()
		}
		pe.Daemon.Start()
		edge.Ready(n.Network, pe)
		lab.Equal(n.T, "the numbers of the tenants, "+what, before, edge.Entrances(pe))
	}
	for _, name := range names {
		n.Reach(name, pe, n.PEs[1], 4)
	}
}

// replaced: another VRF in the place of red has another number than red had.
func (n *network) replaced(pe *edge.PE, before map[string]string) {
	n.T.Helper()
	config := n.config(pe)
	pe.Daemon.Reload(strings.ReplaceAll(config, `name = "red"`, `name = "green"`))
	was := before["red"]
	lab.WaitFor(n.T, "green has a number of its own", 2*lab.Patience, func() string {
		now := edge.Entrances(pe)["red"]
		if now == was || strings.Contains(now, "labels [] ") && n.By == edge.MPLS || strings.Contains(now, "invalid") && n.By == edge.SRv6 {
			return now
		}
		return ""
	})
	if now := edge.Entrances(pe)["blue"]; now != before["blue"] {
		n.T.Errorf("blue had %s, and has %s", before["blue"], now)
	}
	pe.Daemon.Reload(config)
	lab.WaitFor(n.T, "red has the number again that it had", 2*lab.Patience, func() string {
		if now := edge.Entrances(pe)["red"]; now != was {
			return now + ", and it was " + was
		}
		return ""
	})
	n.Reach("red", pe, n.PEs[1], 4)
}
