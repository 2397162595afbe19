package main

import (
	"fmt"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/bench/peer"
)

const membershipsScenario = "memberships"

// memberships has a reflector with route target constraint (RFC 4684) send so many route targets,
// one of which is the tenant's, and then the tenant's routes go out.
func memberships(w *work, t *stage, targets int) {
	l := newLab(t, w)
	r := newRouter(t, w, unwatched(l, "far"))
	e := &encapRun{w: w, way: plainWay, r: r} // with a link in the tenant
	e.tenant(l)
	t.Cleanup(func() { t.must(e.sock.Close()) })
	e.way = vxlanWay
	v := w.receive(r, ours, options{export: true, config: gobgpConfig("rtc", "l2vpn-evpn") + e.config() +
		"  [netlink.vrfs.import]\n    enabled = true\n    interface_list = [\"tenant*\"]\n"})
	awaitReady(v, 1, 0)
	p := r.dialAs(peer.Config{EVPN: true, Targets: true})
	t.must(peer.Join(p, targets))
	t.until("the tenant's first routes arrive", w.limit, 10*time.Millisecond, func() bool { return len(p.HeardVPN()) > 0 })
	v.quiet(w)
	had, cpu := len(p.HeardVPN()), cpuTime(t, v.pids())
	lines := make([]string, w.announced)
	for i := range lines {
		lines[i] = fmt.Sprintf("route add %v dev tenant0 proto static", single(i))
	}
	began := time.Now()
	e.ns.Batch(strings.Join(lines, "\n"))
	end := t.until("the last route arrives at the reflector", w.limit, 10*time.Millisecond, func() bool {
		return len(p.HeardVPN()) >= had+len(lines)
	})
	v.quiet(w)
	name := fmt.Sprintf("%d route targets", targets)
	w.note(membershipsScenario, name, fmt.Sprintf("s for %d routes", len(lines)), end.Sub(began).Seconds())
	w.note(membershipsScenario, name, "ms of CPU a route", 1000*(cpuTime(t, v.pids())-cpu).Seconds()/float64(len(lines)))
	v.stop()
}
