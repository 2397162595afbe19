package devices_test

import (
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/vm/need"
)

// newEdges builds two PEs, each with the tenants red and blue, which have the same prefixes, with
// every tenant reached: VRF devices, and by MPLS one that is a namespace too.
func newEdges(t *testing.T, by edge.By) *edge.Network {
	t.Helper()
	need.VRF(t)
	switch by {
	case edge.MPLS:
		need.MPLS(t)
	case edge.SRv6:
		need.SRv6(t)
	}
	lab.Need(t, "ip", "ping")
	if err := program.Build(); err != nil {
		t.Fatal(err)
	}
	n := edge.New(lab.New(t, run), by, 2)
	for _, pe := range n.PEs {
		n.Device(pe, "red")
		if by == edge.MPLS {
			n.Linked(pe, "blue", pe.N == 1)
		} else {
			n.Device(pe, "blue")
		}
	}
	edge.Launch(n, n.PEs...)
	for _, name := range edge.Names() {
		n.Reach(name, n.PEs[0], n.PEs[1])
		n.Reach(name, n.PEs[1], n.PEs[0])
	}
	return n
}

// A tenant's host sends with the label of another tenant of its PE; where the tenant's interface takes
// labels, which it does not unless told, the same packets arrive.
func TestFault56OtherLabel(t *testing.T) {
	n := newEdges(t, edge.MPLS)
	apart(n)
	measured(t, "by MPLS: of %d packets of a tenant's host with another tenant's label none came there, but where its interface was told to take labels", edge.Forged(n, nil))
}

// A tenant's host sends to the SID of another tenant of its PE; where a rule leads the tenant to the
// core's routes, the same packets arrive.
func TestFault56OtherSID(t *testing.T) {
	n := newEdges(t, edge.SRv6)
	apart(n)
	measured(t, "by SRv6: of %d packets of a tenant's host to another tenant's SID none came there, but where a rule led it to the core's routes", edge.Forged(n, nil))
}

// apart: what a tenant sends is on the wire with that tenant's label or SID, and comes to it alone.
func apart(n *edge.Network) {
	n.T.Helper()
	one, two := n.PEs[0], n.PEs[1]
	for _, name := range edge.Names() {
		n.Counted(one.Tenants[name], two.Tenants[name])
		n.Counted(two.Tenants[name], one.Tenants[name])
	}
}

// A PE's daemon is killed and away for 15 seconds, under ten packets a second each way in both
// families: none is lost, it comes back with the same labels, and writes nothing that stands.
func TestFault57CrashWithLabels(t *testing.T) { crashes(t, edge.MPLS, "label") }

// The same with SIDs.
func TestFault57CrashWithSIDs(t *testing.T) { crashes(t, edge.SRv6, "SID") }

func crashes(t *testing.T, by edge.By, number string) {
	t.Helper()
	n := newEdges(t, by)
	one, two := n.PEs[0], n.PEs[1]
	before := edge.Entrances(one)
	away, sent := edge.Survives(n, one, two)
	lab.Equal(t, "the numbers of the tenants", before, edge.Entrances(one))
	measured(t, "by %s in VRF devices, away for %s: each of %d packets answered, the same %s, 0 writes", by, round(away), sent, number)
}
