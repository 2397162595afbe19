package pe_test

import (
	"net"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/netns/raw"
)

// TestMalformedSIDs: what a neighbour may say of SIDs that is wrong in every way, in EVPN routes that lead by
// VXLAN, does not end the daemon or the session. The attribute is of no use here: without it each route
// is what it is (RFC 8669, 6), and packets to the others go on.
func TestMalformedSIDs(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2)
	one, two := m.PEs[0], m.PEs[1]
	reflector, at := netip.MustParseAddr("10.0.1.2"), netip.MustParseAddr("10.0.1.1")
	one.Daemon = one.Core.OwnDaemon(one.Config(edge.Loopback(2)) + one.NeighborAt(reflector, at))
	two.Daemon = two.Core.OwnDaemon(two.Config(edge.Loopback(1)))
	t.Cleanup(m.tell)
	m.Reach("red", one, two)
	router, err := net.ParseMAC(two.Tenants["red"].MAC())
	if err != nil {
		t.Fatal(err)
	}
	s := raw.Speaker{AS: 65000, ID: reflector, Nexthop: reflector, Prefix: "10.9.0.0/24", Internal: true}
	edge.Maligned{PE: one, From: two, Speaker: s, Source: reflector, At: at, Route: func(p netip.Prefix, sid []byte) []byte {
		return routeOfRed(s, p, router, sid)
	}}.Play(m.Network)

	wrong, odd := raw.MalformedSIDs()
	lab.WaitEqual(t, "how many routes with a malformed SID lead by VXLAN, as the route says besides", len(wrong)+len(odd), func() (led int) {
		for _, r := range one.Tenants["red"].Own() {
			if strings.HasPrefix(r, "10.98.") || strings.HasPrefix(r, "10.97.") {
				led++
			}
		}
		return led
	})
	if out := one.Daemon.Do("neighbor"); strings.Contains(out, "not accepted") {
		t.Errorf("what was taken is held not to be:\n%s", out)
	}
	out := one.Daemon.Do("explain", edge.LastOfMaligned.String(), "--vrf", "red")
	if want := "encap vxlan 100 to " + edge.Loopback(2); !strings.Contains(out, want) {
		t.Errorf("explain says\n%s\nand not %q", out, want)
	}
}

// routeOfRed is an EVPN route of type 5 of red's at PE 2 (RFC 9136, 3.1), with this Prefix-SID.
func routeOfRed(s raw.Speaker, p netip.Prefix, router net.HardwareAddr, sid []byte) []byte {
	four, nexthop := p.Addr().As4(), netip.MustParseAddr(edge.Loopback(2))
	vni := byte(edge.Numbers["red"])
	nlri := slices.Concat([]byte{5, 34, 0, 0, 0xfd, 0xe8, 0, 0, 0, 99}, make([]byte, 14), []byte{byte(p.Bits())}, four[:], make([]byte, 4), []byte{0, 0, vni})
	communities := raw.Communities(raw.RouteTarget(65000, uint32(vni)), append([]byte{6, 3}, router...), []byte{3, 12, 0, 0, 0, 0, 0, 8})
	reach := raw.Reach(25, 70, nexthop.AsSlice(), nlri)
	return raw.Update(nil, s.Attrs6(reach, communities, raw.Attr(raw.Transitive, 40, sid...)), nil)
}
