package main

import (
	"encoding/binary"
	"fmt"
	"net/netip"
	"time"

	"github.com/vrfredist/vrfredist/bench/peer"
)

const vtepsScenario = "PEs of a VRF"

// vtepsBehind covers the addresses of many PEs.
var vtepsBehind = netip.MustParsePrefix("10.128.0.0/9")

// manyPEs has one VRF with a route by each of many PEs, and with as many by one: the difference is
// what a PE costs beside its route.
func manyPEs(w *work, t *stage) {
	live, slabs := map[int]float64{}, map[int]float64{}
	for _, pes := range []int{1, w.vteps} {
		if err := run(t.ctx, func(t *stage) { live[pes], slabs[pes] = routesOfPEs(w, t, pes) }); err != nil {
			t.Fatalf("%d PEs: %w", pes, err)
		}
	}
	n := float64(w.vteps - 1)
	subject := fmt.Sprintf("%d PEs", w.vteps)
	w.note(vtepsScenario, subject, "bytes a PE in the daemon", (live[w.vteps]-live[1])/n)
	w.note(vtepsScenario, subject, "bytes a PE in the kernel's slabs", (slabs[w.vteps]-slabs[1])/n)
}

// routesOfPEs gives a VRF its routes by so many PEs in turn, and returns what is alive on the heap
// then, and how much the kernel's slabs have grown.
func routesOfPEs(w *work, t *stage, pes int) (live, slabs float64) {
	l := newLab(t, w)
	r := newRouter(t, w, unwatched(l, "far"))
	r.ns.IP("route", "add", vtepsBehind.String(), "via", gateways[0].String(), "dev", "eth0", "proto", "static")
	e := &encapRun{w: w, way: vxlanWay, r: r}
	e.tenant(l)
	t.Cleanup(func() { t.must(e.sock.Close()) })
	before := unreclaimable(t)
	v := w.receive(r, ours, options{export: true, config: gobgpConfig("l2vpn-evpn") + e.config(), args: []string{"--pprof", pprofAddr}})
	p := r.dialAs(peer.Config{EVPN: true})
	began := time.Now()
	var from peer.Tenant
	for i := range w.vteps {
		from = peer.Tenant{AS: as, Number: 1, Nexthop: numbered(vtepsBehind, i%pes), MAC: [6]byte{2, 0, 0, byte(i % pes >> 16), byte(i % pes >> 8), byte(i % pes)}, VNI: encapVNI}
		t.must(from.Announce(p, []netip.Prefix{netip.PrefixFrom(numbered(netip.MustParsePrefix("20.0.0.0/8"), i), 32)}))
	}
	t.must(from.End(p))
	end := t.until("the last route arrives", w.limit, 10*time.Millisecond, func() bool {
		return routes(t, e.look.PID(), false) >= w.vteps
	})
	w.note(vtepsScenario, fmt.Sprintf("%d PEs", pes), fmt.Sprintf("s until there are %d routes", w.vteps), end.Sub(began).Seconds())
	v.quiet(w)
	live, slabs = liveHeap(v), unreclaimable(t)-before
	v.stop()
	return live, slabs
}

// numbered is one of a prefix's IPv4 addresses.
func numbered(p netip.Prefix, i int) netip.Addr {
	a := p.Addr().As4()
	binary.BigEndian.PutUint32(a[:], binary.BigEndian.Uint32(a[:])+uint32(i)+1)
	return netip.AddrFrom4(a)
}
