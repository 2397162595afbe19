package kernel

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/integration/vm/need"
	"github.com/vrfredist/vrfredist/rib"
)

var (
	pushes  = rib.ByMPLS(rib.LabelStack(16002, 80))
	encaps  = rib.BySRv6(netip.MustParseAddr("fd00:2:0:1:100::"), false)
	reduced = rib.BySRv6(netip.MustParseAddr("fd00:2:0:1:100::"), true)
)

// TestEncapsulationBytes holds the attributes against those that `ip` was seen to send.
func TestEncapsulationBytes(t *testing.T) {
	hex := func(b []byte) string { return fmt.Sprintf("% x", b) }
	const head = "06 00 15 00 %s 00 00 00 "
	const srh = "24 00 16 80 20 00 01 00 %s 00 00 00 00 02 04 00 00 00 00 00 fd 00 00 02 00 00 00 01 01 00 00 00 00 00 00 00"
	for _, tt := range []struct {
		e    rib.Encap
		want string
	}{
		{rib.Encap{}, ""},
		{rib.ByMPLS(rib.LabelStack(80)), fmt.Sprintf(head, "01") + "0c 00 16 80 08 00 01 00 00 05 01 00"},
		{pushes, fmt.Sprintf(head, "01") + "10 00 16 80 0c 00 01 00 03 e8 20 00 00 05 01 00"},
		{encaps, fmt.Sprintf(head+srh, "05", "01")},
		{reduced, fmt.Sprintf(head+srh, "05", "03")},
	} {
		if got := hex(appendEncap(nil, unix.RTA_ENCAP_TYPE, unix.RTA_ENCAP, tt.e)); got != tt.want {
			t.Errorf("%v:\n%s\nwant:\n%s", tt.e, got, tt.want)
		}
	}
}

// tunnelRoutes are routes of both families by an encapsulation, alone and among others.
func tunnelRoutes(e rib.Encap, v0, w0 int) []rib.Route {
	hop := func(ifindex int, gateway string, e rib.Encap) rib.Hop {
		return rib.Hop{Ifindex: ifindex, Gateway: netip.MustParseAddr(gateway), Weight: 1, Encap: e}
	}
	routes := []rib.Route{
		route("10.1.0.0/16", hop(v0, "192.0.2.2", e)),
		route("10.2.0.0/16", hop(v0, "192.0.2.2", e), hop(v0, "192.0.2.2", rib.Encap{}), hop(w0, "198.51.100.2", e)),
		route("10.3.0.0/16", rib.Hop{Ifindex: v0, Weight: 1, Encap: e}),
		route("10.4.0.0/16", hop(v0, "2001:db8::2", e)),
		route("2001:db8:1::/48", hop(v0, "2001:db8::2", e)),
		route("2001:db8:2::/48", hop(v0, "2001:db8::2", e), hop(w0, "2001:db8:1::2", rib.Encap{})),
		route("2001:db8:3::/48", hop(w0, "fe80::2", e)),
	}
	if e.Kind() == rib.EncapMPLS { // 6VPE over an IPv4 core
		mapped := hop(v0, "::ffff:192.0.2.9", e)
		mapped.OnLink = true
		routes = append(routes, route("2001:db8:4::/48", mapped))
	}
	return routes
}

