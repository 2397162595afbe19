package nsworker

import (
	"net/netip"
	"syscall"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// TestAdvertiseInstalled: BGP is told of each prefix whether the kernel has what the VRF means it
// to have: what is installed, standing since an earlier run, its own; and of none that is
// refused, in conflict, not reached, over the quota, left out or rejected.
func TestAdvertiseInstalled(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		s := judged(judge("confirms", rejecting(9)))
		s.Export.AdvertiseInstalled, s.Export.CommunityList, s.Export.MaxRoutes = true, []rib.Community{7, 9}, 3
		s.Import.Protocols = []uint8{rib.ProtoStatic}
		has := func(when, want string) {
			t.Helper()
			l.settle()
			if got := l.bgp.isConfirmed("red"); got != want {
				t.Errorf("%s: confirmed are %q, want %q", when, got, want)
			}
		}
		table.set(left("10.1.0.0/16"))
		l.start(s)
		time.Sleep(time.Second)
		if got := l.bgp.isConfirmed("red"); got != "10.1.0.0/16" {
			t.Errorf("what stands since an earlier run is not confirmed at once: %q", got)
		}
		tag := community(7)
		l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9", tag))
		l.hear("red", bgpPath("10.2.0.0/16", "192.0.2.9"))
		l.hear("red", bgpPath("10.3.0.0/16", "192.0.2.9", community(9)))
		l.hear("red", bgpPath("10.4.0.0/16", "203.0.113.9", tag))
		l.hear("red", bgpPath("192.0.2.0/24", "192.0.2.9", tag))
		l.hear("red", bgpPath("10.5.0.0/16", "192.0.2.9", tag, imported("red")))
		l.converge("red")
		has("one is installed, one connected, one the VRF's own", "10.1.0.0/16 10.5.0.0/16 192.0.2.0/24")

		table.refuse[netip.MustParsePrefix("10.6.0.0/16")] = syscall.EINVAL
		l.hear("red", bgpPath("10.6.0.0/16", "192.0.2.9", tag))
		table.set(via("10.7.0.0/16", "198.51.100.7", 3, 99, 20))
		l.hear("red", bgpPath("10.7.0.0/16", "192.0.2.9", tag))
		has("one is refused, one in conflict", "10.1.0.0/16 10.5.0.0/16 192.0.2.0/24")
		delete(table.refuse, netip.MustParsePrefix("10.6.0.0/16"))
		table.del(via("10.7.0.0/16", "198.51.100.7", 3, 99, 20).Key())
		has("neither is any more", "10.1.0.0/16 10.5.0.0/16 10.6.0.0/16 10.7.0.0/16 192.0.2.0/24")
		before := via("10.7.0.0/16", "198.51.100.7", 3, 99, 5)
		table.set(before)
		has("the kernel forwards by another program's route", "10.1.0.0/16 10.5.0.0/16 10.6.0.0/16 192.0.2.0/24")
		table.set(via("10.7.0.0/16", "198.51.100.7", 3, 98, 30))
		table.del(before.Key())
		has("by that no more, and by none of a higher metric", "10.1.0.0/16 10.5.0.0/16 10.6.0.0/16 10.7.0.0/16 192.0.2.0/24")
		before.Hops[0].Dead = true
		table.set(before)
		has("by no dead nexthop", "10.1.0.0/16 10.5.0.0/16 10.6.0.0/16 10.7.0.0/16 192.0.2.0/24")
		table.del(before.Key())
		l.hear("red", bgpPath("10.8.0.0/16", "192.0.2.9", tag))
		has("the quota is full", "10.1.0.0/16 10.5.0.0/16 10.6.0.0/16 10.7.0.0/16 192.0.2.0/24")
		l.unhear("red", "10.6.0.0/16", 0)
		has("one goes, and another has its place", "10.1.0.0/16 10.5.0.0/16 10.7.0.0/16 10.8.0.0/16 192.0.2.0/24")
		l.hear("red", bgpPath("10.7.0.0/16", "198.51.100.9", tag))
		has("one has another nexthop", "10.1.0.0/16 10.5.0.0/16 10.7.0.0/16 10.8.0.0/16 192.0.2.0/24")

		s.Export.AdvertiseRejected = true
		l.configure(s)
		has("what is rejected is told", "10.1.0.0/16 10.3.0.0/16 10.5.0.0/16 10.7.0.0/16 10.8.0.0/16 192.0.2.0/24")
		table.link(2, false)
		table.link(3, false)
		has("no link is up", "10.3.0.0/16 10.5.0.0/16")
		l.stop("red", vrf.ErrExit)
		l.kernel.remove(red)
		l.start(s)
		has("there is no table", "")
	})
}
