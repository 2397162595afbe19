package nsworker

import (
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestLinkLocalNexthop: the interface of a link-local nexthop is one of the namespace in
// which the session runs. Another namespace may have one of the same name.
func TestLinkLocalNexthop(t *testing.T) {
	const line = " via fe80::9 dev eth0 proto vrfredist metric 20"
	inside := sentBy("127.1.0.1")
	story(t, func(l *lab, table *fakeTable) {
		l.kernel.add(rib.Binding{}, 3)
		l.kernel.add(blue, 2)
		samePlace := spec("same")
		samePlace.Binding = rib.Binding{Netns: "/run/netns/red", Table: 1001}
		l.kernel.add(samePlace.Binding, 1)
		l.start(spec("default"))
		l.start(spec("red"))
		l.start(spec("blue"))
		l.start(samePlace)
		for _, name := range []string{"default", "red", "blue", "same"} {
			l.hear(name, bgpPath("2001:db8:1::/48", "fe80::9%eth0"))                     // of a session in BGP's namespace
			l.hear(name, bgpPath("2001:db8:2::/48", "fe80::9", inside))                  // of one in red
			l.hear(name, bgpPath("2001:db8:3::/48", "fe80::9", sentBy("203.0.113.254"))) // of who knows where
		}
		l.table(rib.Binding{}, "2001:db8:1::/48"+line)
		l.table(red, "2001:db8:2::/48"+line)
		l.table(blue)
		l.table(samePlace.Binding, "2001:db8:2::/48"+line)
		l.exported("red", "2001:db8:1::/48", rib.Unresolved, "its interface is in another network namespace")
		l.exported("blue", "2001:db8:2::/48", rib.Unresolved, "its interface is in another network namespace")
		l.exported("default", "2001:db8:3::/48", rib.Unresolved, "its interface is not known")

		// One that leaks is looked up where it came from.
		l.hear("same", bgpPath("2001:db8:4::/48", "fe80::9", inside, from("red")))
		l.hear("same", bgpPath("2001:db8:5::/48", "fe80::9%eth0", from("red")))
		l.table(samePlace.Binding, "2001:db8:2::/48"+line, "2001:db8:4::/48"+line+" onlink")
	})
}

func sentBy(peer string) func(*rib.Path) {
	return func(p *rib.Path) { p.Attrs.Peer = netip.MustParseAddr(peer) }
}

func besides(linkLocal string) func(*rib.Path) {
	return func(p *rib.Path) { p.Attrs.LinkLocal = netip.MustParseAddr(linkLocal) }
}

// TestLinkLocalNexthopOfANeighbourByItsAddress: a link-local nexthop is on the link on which
// the neighbour that sent it is directly connected, in its own namespace and in that of a
// session inside one, also where the session is bound to a VRF device. It moves with that
// link, and a neighbour that is reached through a gateway has none.
func TestLinkLocalNexthopOfANeighbourByItsAddress(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		home := l.kernel.add(rib.Binding{}, 3)
		l.start(spec("default"))
		l.start(spec("red"))
		for _, name := range []string{"default", "red"} {
			l.hear(name, bgpPath("2001:db8:1::/48", "fe80::9"))                        // of 192.0.2.254
			l.hear(name, bgpPath("2001:db8:2::/48", "fe80::9", sentBy("127.1.0.2")))   // the same one, inside red
			l.hear(name, bgpPath("2001:db8:3::/48", "fe80::9", sentBy("127.1.0.3")))   // on eth1 there
			l.hear(name, bgpPath("2001:db8:4::/48", "fe80::9", sentBy("203.0.113.1"))) // behind a gateway
		}
		const eth0, eth1 = " via fe80::9 dev eth0 proto vrfredist metric 20", " via fe80::9 dev eth1 proto vrfredist metric 20"
		l.table(rib.Binding{}, "2001:db8:1::/48"+eth0)
		l.table(red, "2001:db8:2::/48"+eth0, "2001:db8:3::/48"+eth1)
		l.exported("default", "2001:db8:4::/48", rib.Unresolved, "not directly connected")
		l.exported("red", "2001:db8:1::/48", rib.Unresolved, "its interface is in another network namespace")

		// The neighbour moves to another link, and goes.
		home.set(connected("192.0.2.254/32", 3, 0))
		l.settle()
		l.table(rib.Binding{}, "2001:db8:1::/48"+eth1)
		home.del(connected("192.0.2.254/32", 3, 0).Key())
		home.del(connected("192.0.2.0/24", 2, 0).Key())
		l.settle()
		l.table(rib.Binding{})
		l.exported("default", "2001:db8:1::/48", rib.Unresolved, "not directly connected")
	})
}

// TestPreferLinkLocal: of a path with two nexthops the global one is used, unless the VRF
// prefers the other, and the other where the global one says nothing.
func TestPreferLinkLocal(t *testing.T) {
	for prefer, want := range map[bool]string{false: "2001:db8::9 dev eth0 proto vrfredist metric 20 onlink", true: "fe80::9 dev eth0 proto vrfredist metric 20"} {
		story(t, func(l *lab, table *fakeTable) {
			s := spec("red")
			s.Export.PreferLinkLocal = !prefer
			l.start(s)
			l.hear("red", bgpPath("2001:db8:1::/48", "2001:db8::9", sentBy("127.1.0.2"), besides("fe80::9")))
			l.hear("red", bgpPath("2001:db8:2::/48", "::", sentBy("127.1.0.2"), besides("fe80::9")))
			l.hear("red", bgpPath("2001:db8:3::/48", "2001:db8::9", sentBy("127.1.0.2")))
			l.settle()
			s.Export.PreferLinkLocal = prefer // while it runs
			l.configure(s)
			l.settle()
			l.table(red,
				"2001:db8:1::/48 via "+want,
				"2001:db8:2::/48 via fe80::9 dev eth0 proto vrfredist metric 20",
				"2001:db8:3::/48 via 2001:db8::9 dev eth0 proto vrfredist metric 20 onlink")
		})
	}
}

// TestIPv6ThroughIPv4: the kernel has no IPv6 route through an IPv4 gateway. Of several
// paths it takes none with it.
func TestIPv6ThroughIPv4(t *testing.T) {
	for _, objects := range []bool{true, false} {
		story(t, func(l *lab, table *fakeTable) {
			s := spec("red")
			s.NexthopObjects = objects
			l.start(s)
			l.hear("red", bgpPath("2001:db8:1::/48", "192.0.2.9"))
			l.hear("red", bgpPath("2001:db8:2::/48", "192.0.2.9"), bgpPath("2001:db8:2::/48", "2001:db8::9", id(1)))
			l.hear("red", bgpPath("10.1.0.0/16", "2001:db8::9")) // the other way round it has (RFC 8950)
			l.table(red,
				"10.1.0.0/16 via inet6 2001:db8::9 dev eth0 proto vrfredist metric 20 onlink",
				"2001:db8:2::/48 via 2001:db8::9 dev eth0 proto vrfredist metric 20 onlink")
			l.exported("red", "2001:db8:1::/48", rib.Unresolved, "cannot go through an IPv4 gateway")
		})
	}
}
