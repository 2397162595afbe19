package netns_test

import (
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// Two tenants with the same prefixes, connected and static: the peer sees both,
// and each leaves for every reason that a route can leave for. What the other
// tenant has stays.
func TestImportsOfTwoTenants(t *testing.T) {
	t.Parallel()
	n := newTenants(t)
	for _, tenant := range []*lab.Namespace{n.a, n.b} {
		tenant.IP("route", "add", "172.16.1.0/24", "via", "192.168.1.2", "metric", "77")
		tenant.IP("route", "add", "2001:db8:100::/64", "via", "2001:db8:1::2", "metric", "77")
	}
	n.start(n.both())

	static := func(rd string) map[string][]string {
		return map[string][]string{
			"ipv4": {rd + " 172.16.1.0/24 med 77"},
			"ipv6": {rd + " 2001:db8:100::/64 med 77"},
		}
	}
	allOfB := []map[string][]string{connected(rdB, 0, 1), static(rdB)}
	want := func(ofA ...map[string][]string) {
		t.Helper()
		n.waitAnnounced(append(ofA, allOfB...)...)
	}

	want(connected(rdA, 0, 1), static(rdA))
	for _, rd := range []string{rdA, rdB} {
		lab.Equal(t, "route targets", "RT:"+rd, n.peer.RouteTargets("ipv4", rd, "192.168.1.0/24"))
		lab.Equal(t, "route targets", "RT:"+rd, n.peer.RouteTargets("ipv6", rd, "2001:db8:100::/64"))
	}

	t.Log("a route is deleted")
	n.a.IP("route", "del", "172.16.1.0/24")
	n.a.IP("-6", "route", "del", "2001:db8:100::/64")
	want(connected(rdA, 0, 1))

	t.Log("a route is added, and its metric changes")
	n.a.IP("route", "add", "172.16.1.0/24", "via", "192.168.1.2", "metric", "78")
	n.a.IP("route", "add", "2001:db8:100::/64", "via", "2001:db8:1::2", "metric", "78")
	changed := map[string][]string{
		"ipv4": {rdA + " 172.16.1.0/24 med 78"},
		"ipv6": {rdA + " 2001:db8:100::/64 med 78"},
	}
	want(connected(rdA, 0, 1), changed)

	t.Log("the same prefix twice: the lowest metric wins")
	n.a.IP("route", "add", "172.16.1.0/24", "via", "192.168.2.2", "metric", "77")
	n.a.IP("route", "add", "2001:db8:100::/64", "via", "2001:db8:2::2", "metric", "77")
	want(connected(rdA, 0, 1), static(rdA))

	t.Log("an address is removed")
	n.a.IP("addr", "del", "192.168.2.1/24", "dev", "eth1")
	n.a.IP("addr", "del", "2001:db8:2::1/64", "dev", "eth1")
	// The kernel drops the IPv4 routes over the last address of an interface,
	// silently, and keeps the IPv6 ones.
	want(connected(rdA, 0), map[string][]string{"ipv4": changed["ipv4"], "ipv6": static(rdA)["ipv6"]})
	n.a.Address("eth1", "192.168.2.1/24", "2001:db8:2::1/64")
	n.a.IP("-6", "route", "del", "2001:db8:100::/64", "metric", "77")
	want(connected(rdA, 0, 1), changed)

	t.Log("the far end of the veth is taken down")
	n.hostA.IP("link", "set", "eth0", "down")
	want(connected(rdA, 1))
	n.hostA.IP("link", "set", "eth0", "up")
	want(connected(rdA, 0, 1), changed)

	t.Log("the link is set down")
	n.a.IP("link", "set", "eth0", "down")
	want(connected(rdA, 1))

	t.Log("the link is up again: its IPv6 address went with it")
	n.a.IP("link", "set", "eth0", "up")
	n.a.Address("eth0", "2001:db8:1::1/64")
	want(connected(rdA, 0, 1))

	t.Log("the interface is deleted")
	n.a.IP("link", "del", "eth1")
	want(connected(rdA, 0))
}

// What is left out of an import, and what allow_default, med, communities and
// protocols change.
func TestImportLeavesOut(t *testing.T) {
	t.Parallel()
	n := newTenants(t)
	n.a.IP("route", "add", "default", "via", "192.168.1.2")
	n.a.IP("-6", "route", "add", "default", "via", "2001:db8:1::2")
	n.a.IP("route", "add", "172.16.1.0/24", "via", "192.168.1.2", "proto", "static")
	n.a.IP("route", "add", "172.16.2.0/24", "via", "192.168.1.2", "proto", "dhcp")
	n.a.IP("route", "add", "169.254.7.0/24", "via", "192.168.1.2", "proto", "static")
	n.a.IP("route", "add", "172.16.3.0/24", "via", "192.168.2.2", "proto", "static")
	n.a.IP("route", "add", "blackhole", "172.16.4.0/24", "proto", "static")
	n.a.IP("route", "add", "172.16.5.0/24", "via", "192.168.1.2", "proto", "static", "table", "100")

	section := func(lines string) string {
		return routerConfig + bind("vrf-a", n.a, "[netlink.vrfs.import]\n    enabled = true\n"+lines)
	}
	want := func(ipv4, ipv6 []string) {
		t.Helper()
		n.waitAnnounced(map[string][]string{"ipv4": ipv4, "ipv6": ipv6})
	}

	n.start(section(`interface_list = ["eth0"]`))
	want([]string{
		rdA + " 172.16.1.0/24 med 0", rdA + " 172.16.2.0/24 med 0", rdA + " 192.168.1.0/24 med 0",
	}, []string{rdA + " 2001:db8:1::/64 med 256"})

	n.daemon.Reload(section(`interface_list = ["eth[0-9]"]
    allow_default = true
    med = 5
    protocols = ["static", "boot"]`))
	want([]string{
		rdA + " 0.0.0.0/0 med 5", rdA + " 172.16.1.0/24 med 5", rdA + " 172.16.3.0/24 med 5",
	}, []string{rdA + " ::/0 med 5"})

	n.daemon.Reload(section(`interface_list = ["nothing*"]`))
	want(nil, nil)

	n.daemon.Reload(routerConfig)
	want(nil, nil)
}
