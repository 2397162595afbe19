package guard

import (
	"testing"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// TestFlowSpecOfACustomer: GoBGP lets a neighbour in a VRF have the family, but takes
// its rules for the global table's.
func TestFlowSpecOfACustomer(t *testing.T) {
	t.Parallel()
	const rule = 8 // the length of 10.0.0.0/8, the destination
	for vrf, want := range map[string]int{"a": 0, "": 1} {
		r := customer
		r.VRF = vrf
		families := append(all[:len(all):len(all)], bgp.RF_FS_IPv4_UC)
		x := established(t, setup{rules: r, ours: fourByte(65000, families...), theirs: fourByte(65002, families...)})
		x.send(announcement(nil, plainAttrs(attr(0x80, 14, 0, 1, bgp.SAFI_FLOW_SPEC_UNICAST, 0, 0, 3, 1, rule, 10)), nil))
		if h := x.hear(); len(h.announced) != want {
			t.Errorf("in VRF %q GoBGP gets %+v", vrf, h)
		}
	}
}