// writeTunnels writes routes by an encapsulation, inline and by objects, and reads them back.
func writeTunnels(t *testing.T, e rib.Encap, compat int) {
	ns := lab(t)
	run(t, "ip", "netns", "exec", ns, "sysctl", "-qw", fmt.Sprintf("net.ipv4.nexthop_compat_mode=%d", compat))
	h := startHost(t)
	c := open(t, h, rib.Binding{Netns: ns, Table: table})
	onlooker := open(t, h, rib.Binding{Netns: ns, Table: table}) // what it hears says the same as what is read
	tb := read(t, c)
	v0, w0 := ifindex(t, tb, "v0"), ifindex(t, tb, "w0")
	want := tunnelRoutes(e, v0, w0)
	var changes []rib.Change
	for i, r := range slices.Clone(want) {
		changes = append(changes, rib.Change{Op: rib.OpAdd, Route: r})
		if len(r.Hops) > 1 || i == 3 {
			continue
		}
		group := rib.Nexthop{ID: 0x40000000 + uint32(i), Members: []rib.NexthopMember{{ID: 0x50000000 + uint32(i), Weight: 1}}}
		changes = append(changes,
			rib.Change{Op: rib.OpAddNexthop, Nexthop: rib.Nexthop{ID: 0x50000000 + uint32(i), Hop: r.Hops[0], IPv6: !r.Hops[0].Gateway.IsValid() && r.Prefix.Addr().Is6()}},
			rib.Change{Op: rib.OpAddNexthop, Nexthop: group})
		r.Metric, r.NexthopID = r.Metric+1, group.ID
		want = append(want, r)
		changes = append(changes, rib.Change{Op: rib.OpAdd, Route: r})
	}
	apply(t, c, changes...)
	heard := 0
	check := func(how string, r rib.Route) {
		t.Helper()
		i := slices.IndexFunc(want, func(o rib.Route) bool { return o.Key() == r.Key() })
		if i < 0 || len(r.Hops) != len(want[i].Hops) || r.NexthopID != want[i].NexthopID {
			t.Fatalf("%s: %+v", how, r)
		}
		for n, hop := range r.Hops {
			if !hop.Equal(want[i].Hops[n]) {
				t.Errorf("%s: %v has %+v, want %+v", how, r.Prefix, hop, want[i].Hops[n])
			}
		}
	}
	awaitEvents(t, onlooker, "its routes", func(ev rib.KernelEvents) bool {
		for _, r := range ev.Routes {
			// IPv6 may tell of each leg of a route.
			if severalLegs := r.Route.Prefix == want[5].Prefix; !severalLegs {
				check("the event", r.Route)
			}
			heard++
		}
		return heard >= len(want)
	})
	got := read(t, c)
	for _, r := range got.Routes {
		check("the reading", r)
	}
	if len(got.Routes) != len(want) {
		t.Errorf("%d routes are read of %d", len(got.Routes), len(want))
	}
	for _, n := range got.Nexthops {
		if !n.Group() && n.Hop.Encap != e {
			t.Errorf("the object %d has %v", n.ID, n.Hop.Encap)
		}
	}
	// What is read can be written again, and deleted.
	for _, r := range got.Routes {
		apply(t, c, rib.Change{Op: rib.OpReplace, Route: r})
	}
	again := read(t, c)
	for _, r := range again.Routes {
		check("read again", r)
		apply(t, c, rib.Change{Op: rib.OpDelete, Route: r})
	}
	if left := read(t, c).Routes; len(left) != 0 {
		t.Errorf("left: %v", left)
	}
	quiet(t, c, ns)
}

// needEncap skips a test where the kernel cannot encapsulate so.
func needEncap(t *testing.T, e rib.Encap) {
	t.Helper()
	switch e.Kind() {
	case rib.EncapMPLS:
		need.MPLS(t)
	case rib.EncapSRv6:
		need.SRv6(t)
	}
}

func TestEncapsulationsRoundTrip(t *testing.T) {
	for _, tt := range []struct {
		name string
		e    rib.Encap
	}{{"a label", rib.ByMPLS(rib.LabelStack(80))}, {"labels", pushes}, {"a SID", encaps}, {"a SID, reduced", reduced}} {
		for _, compat := range []int{1, 0} {
			t.Run(fmt.Sprintf("%s, nexthop_compat_mode=%d", tt.name, compat), func(t *testing.T) {
				needEncap(t, tt.e)
				writeTunnels(t, tt.e, compat)
			})
		}
	}
}

