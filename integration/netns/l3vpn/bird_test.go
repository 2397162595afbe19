package l3vpn_test

import (
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestForwardingBIRD: BIRD 3 is the other PE by MPLS, with two tenants that have the same prefixes as
// those of vrfredist, which are VRF devices and namespaces: each reaches its own, in both families, by
// its own label, and nothing of the one counts at the other.
func TestForwardingBIRD(t *testing.T) {
	t.Parallel()
	lab.NeedBIRD3(t)
	n := newNetwork(t, edge.MPLS, 3, "bird", "birdc")
	one, two, three := n.PEs[0], n.PEs[1], n.PEs[2]
	n.devices(two)
	n.Device(one, "red")
	n.Linked(one, "blue", true)
	n.Device(three, "blue")
	n.Linked(three, "red", false)
	n.bird(two)
	n.ours(one, three)
	n.reachAll()
	for _, name := range edge.Names() {
		for _, from := range n.PEs {
			for _, to := range n.Others(from) {
				n.Counted(from.Tenants[name], to.Tenants[name])
			}
		}
	}
	n.numbered()
	n.explained()
}
