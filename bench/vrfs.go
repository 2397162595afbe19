package main

import (
	"context"
	"fmt"
	"net/netip"
	"strings"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// tables is how many VRFs share a namespace, routesEach how many routes each
// gets.
const (
	tables     = 5
	routesEach = 100
)

func newLab(t *stage, w *work) *lab.Lab { return lab.New(t, w.run) }

// vrfConfig adds one VRF bound to a table to a configuration.
func vrfConfig(b *strings.Builder, i int, netns string, table int) {
	fmt.Fprintf(b, "[[vrfs]]\n  [vrfs.config]\n    name = \"v%d\"\n    rd = \"%d:%d\"\n    both-rt-list = [\"%d:%d\"]\n", i, as, i+1, as, i+1)
	fmt.Fprintf(b, "[[netlink.vrfs]]\n  name = \"v%d\"\n  table = %d\n", i, table)
	if netns != "" {
		fmt.Fprintf(b, "  netns = %q\n", netns)
	}
	b.WriteString("  [netlink.vrfs.export]\n    enabled = true\n")
}

// manyVRFs has a VRF in each of five tables of many namespaces.
func manyVRFs(w *work, t *stage) {
	l := newLab(t, w)
	far := unwatched(l, "far")
	r := newRouter(t, w, far)
	var b strings.Builder
	b.WriteString(gobgpConfig("l3vpn-ipv4-unicast"))
	spaces := make([]*lab.Namespace, w.namespaces)
	for i := range spaces {
		spaces[i] = unwatched(l, "tenant")
		lines := []string{"link add tenant0 type veth peer name tenant1", "link set tenant0 up", "link set tenant1 up", "addr add 10.9.0.1/24 dev tenant0"}
		for j := range tables {
			lines = append(lines, fmt.Sprintf("route add %v dev tenant0 table %d proto static", covering, 1001+j))
			vrfConfig(&b, i*tables+j, spaces[i].Name, 1001+j)
		}
		spaces[i].Batch(lines...)
	}
	n := w.namespaces * tables
	empty := emptyRSS(w, r)
	began := time.Now()
	v := w.receive(r, ours, options{export: true, config: b.String()})
	w.note("VRFs", ours, "s to all ready, without routes", awaitReady(v, n, 0).Sub(began).Seconds())
	w.settle(t)
	w.note("VRFs", ours, "KiB a VRF, without routes", (status(t, v.pids(), "VmRSS")-empty)/1024/float64(n))
	w.note("VRFs", ours, "threads", status(t, v.pids(), "Threads"))
	w.note("VRFs", ours, "idle CPU, % of a core", idle(w, v))
	v.stop()

	began = time.Now()
	v = w.receive(r, ours, options{export: true, config: b.String()})
	p := r.dial(true)
	for i := range n {
		t.must(p.AnnounceVPN(as, uint16(i+1), tenantPrefixes(), nexthop))
	}
	t.must(p.EndOfRIB(true))
	w.note("VRFs", ours, "s from the start to all ready, with routes", awaitReady(v, n, routesEach).Sub(began).Seconds())
	w.note("VRFs", ours, "idle CPU with routes, % of a core", idle(w, v))
	for _, ns := range []*lab.Namespace{spaces[0], spaces[len(spaces)-1]} {
		for j := range tables {
			if got := strings.Count(ns.IP("route", "show", "table", fmt.Sprint(1001+j), "proto", fmt.Sprint(protocol)), "\n"); got != routesEach {
				t.Errorf("table %d of %s holds %d routes, want %d", 1001+j, ns.Name, got, routesEach)
			}
		}
	}
	v.stop()
}

// tenantPrefixes are the routes of every VRF: all tenants use the same.
func tenantPrefixes() []netip.Prefix {
	out := make([]netip.Prefix, routesEach)
	for i := range out {
		out[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16, byte(i), 0}), 24)
	}
	return out
}

// emptyRSS is the memory of a vrfredist with nothing to do.
func emptyRSS(w *work, r *router) float64 {
	v := w.receive(r, ours, options{config: gobgpConfig("l3vpn-ipv4-unicast")})
	defer v.stop()
	w.settle(r.t)
	return status(r.t, v.pids(), "VmRSS")
}

// idle measures the CPU time of a receiver to which nothing happens.
func idle(w *work, r *receiver) float64 {
	w.settle(r.t)
	cpu, begin := cpuTime(r.t, r.pids()), time.Now()
	for range w.idleSettles {
		w.settle(r.t)
	}
	return 100 * (cpuTime(r.t, r.pids()) - cpu).Seconds() / time.Since(begin).Seconds()
}

// awaitReady waits until n VRFs are ready with as many routes each.
func awaitReady(r *receiver, n, each int) time.Time {
	last := ""
	defer func() {
		if r.t.Failed() {
			progress("the VRFs were, at last: %s", last)
		}
	}()
	return r.t.until(fmt.Sprintf("%d VRFs are ready", n), 3*time.Minute, 200*time.Millisecond, func() bool {
		ctx, cancel := context.WithTimeout(r.t.ctx, apiPatience)
		defer cancel()
		list, err := r.api.ListVrfs(ctx, &vrfredistv1.ListVrfsRequest{})
		r.t.must(err)
		ready := 0
		for _, v := range list.GetVrfs() {
			if v.GetState() == "ready" && int(v.GetCounts().GetInstalled()) == each {
				ready++
			} else {
				last = v.String()
			}
		}
		return ready == n
	})
}
