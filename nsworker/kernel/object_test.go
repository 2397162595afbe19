package kernel

import (
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// TestNexthopObjectsRoundTrip writes singles, a group and routes on it in both
// families, reads them back, and moves all of them by one replace.
func TestNexthopObjectsRoundTrip(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	link, _ := read(t, c).Links.ByName("v0")
	single := func(id uint32, gateway string) rib.Nexthop {
		return rib.Nexthop{ID: id, Hop: rib.Hop{Gateway: netip.MustParseAddr(gateway), Ifindex: link.Index, Weight: 1}}
	}
	group := func(id uint32, members ...uint32) rib.Nexthop {
		n := rib.Nexthop{ID: id}
		for i, m := range members {
			n.Members = append(n.Members, rib.NexthopMember{ID: m, Weight: uint16(1 + i*254)})
		}
		return n
	}
	route := func(prefix string, id uint32) rib.Route {
		return rib.Route{Prefix: netip.MustParsePrefix(prefix), Metric: 20, Protocol: rib.ProtoOwn, Kind: rib.KindUnicast, NexthopID: id}
	}
	apply(t, c,
		rib.Change{Op: rib.OpAddNexthop, Nexthop: single(0x50000001, "192.0.2.7")},
		rib.Change{Op: rib.OpAddNexthop, Nexthop: single(0x50000002, "192.0.2.8")},
		rib.Change{Op: rib.OpAddNexthop, Nexthop: single(0x50000003, "2001:db8::7")},
		rib.Change{Op: rib.OpAddNexthop, Nexthop: group(0x40000001, 0x50000001)},
		rib.Change{Op: rib.OpAddNexthop, Nexthop: group(0x40000002, 0x50000003)},
		rib.Change{Op: rib.OpAdd, Route: route("10.1.0.0/16", 0x40000001)},
		rib.Change{Op: rib.OpAdd, Route: route("2001:db8:1::/48", 0x40000002)},
		rib.Change{Op: rib.OpAdd, Route: route("10.2.0.0/16", 0x40000002)}, // RFC 8950
	)
	got := read(t, c)
	if !got.Objects || len(got.Nexthops) != 5 {
		t.Fatalf("objects %v: %+v", got.Objects, got.Nexthops)
	}
	wantRoutes(t, ns, "-4", table,
		"10.1.0.0/16 via 192.0.2.7 dev v0 proto 179 metric 20", "10.2.0.0/16 via 2001:db8::7 dev v0 proto 179 metric 20")
	wantRoutes(t, ns, "-6", table, "2001:db8:1::/48 nexthop 2001:db8::7 v0 1 proto 179 metric 20") // as IPv6 shows any group

	apply(t, c, rib.Change{Op: rib.OpReplaceNexthop, Nexthop: group(0x40000001, 0x50000001, 0x50000002)})
	wantRoutes(t, ns, "-4", table,
		"10.1.0.0/16 nexthop 192.0.2.7 v0 1 nexthop 192.0.2.8 v0 255 proto 179 metric 20",
		"10.2.0.0/16 via 2001:db8::7 dev v0 proto 179 metric 20")
	quiet(t, c, ns)

	ip(t, ns, "nexthop add id 77 via 192.0.2.9 dev v0")
	ip(t, ns, fmt.Sprintf("route add blackhole 203.0.113.7 table %d", table)) // behind it in the queue
	awaitEvents(t, c, "route", func(e rib.KernelEvents) bool { return len(e.Routes) > 0 })
	errs, err := c.Apply(t.Context(), []rib.Change{
		{Op: rib.OpAddNexthop, Nexthop: single(77, "192.0.2.7")},
		{Op: rib.OpReplaceNexthop, Nexthop: single(77, "192.0.2.7")},
		{Op: rib.OpDeleteNexthop, Nexthop: rib.Nexthop{ID: 77}},
		{Op: rib.OpDeleteNexthop, Nexthop: rib.Nexthop{ID: 0x40000099}},
	})
	if err != nil || errs[0] == nil || errs[1] == nil || errs[2] == nil || errs[3] != nil {
		t.Errorf("another program's nexthop object: %v, %v", errs, err)
	}

	apply(t, c, rib.Change{Op: rib.OpDeleteNexthop, Nexthop: rib.Nexthop{ID: 0x40000001}})
	for _, r := range read(t, c).Routes {
		if r.Prefix.String() == "10.1.0.0/16" {
			t.Errorf("%v outlived its group", r)
		}
	}
}

// TestNexthopsGoneWithTheirLink: the kernel says nothing when it deletes objects
// with a link, and the monitor knows it all the same.
func TestNexthopsGoneWithTheirLink(t *testing.T) {
	for _, line := range []string{"link set v0 down", "link del v0"} {
		t.Run(line, func(t *testing.T) {
			ns := lab(t)
			c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
			for _, object := range []string{
				"id 71 via 192.0.2.2 dev v0", "id 72 via 198.51.100.2 dev w0", "id 73 group 71", "id 74 group 71/72",
				"id 75 via 2001:db8::2 dev v0",
			} {
				ip(t, ns, "nexthop add "+object)
			}
			known := func(want ...uint32) {
				t.Helper()
				var got []uint32
				for deadline := time.Now().Add(soon); !slices.Equal(got, want); {
					if time.Now().After(deadline) {
						t.Fatalf("the monitor knows the objects %v, want %v", got, want)
					}
					c.mon.mu.Lock()
					got = slices.Sorted(maps.Keys(c.mon.nexthops))
					c.mon.mu.Unlock()
				}
			}
			known(71, 72, 73, 74, 75)
			ip(t, ns, line)
			known(72, 74)
			// Its id is anybody's again.
			w0 := ifindex(t, read(t, c), "w0")
			ours := rib.Nexthop{ID: 71, Hop: rib.Hop{Gateway: netip.MustParseAddr("198.51.100.3"), Ifindex: w0}}
			apply(t, c, rib.Change{Op: rib.OpAddNexthop, Nexthop: ours}, rib.Change{Op: rib.OpReplaceNexthop, Nexthop: ours})
			known(71, 72, 74)
		})
	}
}

// TestLinkNewsWithoutNexthops: a link that no object uses, or that came up,
// costs no reading.
func TestLinkNewsWithoutNexthops(t *testing.T) {
	link := func(index int32, flags uint32) message {
		return linkMessage(unix.RTM_NEWLINK, 0, index, flags, attr(unix.IFLA_IFNAME, fmt.Sprint("v", index)))
	}
	for _, tt := range []struct {
		name  string
		m     message
		stale bool
	}{
		{"another link goes down", link(4, 0), false},
		{"it stays as it is", link(5, up), false},
		{"another one comes", link(6, up), false},
		{"it goes down", link(5, 0), true},
		{"it loses its carrier", link(5, unix.IFF_UP), true},
		{"it is deleted", linkMessage(unix.RTM_DELLINK, 0, 5, 0), true},
	} {
		m := fakeMonitor(t, link(4, up), link(5, up))
		m.nexthops = nexthops{7: {hop: rib.Hop{Ifindex: 5}}, 8: {group: []member{{id: 7, weight: 1}}}}
		if err := m.event(tt.m); err != nil || m.stale != tt.stale {
			t.Errorf("%s: stale %v, %v", tt.name, m.stale, err)
		}
		m.nexthops, m.stale = nexthops{}, false
		if err := m.event(linkMessage(unix.RTM_DELLINK, 0, 5, 0)); err != nil || m.stale {
			t.Errorf("without objects: stale %v, %v", m.stale, err)
		}
	}
}
