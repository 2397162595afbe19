package netns_test

import (
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// routeState is how the daemon calls what became of one route of the global RIB.
func routeState(d *lab.Daemon, prefix string) (state, reason string) {
	for _, r := range d.RouteStates("export") {
		if r.Prefix == prefix {
			return r.State, r.Reason
		}
	}
	return "absent", ""
}

func waitState(t *testing.T, d *lab.Daemon, prefix, want string) string {
	t.Helper()
	var reason string
	lab.WaitEqual(t, "the state of "+prefix, want, func() string {
		var state string
		state, reason = routeState(d, prefix)
		return state
	})
	return reason
}

// twoRoutes are one route of each family from BIRD, numbers 1 and 2.
func twoRoutes() string {
	return statics([]string{sent4(1, ""), sent4(2, "")}, []string{sent6(1, ""), sent6(2, "")})
}

// A foreign route with our prefix and metric stays as it is, byte for byte;
// ours is a conflict and comes in when the foreign one goes.
func TestForeignRouteIsLeftAlone(t *testing.T) {
	t.Parallel()
	n := newUpstream(t, twoRoutes())
	foreign := func() {
		n.rtr.IP("route", "add", "172.16.1.0/24", "via", "10.0.0.9", "metric", "20", "proto", "static")
		n.rtr.IP("route", "add", "2001:db8:1001::/48", "via", "2001:db8::9", "metric", "20", "proto", "static")
	}
	foreign()
	before := n.rtr.Foreign()
	n.daemon = n.rtr.Daemon(exportWhere())
	n.rtr.WaitOwn(lab.Main, shown4(2), shown6(2))
	for _, prefix := range []string{"172.16.1.0/24", "2001:db8:1001::/48"} {
		if reason := waitState(t, n.daemon, prefix, "conflict"); reason == "" {
			t.Errorf("the conflict of %s has no reason", prefix)
		}
	}
	lab.Equal(t, "foreign routes", before, n.rtr.Foreign())

	t.Log("the foreign routes go, and ours come in")
	n.rtr.IP("route", "del", "172.16.1.0/24", "proto", "static")
	n.rtr.IP("-6", "route", "del", "2001:db8:1001::/48", "proto", "static")
	n.rtr.WaitOwn(lab.Main, shown4(1), shown4(2), shown6(1), shown6(2))
	waitState(t, n.daemon, "172.16.1.0/24", "installed")

	t.Log("another program overwrites ours: no fight")
	n.rtr.IP("route", "replace", "172.16.1.0/24", "via", "10.0.0.9", "metric", "20", "proto", "static")
	n.rtr.IP("route", "replace", "2001:db8:1001::/48", "via", "2001:db8::9", "metric", "20", "proto", "static")
	n.rtr.WaitOwn(lab.Main, shown4(2), shown6(2))
	waitState(t, n.daemon, "172.16.1.0/24", "conflict")
	waitState(t, n.daemon, "2001:db8:1001::/48", "conflict")
	lab.Equal(t, "foreign routes", before, n.rtr.Foreign())

	t.Log("BGP withdraws, the daemon ends: the foreign ones are still there")
	n.bird.Kill()
	n.rtr.WaitOwn(lab.Main)
	n.daemon.Stop()
	lab.Equal(t, "foreign routes", before, n.rtr.Foreign())
}

// A route of ours that someone deletes comes back; one that someone adds under
// our protocol goes.
func TestKernelIsRepaired(t *testing.T) {
	t.Parallel()
	n := newUpstream(t, twoRoutes())
	n.daemon = n.rtr.Daemon(exportWhere())
	all := []string{shown4(1), shown4(2), shown6(1), shown6(2)}
	n.rtr.WaitOwn(lab.Main, all...)

	n.rtr.IP("route", "del", "172.16.1.0/24")
	n.rtr.IP("-6", "route", "del", "2001:db8:1001::/48")
	n.rtr.WaitOwn(lab.Main, all...)

	t.Log("all at once, with what they hang on")
	n.rtr.Batch("route del 172.16.1.0/24", "route del 172.16.2.0/24", "route del 2001:db8:1001::/48", "route del 2001:db8:1002::/48")
	n.rtr.IP("nexthop", "flush")
	n.rtr.WaitOwn(lab.Main, all...)

	t.Log("the nexthop objects alone: the kernel takes the routes with them")
	n.rtr.IP("nexthop", "flush")
	n.rtr.WaitOwn(lab.Main, all...)

	t.Log("someone adds a route under our protocol")
	n.rtr.IP("route", "add", "198.51.100.0/24", "via", "10.0.0.9", "metric", "20", "proto", "179")
	n.rtr.WaitOwn(lab.Main, all...)
	t.Log("without a metric, beside ours too, and of a type that a daemon has no use for")
	n.rtr.IP("route", "add", "198.51.100.0/24", "via", "10.0.0.9", "proto", "179")
	n.rtr.IP("route", "add", "172.16.1.0/24", "via", "10.0.0.9", "proto", "179")
	n.rtr.IP("route", "add", "local", "198.51.101.0/24", "dev", "eth0", "table", "main", "proto", "179")
	n.rtr.WaitOwn(lab.Main, all...)

	t.Log("the link goes down and comes up: the kernel dropped the IPv4 routes without a word")
	n.rtr.IP("link", "set", "eth0", "down")
	n.rtr.IP("link", "set", "eth0", "up")
	n.rtr.Address("eth0", "2001:db8::1/64")
	n.rtr.WaitOwn(lab.Main, all...)
}

// A nexthop that cannot be reached leaves its route unresolved; a connected or
// a static route that makes it reachable installs it, and takes it out again.
func TestNexthopIsTracked(t *testing.T) {
	t.Parallel()
	far := func(i string) string {
		return statics(
			[]string{"route 172.16.1.0/24 via 10.0.0.2 { bgp_next_hop = 10.7" + i + ".0.9; };"},
			[]string{"route 2001:db8:1001::/48 via 2001:db8::2 { bgp_next_hop = 2001:db8:7" + i + "::9; };"})
	}
	n := newUpstream(t, far("7"))
	n.daemon = n.rtr.Daemon(exportWhere())
	for _, prefix := range []string{"172.16.1.0/24", "2001:db8:1001::/48"} {
		if reason := waitState(t, n.daemon, prefix, "unresolved"); !strings.Contains(reason, "10.77.0.9") && !strings.Contains(reason, "2001:db8:77::9") {
			t.Errorf("the reason of %s does not name the nexthop: %q", prefix, reason)
		}
	}
	n.rtr.WaitOwn(lab.Main)

	t.Log("a static route leads there")
	n.rtr.IP("route", "add", "10.77.0.0/16", "via", "10.0.0.3")
	n.rtr.IP("route", "add", "2001:db8:77::/64", "via", "2001:db8::3")
	n.rtr.WaitOwn(lab.Main, "172.16.1.0/24 via 10.0.0.3 dev eth0 metric 20", "2001:db8:1001::/48 via 2001:db8::3 dev eth0 metric 20")
	mark := n.rtr.Mark()

	t.Log("a better one leads elsewhere")
	n.rtr.IP("route", "add", "10.77.0.0/24", "via", "10.0.0.4")
	n.rtr.IP("route", "add", "2001:db8:77::/80", "via", "2001:db8::4")
	n.rtr.WaitOwn(lab.Main, "172.16.1.0/24 via 10.0.0.4 dev eth0 metric 20", "2001:db8:1001::/48 via 2001:db8::4 dev eth0 metric 20")
	for _, e := range n.rtr.Since(mark) {
		if e.Deleted {
			t.Errorf("%v was deleted while it was to be replaced", e.Prefix)
		}
	}

	t.Log("all of them go")
	n.rtr.IP("route", "del", "10.77.0.0/24")
	n.rtr.IP("route", "del", "10.77.0.0/16")
	n.rtr.IP("-6", "route", "del", "2001:db8:77::/80")
	n.rtr.IP("-6", "route", "del", "2001:db8:77::/64")
	n.rtr.WaitOwn(lab.Main)
	waitState(t, n.daemon, "172.16.1.0/24", "unresolved")

	t.Log("an address makes it connected, and takes it with it")
	n.rtr.Address("eth0", "10.77.0.1/24", "2001:db8:77::1/64")
	n.rtr.WaitOwn(lab.Main, "172.16.1.0/24 via 10.77.0.9 dev eth0 metric 20", "2001:db8:1001::/48 via 2001:db8:77::9 dev eth0 metric 20")
	n.rtr.IP("addr", "del", "10.77.0.1/24", "dev", "eth0")
	n.rtr.IP("addr", "del", "2001:db8:77::1/64", "dev", "eth0")
	n.rtr.WaitOwn(lab.Main)
}