// TestEncapsulationsOfOthers: those that `ip` writes are read whole, as far as ours could say the
// same; of what says more the kind alone.
func TestEncapsulationsOfOthers(t *testing.T) {
	sid := netip.MustParseAddr
	for line, want := range map[string]rib.Encap{
		"encap seg6 mode encap segs fd00:2::1 via 192.0.2.2 dev v0":           rib.BySRv6(sid("fd00:2::1"), false),
		"encap seg6 mode encap segs fd00:2::1,fd00:3::1 via 192.0.2.2 dev v0": rib.EncapOf(rib.EncapSRv6),
		"encap seg6 mode l2encap segs fd00:2::1 via 192.0.2.2 dev v0":         rib.EncapOf(rib.EncapSRv6),
		"encap ip id 5 dst 192.0.2.9 via 192.0.2.2 dev v0":                    rib.EncapOf(2),
		"encap mpls 16002/80 via 192.0.2.2 dev v0":                            pushes,
		"encap mpls 16002/80 ttl 10 via 192.0.2.2 dev v0":                     pushes,
		"encap mpls 0 via 192.0.2.2 dev v0":                                   rib.ByMPLS(rib.LabelStack(0)),
	} {
		t.Run(line, func(t *testing.T) {
			needEncap(t, want)
			ns := lab(t)
			c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
			ip(t, ns, "route add 10.1.0.0/16 "+line+" table 1001")
			ip(t, ns, "nexthop add id 5 "+line)
			ip(t, ns, "route add 10.2.0.0/16 nhid 5 table 1001")
			routes := read(t, c).Routes
			for _, r := range routes {
				if len(r.Hops) != 1 || r.Hops[0].Encap != want {
					t.Errorf("%v has %+v, want %v", r.Prefix, r.Hops, want)
				}
			}
			if len(routes) != 2 {
				t.Errorf("%d routes", len(routes))
			}
		})
	}
}

// TestLostMPLS: a kernel without MPLS says that it does not support something, and no more.
func TestLostMPLS(t *testing.T) {
	c := &rib.Change{Op: rib.OpAddNexthop, Nexthop: rib.Nexthop{ID: 7, Hop: rib.Hop{Ifindex: 1, Encap: pushes}}}
	e := &Error{Op: c.Op, Nexthop: 7, Errno: unix.EOPNOTSUPP, encap: encapOf(c)}
	if !strings.Contains(e.Error(), "modprobe -a mpls_router mpls_iptunnel") {
		t.Error(e)
	}
	r := route("10.0.0.0/8", via("192.0.2.1"))
	c = &rib.Change{Op: rib.OpAdd, Route: r}
	if e := (&Error{Op: c.Op, Route: r, Errno: unix.EOPNOTSUPP, encap: encapOf(c)}); strings.Contains(e.Error(), "modprobe") {
		t.Error(e)
	}
}

// TestWritingTunnelsAllocatesNothing: a batch of them is written into the room of the one before.
func TestWritingTunnelsAllocatesNothing(t *testing.T) {
	for _, way := range []shape{labelled, segments} {
		changes := manyChanges(rib.OpAdd, 100, false, way)
		buf := make([]byte, 0, batchBytes)
		var err error
		n := testing.AllocsPerRun(100, func() {
			buf = buf[:0]
			for i := range changes {
				if buf, err = appendChange(buf, &changes[i], 70000, rib.ProtoOwn, 1); err != nil {
					t.Fatal(err)
				}
			}
		})
		if n != 0 {
			t.Errorf("%v allocations", n)
		}
	}
}

// TestDecoderKeepsFewEncapsulations: what is remembered does not grow without end.
func TestDecoderKeepsFewEncapsulations(t *testing.T) {
	var d decoder
	for label := range uint32(3 * maxShared) {
		e := rib.ByMPLS(rib.LabelStack(rib.FirstLabel + label))
		raw := rawEncap{rib.EncapMPLS, attribute(appendEncap(nil, unix.RTA_ENCAP_TYPE, unix.RTA_ENCAP, e), unix.RTA_ENCAP)}
		if got := d.encap(&raw); got != e {
			t.Fatalf("%v, want %v", got, e)
		}
	}
	long := rawEncap{rib.EncapMPLS, make([]byte, longestKept+1)}
	if got := d.encap(&long); got != rib.EncapOf(rib.EncapMPLS) || len(d.encaps) > maxShared {
		t.Errorf("%v, and %d are remembered", got, len(d.encaps))
	}
}
