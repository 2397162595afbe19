package main

import (
	"bufio"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/bench/peer"
)

// beside times single routes of one tenant while another takes in the whole
// table: in vrfredist the VRF red, with a table and a session of its own, beside
// the default VRF. BIRD and FRR have both in one table.
func beside(w *work, t *stage, s *sender, name string) {
	r := newRouter(t, w, s.ns)
	o := options{export: true}
	if name == ours {
		o.config = twoTenants(r)
	}
	v := w.receive(r, name, o)
	p := v.dialAs(peer.Config{All: name == ours})
	announce := func(i int) {
		if name == ours {
			t.must(p.Send(peer.Route{Prefix: single(i), Nexthop: nexthop, LocalPref: 100, RD: 1, Targets: []uint16{1}}))
			return
		}
		t.must(p.Announce(single(i), nexthop))
	}
	sample := sampled(w.v4, 50)
	s.feed("full4", true)
	t.Cleanup(func() { s.feed("full4", false) })
	t.until("the first route arrives", time.Minute, time.Millisecond, func() bool { return v.has(sample[0]) || v.has(sample[len(sample)-1]) })
	var took []float64
	for i := 0; len(sample) > 0; i++ {
		begin := time.Now()
		announce(i)
		end := t.until("a single route arrives beside the table", 2*time.Minute, 50*time.Microsecond, func() bool { return v.has(single(i)) })
		took = append(took, float64(end.Sub(begin).Microseconds())/1000)
		for len(sample) > 0 && v.has(sample[0]) {
			sample = sample[1:]
		}
		time.Sleep(5 * time.Millisecond)
	}
	w.note("beside", name, "p50 ms", percentile(took, 50))
	w.note("beside", name, "p99 ms", percentile(took, 99))
	w.note("beside", name, "routes timed", float64(len(took)))
	if name == ours {
		w.note("beside", name, "of which after BGP, 99 % under ms", fastestBucket(v, "red"))
	}
	v.stop()
}

const metricsAddr = "127.0.0.1:9179"

// twoTenants is a configuration with the default VRF and the VRF red in a table
// of its own, which ordinary look-ups reach for the single prefixes.
func twoTenants(r *router) string {
	r.ns.IP("route", "add", covering.String(), "via", gateways[0].String(), "dev", "eth0", "table", "1001", "proto", "static")
	r.ns.IP("rule", "add", "to", "198.18.0.0/15", "lookup", "1001")
	return gobgpConfig("ipv4-unicast", "l3vpn-ipv4-unicast") + fmt.Sprintf(`[[vrfs]]
  [vrfs.config]
    name = "red"
    rd = "%[1]d:1"
    both-rt-list = ["%[1]d:1"]
[netlink.metrics]
  listen = %[2]q
[[netlink.vrfs]]
  name = "default"
  [netlink.vrfs.export]
    enabled = true
[[netlink.vrfs]]
  name = "red"
  table = 1001
  [netlink.vrfs.export]
    enabled = true
`, as, metricsAddr)
}

// fastestBucket is the least bound, in milliseconds, under which 99 % of a VRF's
// IPv4 routes went from BGP's word to the kernel's confirmation.
func fastestBucket(r *receiver, vrf string) float64 {
	bounds, counts := []float64{}, []float64{}
	for lines := bufio.NewScanner(strings.NewReader(r.get("http://" + metricsAddr + "/metrics"))); lines.Scan(); {
		line := lines.Text()
		if !strings.HasPrefix(line, "vrfredist_export_latency_seconds_bucket{") || !strings.Contains(line, fmt.Sprintf("vrf=%q", vrf)) || !strings.Contains(line, `family="ipv4"`) {
			continue
		}
		_, rest, _ := strings.Cut(line, `le="`)
		bound, _, _ := strings.Cut(rest, `"`)
		b, err := strconv.ParseFloat(bound, 64)
		r.t.must(err)
		n, err := strconv.ParseFloat(line[strings.LastIndexByte(line, ' ')+1:], 64)
		r.t.must(err)
		bounds, counts = append(bounds, b), append(counts, n)
	}
	for i := range bounds {
		if counts[len(counts)-1] > 0 && counts[i] >= 0.99*counts[len(counts)-1] {
			return 1000 * bounds[i]
		}
	}
	r.t.Fatalf("vrfredist counted no route of %s", vrf)
	return 0
}
