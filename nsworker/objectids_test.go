package nsworker

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// twins returns two tables above 4095 whose ids look alike.
func twins() (a, b rib.Binding) {
	seen := make(map[uint32]uint32)
	for n := uint32(10000); ; n++ {
		if o, ok := seen[nexthop.Tag(n)]; ok {
			return rib.Binding{Table: o}, rib.Binding{Table: n}
		}
		seen[nexthop.Tag(n)] = n
	}
}

// TestTwinTables runs one of two VRFs whose tables have the same tag while the
// worker of the other waits for its next start: that one's objects, and the routes
// that hang on them, stay as they are, and are found again.
func TestTwinTables(t *testing.T) {
	route := func(prefix, dev string) string {
		return prefix + " via 192.0.2.9 dev " + dev + " proto vrfredist metric 20"
	}
	for _, addr := range []string{"192.0.2.9", "192.0.2.7"} {
		t.Run(addr, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				l := newLab(t)
				defer l.close()
				red, blue := twins()
				there, here := l.kernel.add(blue, 1), l.kernel.add(red, 1)
				lan := connected("192.0.2.0/24", 3, 0) // the same addresses on another interface
				here.routes[lan.Key()] = lan
				r, b := spec("red"), spec("blue")
				r.Binding, b.Binding = red, blue
				l.start(b)
				l.hear("blue", bgpPath("10.2.0.0/16", "192.0.2.9"))
				l.settle()
				l.stop("blue", errInjected)
				l.start(r)
				l.converge("red")
				l.hear("red", bgpPath("10.1.0.0/16", addr))
				l.settle()
				l.table(red, strings.Replace(route("10.1.0.0/16", "eth1"), "192.0.2.9", addr, 1))
				l.table(blue, route("10.2.0.0/16", "eth0"))

				l.kernel.writes = nil
				l.start(b)
				l.settle()
				l.stop("red", vrf.ErrRemoved)
				l.table(red)
				l.table(blue, route("10.2.0.0/16", "eth0"))
				for _, w := range l.kernel.writes {
					if strings.Contains(w, "10.2.0.0/16") {
						t.Errorf("a route that stood was written: %s", w)
					}
				}
				l.converge("blue")
				l.stop("blue", vrf.ErrRemoved)
				if n := len(there.objects()); n != 0 {
					t.Errorf("%d nexthop objects are left of two VRFs that went", n)
				}
			})
		})
	}
}

// colliding returns two pairs of nexthops whose groups have the same natural id.
func colliding() (a, b [2]string) {
	seen := make(map[uint32][2]string)
	for i := 0; ; i++ {
		pair := [2]string{fmt.Sprintf("192.0.2.%d", 2+i%250), fmt.Sprintf("198.51.100.%d", 2+i/250)}
		natural := nexthop.GroupID(1, rib.IPv4, nexthop.Member{Addr: netip.MustParseAddr(pair[0])}, nexthop.Member{Addr: netip.MustParseAddr(pair[1])})
		if o, ok := seen[natural]; ok {
			return o, pair
		}
		seen[natural] = pair
	}
}

// TestRestartKeepsGroupsApart gives two sets of nexthops the same natural id, and a
// restarted worker hears of them in the other order: what the kernel forwards by
// is never the other's.
func TestRestartKeepsGroupsApart(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		one, two := colliding()
		hear := func(prefix string, pair [2]string) {
			l.hear("red", bgpPath(prefix, pair[0]), bgpPath(prefix, pair[1], id(1)))
		}
		l.start(spec("red"))
		hear("10.1.0.0/16", one)
		hear("10.2.0.0/16", two)
		l.settle()
		before := table.String()
		for range 2 {
			l.stop("red", vrf.ErrExit)
			l.bgp.feeds["red"] = rib.NewFeed()
			l.kernel.writes, l.kernel.objectWrites = nil, nil
			l.start(spec("red"))
			hear("10.2.0.0/16", two)
			l.table(red, before)
			hear("10.1.0.0/16", one)
			l.converge("red")
			l.settle()
			l.table(red, before)
			if n := len(l.kernel.writes) + len(l.kernel.objectWrites); n != 0 {
				t.Errorf("%d writes for what stood", n)
			}
		}
	})
}
