package kernel

import (
	"maps"
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/vm/need"
	"github.com/vrfredist/vrfredist/rib"
)

// sixPE is a hop of IPv6 by labels over an IPv4 link.
func sixPE(gateway string, ifindex int) rib.Hop {
	return rib.Hop{Gateway: netip.MustParseAddr("::ffff:" + gateway), Ifindex: ifindex, OnLink: true, Encap: rib.ByMPLS(rib.LabelStack(80))}
}

// TestMappedGateways: of what is written, not of what goes, and of no gateway that ND finds.
func TestMappedGateways(t *testing.T) {
	four := rib.Hop{Gateway: netip.MustParseAddr("192.0.2.5"), Ifindex: 3, OnLink: true, Encap: rib.ByMPLS(rib.LabelStack(80))}
	six := rib.Hop{Gateway: netip.MustParseAddr("2001:db8::5"), Ifindex: 3, OnLink: true, Encap: rib.ByMPLS(rib.LabelStack(80))}
	changes := []rib.Change{
		{Op: rib.OpAddNexthop, Nexthop: rib.Nexthop{ID: 1, Hop: sixPE("192.0.2.1", 3)}},
		{Op: rib.OpReplaceNexthop, Nexthop: rib.Nexthop{ID: 2, Hop: sixPE("192.0.2.2", 3)}},
		{Op: rib.OpDeleteNexthop, Nexthop: rib.Nexthop{ID: 3, Hop: sixPE("192.0.2.3", 3)}},
		{Op: rib.OpAddNexthop, Nexthop: rib.Nexthop{ID: 4, Hop: four}}, {Op: rib.OpAddNexthop, Nexthop: rib.Nexthop{ID: 5, Hop: six}},
		{Op: rib.OpAdd, Route: rib.Route{Hops: []rib.Hop{sixPE("192.0.2.6", 3), sixPE("192.0.2.6", 4)}}},
		{Op: rib.OpReplace, Route: rib.Route{Hops: []rib.Hop{sixPE("192.0.2.7", 3)}}},
		{Op: rib.OpReplace, Route: rib.Route{NexthopID: 1, Hops: []rib.Hop{sixPE("192.0.2.8", 3)}}},
		{Op: rib.OpDelete, Route: rib.Route{Hops: []rib.Hop{sixPE("192.0.2.9", 3)}}},
	}
	want := map[onLink]struct{}{}
	for _, at := range []struct {
		gateway string
		ifindex int
	}{{"192.0.2.1", 3}, {"192.0.2.2", 3}, {"192.0.2.6", 3}, {"192.0.2.6", 4}, {"192.0.2.7", 3}} {
		want[onLink{at.ifindex, netip.MustParseAddr(at.gateway)}] = struct{}{}
	}
	if got := mappedGateways(changes); !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

// TestLabelGatewayIsFound: once an IPv6 hop with labels is written, in an object or in a route, the
// kernel knows its IPv4 gateway; the entry is its own, and that of one that does not answer keeps
// nothing from being written.
func TestLabelGatewayIsFound(t *testing.T) {
	need.MPLS(t)
	ns, far := lab(t), netns(t)
	ip(t, ns, "link set v1 netns "+far)
	ip(t, far, "addr add 192.0.2.2/24 dev v1")
	ip(t, far, "addr add 192.0.2.3/24 dev v1")
	ip(t, far, "link set v1 up")
	carrier(t, ns, 3) // v0 lost it meanwhile
	carrier(t, far, 1)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	v0 := ifindex(t, read(t, c), "v0")
	r := route("2001:db8:5::/48", sixPE("192.0.2.3", v0))
	apply(t, c,
		rib.Change{Op: rib.OpAddNexthop, Nexthop: rib.Nexthop{ID: 77, Hop: sixPE("192.0.2.2", v0)}},
		rib.Change{Op: rib.OpAddNexthop, Nexthop: rib.Nexthop{ID: 78, Hop: sixPE("192.0.2.99", v0)}},
		rib.Change{Op: rib.OpAdd, Route: r})
	for gateway, want := range map[string]bool{"192.0.2.2": true, "192.0.2.3": true, "192.0.2.99": false} {
		out := ip(t, ns, "neigh show "+gateway+" dev v0")
		if is := strings.Contains(out, "lladdr"); is != want || strings.Contains(out, "PERMANENT") {
			t.Errorf("of %s the kernel has %q", gateway, out)
		}
	}
	if out := ip(t, ns, "nexthop show id 78"); !strings.Contains(out, "::ffff:192.0.2.99") {
		t.Errorf("the hop by a gateway that is not there is %q", out)
	}
	apply(t, c, rib.Change{Op: rib.OpReplaceNexthop, Nexthop: rib.Nexthop{ID: 78, Hop: sixPE("192.0.2.2", v0)}})
}
