package main

import (
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/bench/peer"
	"github.com/vrfredist/vrfredist/bench/prefixes"
)

// The network of many neighbours: all are in one namespace, on one link.
var (
	manyAt   = netip.MustParsePrefix("10.64.0.0/16")
	manyOurs = netip.MustParseAddr("10.64.0.1")
)

// growNeighbors has n neighbours, which send so many routes together: each has to be looked at for each
// neighbour, so the work grows with their number and no faster.
func growNeighbors(w *work, t *stage, g *growth, sent, n int, dynamic bool) {
	r := newRouter(t, w, unwatched(newLab(t, w), "far"))
	r.ns.IP("addr", "add", fmt.Sprintf("%v/%d", manyOurs, manyAt.Bits()), "dev", "eth0")
	link := fmt.Sprintf("s%d", w.links-1) // the far end of eth0
	var b strings.Builder
	fmt.Fprintf(&b, "[global.config]\n  as = %d\n  router-id = %q\n", as, routerAddr)
	if dynamic {
		fmt.Fprintf(&b, "[[peer-groups]]\n  [peer-groups.config]\n    peer-group-name = \"many\"\n    peer-as = %d\n"+
			"  [[peer-groups.afi-safis]]\n    [peer-groups.afi-safis.config]\n      afi-safi-name = \"ipv4-unicast\"\n"+
			"[[dynamic-neighbors]]\n  [dynamic-neighbors.config]\n    prefix = %q\n    peer-group = \"many\"\n", as, manyAt)
	}
	addrs, lines := make([]netip.Addr, n), make([]string, n)
	for i := range addrs {
		addrs[i] = numbered(manyAt, i+1)
		lines[i] = fmt.Sprintf("addr add %v/%d dev %s", addrs[i], manyAt.Bits(), link)
		if !dynamic {
			fmt.Fprintf(&b, "[[neighbors]]\n  [neighbors.config]\n    neighbor-address = %q\n    peer-as = %d\n  [neighbors.transport.config]\n    passive-mode = true\n", addrs[i], as)
		}
	}
	r.far.Batch(lines...)
	v := w.receive(r, ours, options{export: true, args: w.profile(ours), config: b.String() + "[netlink.export]\n  enabled = true\n"})
	before := routes(t, v.pid(), false)
	cpu, began := cpuTime(t, v.pids()), time.Now()
	for i, addr := range addrs {
		var p *peer.Peer
		t.until("a session is up", time.Minute, 20*time.Millisecond, func() bool {
			var err error
			p, err = peer.Dial(r.far.Enter, peer.Config{Local: addr, Remote: manyOurs, AS: as})
			return err == nil
		})
		t.Cleanup(func() { _ = p.Close() })
		for j := sent * i / n; j < sent*(i+1)/n; j++ {
			t.must(p.Announce(netip.PrefixFrom(netip.AddrFrom4([4]byte{20, byte(j >> 8), byte(j), 0}), 24), addr))
		}
	}
	end := t.until("the last route arrives", w.limit, 10*time.Millisecond, func() bool {
		return routes(t, v.pid(), false) >= before+sent
	})
	measured(w, g, n, v, began, end, cpu)
	v.stop()
}

// growLeaks has the routes that a neighbour in no VRF sends go into n VRFs too.
func growLeaks(w *work, t *stage, g *growth, leaked, n int) {
	r := newRouter(t, w, unwatched(newLab(t, w), "far"))
	var b strings.Builder
	b.WriteString(oneNeighbor() + "[netlink.export]\n  enabled = true\n")
	for i := range n {
		vrfConfig(&b, i, "", firstTable+i)
		b.WriteString("  [netlink.vrfs.bgp]\n    leak_from = [\"default\"]\n")
	}
	v := w.receive(r, ours, options{export: true, args: w.profile(ours), config: b.String()})
	awaitReady(v, n+1, 0)
	table := prefixes.IPv4(leaked, w.seed)
	before := routes(t, v.pid(), false)
	cpu, began, _ := sentBy(w, v, table)
	end := t.until("the last route arrives", w.limit, 10*time.Millisecond, func() bool {
		return routes(t, v.pid(), false) >= before+leaked*(n+1)
	})
	measured(w, g, n, v, began, end, cpu)
	v.stop()
}

// growPolicy has a policy of n rules judge a table.
func growPolicy(w *work, t *stage, g *growth, judged, n int) {
	by := "[netlink.export]\n  enabled = true\n"
	if n > 0 {
		var b strings.Builder
		b.WriteString(by + "  policy = \"many\"\n[[netlink.policies]]\n  name = \"many\"\n  default = \"accept\"\n")
		for i := range n {
			fmt.Fprintf(&b, "  [[netlink.policies.rules]]\n    prefixes = [\"198.51.100.%d/32\"]\n    action = \"reject\"\n", i)
		}
		by = b.String()
	}
	v := w.receive(newRouter(t, w, unwatched(newLab(t, w), "far")), ours, options{export: true, args: w.profile(ours), config: oneNeighbor() + by})
	cpu, began, end := sentBy(w, v, prefixes.IPv4(judged, w.seed))
	measured(w, g, n, v, began, end, cpu)
	v.stop()
}
