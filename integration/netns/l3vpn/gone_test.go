package l3vpn_test

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestPEGone: two PEs have a service. The one that packets go to is not reached any more, or
// ends its session, or is killed and does not come back in time: the service goes to the other one, on
// the wire too, its route stands all the while, and of the PE nothing is left, neither a route nor a
// nexthop object; and all is as it was when it is back. Nothing that goes to the other one is lost.
func TestPEGone(t *testing.T) {
	for _, by := range []edge.By{edge.MPLS, edge.SRv6} {
		t.Run(string(by), func(t *testing.T) {
			n := newNetwork(t, by, 3)
			n.devices(n.PEs...)
			one, two, three := n.PEs[0], n.PEs[1], n.PEs[2]
			n.serve(two, three)
			n.oursAs(func(pe *edge.PE) string { // by which a PE is not waited for longer
				return strings.ReplaceAll(n.config(pe), "restart-time = 60", "restart-time = 3")
			}, n.PEs...)
			n.ways(one, two, three)
			gone, stays := two, three // the one that the packets go to
			lab.WaitFor(t, "packets go to one of both", lab.Patience, func() string {
				if n.sentTo(one, two, service)+n.sentTo(one, three, service) == 0 {
					return "none do"
				}
				return ""
			})
			if n.sentTo(one, two, service) == 0 {
				gone, stays = three, two
			}
			n.leaves(gone, stays, "is not reached",
				func() { n.routes(one, "replace blackhole", gone) },
				func() { n.routes(one, "replace", gone) })
			n.leaves(gone, stays, "has ended the session",
				func() { gone.Daemon.Do("neighbor", one.Addr(), "disable") },
				func() { gone.Daemon.Do("neighbor", one.Addr(), "enable") })
			n.leaves(gone, stays, "is killed, and does not come back in time", gone.Daemon.Kill, func() { gone.Daemon.Start() })
		})
	}
}

// serve gives red at PEs the service.
func (n *network) serve(pes ...*edge.PE) {
	n.T.Helper()
	for _, pe := range pes {
		red := pe.Tenants["red"]
		red.Host.Address("lo", service+"/32", service6+"/128")
		// With the metric that IPv6 routes have by default they would only stand in for BGP's.
		red.NS.Batch(fmt.Sprintf("route add %s/32 vrf red via %s metric 10", service, edge.Host(pe.N, false)),
			fmt.Sprintf("route add %s/128 vrf red via %s metric 10", service6, edge.Host(pe.N, true)))
	}
}

// ways waits until the service of red leads from a PE to these, and answers.
func (n *network) ways(pe *edge.PE, to ...*edge.PE) {
	n.T.Helper()
	red := pe.Tenants["red"]
	for _, addr := range []string{service, service6} {
		lab.WaitEqual(n.T, fmt.Sprintf("the ways to %s", addr), len(to), func() int {
			for _, r := range red.NS.Routes() {
				if r.Dst == addr && r.Protocol == fmt.Sprint(n.Run.Protocol) && (n.By == edge.MPLS || r.Table != fmt.Sprint(red.Table)) {
					return max(1, len(r.NextHops))
				}
			}
			return 0
		})
		red.Host.WaitPing("", addr)
	}
}

// routes changes the routes of a PE to another one.
func (n *network) routes(pe *edge.PE, how string, to *edge.PE) {
	n.T.Helper()
	for _, r := range pe.Routes(to) {
		if prefix, _, _ := strings.Cut(r, " "); strings.HasSuffix(how, "blackhole") {
			r = prefix
		}
		pe.Core.Batch("route " + how + " " + r)
	}
}

// leaves has one of the two PEs go, and come back, and looks at the first one.
func (n *network) leaves(gone, stays *edge.PE, how string, goes, comes func()) {
	n.T.Helper()
	n.T.Logf("PE %d %s", gone.N, how)
	one := n.PEs[0]
	pulse := n.Pulse()
	edge.Between(n.Network, pulse, "red", one, stays, false, true)
	if routes, objects := n.of(one, gone); len(routes) == 0 || len(objects) == 0 {
		n.T.Fatalf("of PE %d there are the routes %q and the objects %q", gone.N, routes, objects)
	}
	mark := one.Core.Mark()
	goes()
	n.ways(one, stays)
	lab.WaitEqual(n.T, fmt.Sprintf("what there is of PE %d, which %s", gone.N, how), nil, func() []string {
		routes, objects := n.of(one, gone)
		return append(routes, objects...)
	})
	n.follow(one, gone, stays)
	comes()
	n.ways(one, gone, stays)
	for _, name := range edge.Names() {
		n.Reach(name, one, gone)
	}
	pulse.EndWhole()
	for _, e := range one.Core.Since(mark) {
		if p := e.Prefix.Addr().String(); e.Deleted && (p == service || p == service6) {
			n.T.Errorf("PE %d %s: %+v", gone.N, how, e)
		}
	}
}

// follow sends packets to the service: none goes to the PE that is gone.
func (n *network) follow(from, gone, stays *edge.PE) {
	n.T.Helper()
	const packets = 10
	for _, to := range []string{service, service6} {
		lost, came := n.sentTo(from, gone, to), n.sentTo(from, stays, to)
		for range packets {
			if err := from.Tenants["red"].Host.Ping("", to); err != nil {
				n.T.Error(err)
			}
		}
		lab.WaitFor(n.T, fmt.Sprintf("packets to %s go to PE %d", to, stays.N), lab.Patience, func() string {
			if now := n.sentTo(from, stays, to) - came; now < packets {
				return fmt.Sprintf("%d have", now)
			}
			return ""
		})
		if now := n.sentTo(from, gone, to); now != lost {
			n.T.Errorf("%d packets to %s went to PE %d, which is gone", now-lost, to, gone.N)
		}
	}
}

// of is what a PE has of another one: routes to what that one alone has, and nexthop objects.
func (n *network) of(pe, other *edge.PE) (routes, objects []string) {
	n.T.Helper()
	for _, name := range edge.Names() {
		for _, r := range pe.Tenants[name].Own() {
			if slices.ContainsFunc(other.Tenants[name].Prefixes(), func(p string) bool { return strings.HasPrefix(r, p) }) {
				routes = append(routes, name+": "+r)
			}
		}
	}
	for line := range strings.Lines(pe.Core.IP("nexthop", "show", "proto", fmt.Sprint(n.Run.Protocol))) {
		if n.leadsTo(line, other) {
			objects = append(objects, line)
		}
	}
	return routes, objects
}

// leadsTo tells whether a nexthop object puts a label or a SID of a PE before packets.
func (n *network) leadsTo(object string, pe *edge.PE) bool {
	if n.By == edge.SRv6 {
		return strings.Contains(object, fmt.Sprintf("fd00:%d:0:1:", pe.N))
	}
	return regexp.MustCompile(fmt.Sprintf(`encap mpls\s+(%d/)?%d0\d\d\b`, edge.Transport(pe.N), pe.N)).MatchString(object)
}

// sentTo is how many packets to an address have gone from a PE to another one, as the wire has it.
func (n *network) sentTo(from, to *edge.PE, address string) (packets int) {
	if n.By == edge.SRv6 {
		for s, count := range from.Segments() {
			if s.Inner.To == addr(address) && strings.HasPrefix(s.Outer.To.String(), fmt.Sprintf("fd00:%d:0:1:", to.N)) {
				packets += count
			}
		}
		return packets
	}
	for l, count := range from.Labels() {
		if l.To == addr(address) && strings.HasPrefix(l.Labels, fmt.Sprintf("%d/", edge.Transport(to.N))) {
			packets += count
		}
	}
	return packets
}
