package main

import (
	"bytes"
	"fmt"
	"math"
	"net/netip"
	"slices"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/bench/peer"
	"github.com/vrfredist/vrfredist/bench/prefixes"
)

// growth is one thing of which there are more and more, and what the daemon needs for each number.
type growth struct {
	name  string // of the scenario, behind growthScenario
	title string
	text  string
	unit  string // what there are more of
	sizes []int
	// play has a daemon with so many, notes what it needs by measured, and stops it.
	play func(w *work, t *stage, g *growth, n int)
}

const growthScenario = "growth: "

// What is measured of each number. The CPU is of all that is done, until the daemon is quiet.
const (
	growthTime   = "s"
	growthCPU    = "CPU s"
	growthMemory = "MB at rest"
	growthIdle   = "idle CPU, % of a core"
)

// The sizes at scale 1 of what each has that does not grow.
const (
	growthRoutes      = 1_000_000
	growthVRFs        = 4000
	growthNeighbors   = 500
	growthSent        = 10_000 // routes of all neighbours
	growthEach        = 20     // routes of a VRF
	growthManyVRFs    = 1000   // in which prefixes grow
	growthPrefixes    = 400
	growthLeaked      = 5000
	growthTargets     = 100
	growthJudged      = 200_000
	growthPolicyRules = 100
)

// growths are all of them at a scale. A small one has small numbers, of which it shows that it works.
func growths(scale float64) []growth {
	upTo := func(most, least int, parts ...int) (list []int) {
		most = max(least, int(float64(most)*scale))
		for _, part := range parts {
			list = append(list, max(1, most/part))
		}
		return slices.Compact(list)
	}
	vrfs := upTo(growthVRFs, 8, 400, 40, 4, 1)
	neighbors := upTo(growthNeighbors, 8, 500, 50, 5, 1)
	sent := max(100, int(growthSent*scale))
	rules := append([]int{0}, upTo(growthPolicyRules, 4, 100, 1)...)
	return []growth{
		{"routes", "As routes grow", "One neighbour sends a table of so many IPv4 prefixes.", "routes",
			upTo(4*growthRoutes, 8000, 40, 4, 2, 1), growRoutes},
		{"VRFs in namespaces", "As VRFs in namespaces grow", fmt.Sprintf("From the start until each VRF, a namespace each, has %d routes, from one VPN-IPv4 session.", growthEach), "VRFs",
			vrfs, func(w *work, t *stage, g *growth, n int) { growVRFs(w, t, g, n, growthEach, true) }},
		{tablesGrowth, "As VRFs in tables of one namespace grow", "The same with a table each.", "VRFs",
			vrfs, func(w *work, t *stage, g *growth, n int) { growVRFs(w, t, g, n, growthEach, false) }},
		{tenantsGrowth, "As tenants by API grow", fmt.Sprintf("From the first call until each tenant, a table each, has %d routes, from one VPN-IPv4 session that was there before; %d calls are under way at a time.", growthEach, orchestrators), "tenants",
			upTo(growthVRFs, 8, 40, 4, 1), func(w *work, t *stage, g *growth, n int) { growTenants(w, t, g, n, growthEach) }},
		{"prefixes of a VRF", "As prefixes of each VRF grow", fmt.Sprintf("%d VRFs in tables, each with so many prefixes.", max(8, int(growthManyVRFs*scale))), "prefixes a VRF",
			upTo(growthPrefixes, 16, 400, 40, 4, 1), func(w *work, t *stage, g *growth, n int) {
				growVRFs(w, t, g, max(8, int(growthManyVRFs*scale)), n, false)
			}},
		{"neighbours", "As neighbours grow", fmt.Sprintf("So many iBGP neighbours, which send %d routes together, one after the other.", sent), "neighbours",
			neighbors, func(w *work, t *stage, g *growth, n int) { growNeighbors(w, t, g, sent, n, false) }},
		{"dynamic neighbours", "As dynamic neighbours grow", "The same, of a prefix in the configuration.", "neighbours",
			neighbors, func(w *work, t *stage, g *growth, n int) { growNeighbors(w, t, g, sent, n, true) }},
		{"leaks", "As VRFs that another leaks into grow", fmt.Sprintf("%d routes of `default` go into so many VRFs in tables.", max(100, int(growthLeaked*scale))), "VRFs",
			upTo(growthTargets, 4, 100, 10, 1), func(w *work, t *stage, g *growth, n int) { growLeaks(w, t, g, max(100, int(growthLeaked*scale)), n) }},
		{"policies", "As rules of a policy grow", fmt.Sprintf("A policy of the export with so many rules, none of which matches, judges %d routes.", max(1000, int(growthJudged*scale))), "rules",
			rules, func(w *work, t *stage, g *growth, n int) { growPolicy(w, t, g, max(1000, int(growthJudged*scale)), n) }},
	}
}

func (g *growth) scenario() string { return growthScenario + g.name }

func (g *growth) subject(n int) string { return fmt.Sprintf("%d %s", n, g.unit) }

// growthScenarios are a scenario for each number, so that one that fails does not take the others along.
func growthScenarios(w *work) (list []scenario) {
	for _, g := range growths(w.Scale) {
		for _, n := range g.sizes {
			list = append(list, oneScenario(g.scenario()+": "+g.subject(n), true, func(t *stage) { g.play(w, t, &g, n) }))
		}
	}
	return list
}

// measured notes what a daemon needs for n: from began on, when it had used so much, until all was done.
func measured(w *work, g *growth, n int, v *receiver, began, end time.Time, cpu time.Duration) {
	name := g.subject(n)
	w.note(g.scenario(), name, growthTime, end.Sub(began).Seconds())
	v.quiet(w)
	w.note(g.scenario(), name, growthCPU, (cpuTime(v.t, v.pids()) - cpu).Seconds())
	if w.cpuProfile != "" { // of that alone
		v.profiled(w.cpuProfile)
		return
	}
	rested(w, v)
	w.note(g.scenario(), name, growthMemory, status(v.t, v.pids(), "VmRSS")/1e6)
	w.note(g.scenario(), name, growthIdle, idle(w, v))
}

// growRoutes has one neighbour send a table of n prefixes.
func growRoutes(w *work, t *stage, g *growth, n int) {
	v := w.receive(newRouter(t, w, unwatched(newLab(t, w), "far")), ours, options{export: true, args: w.profile(ours), config: oneNeighbor() + "[netlink.export]\n  enabled = true\n"})
	table := prefixes.IPv4(n, w.seed)
	cpu, began, end := sentBy(w, v, table)
	measured(w, g, n, v, began, end, cpu)
	v.stop()
}

// oneNeighbor is GoBGP's part for a neighbour of another AS, peerAddr.
func oneNeighbor() string {
	return fmt.Sprintf("[global.config]\n  as = %d\n  router-id = %q\n[[neighbors]]\n  [neighbors.config]\n    neighbor-address = %q\n    peer-as = %d\n"+
		"  [neighbors.transport.config]\n    passive-mode = true\n", as, routerAddr, peerAddr, told)
}

// sentBy has that neighbour send a table, and waits until it is in the kernel.
func sentBy(w *work, r *receiver, table []netip.Prefix) (cpu time.Duration, began, end time.Time) {
	var stream bytes.Buffer
	r.t.must(peer.WriteStream(&stream, table, peer.Origin{AS: told, Nexthop: peerAddr}))
	before := routes(r.t, r.pid(), false)
	p := r.dialAs(peer.Config{AS: told})
	cpu, began = cpuTime(r.t, r.pids()), time.Now()
	r.t.must(peer.Play(p, &stream))
	arrival(r, sampled(table, samples))
	return cpu, began, r.t.until("the last route arrives", w.limit, 10*time.Millisecond, func() bool {
		return routes(r.t, r.pid(), false) >= before+len(table)
	})
}

// growVRFs has n VRFs with so many prefixes each, from a cold start.
func growVRFs(w *work, t *stage, g *growth, n, each int, namespaces bool) {
	l := newLab(t, w)
	r := newRouter(t, w, unwatched(l, "far"))
	var b strings.Builder
	b.WriteString(gobgpConfig("l3vpn-ipv4-unicast"))
	var lines []string
	if namespaces {
		for i, ns := range bareNamespaces(l, n) {
			ns.Batch("link set lo up", fmt.Sprintf("route add %v dev lo table %d proto static", covering, firstTable))
			vrfConfig(&b, i, ns.Name, firstTable)
		}
	} else {
		for i := range n {
			lines = append(lines, coverIn(firstTable+i))
			vrfConfig(&b, i, "", firstTable+i)
		}
		r.ns.Batch(lines...)
	}
	began := time.Now()
	v := w.receive(r, ours, options{export: true, args: w.profile(ours), config: b.String()})
	before := routes(t, v.pid(), false)
	vpnRoutes(r, n, each)
	if !namespaces {
		t.until("the last route arrives", w.limit, 50*time.Millisecond, func() bool { return routes(t, v.pid(), false) >= before+n*each })
	}
	measuredVRFs(w, g, v, n, each, began)
}

// measuredVRFs notes the numbers of a growth in which each of n VRFs comes to have so many routes.
func measuredVRFs(w *work, g *growth, v *receiver, n, each int, began time.Time) {
	size := n
	if g.unit == "prefixes a VRF" {
		size = each
	}
	measured(w, g, size, v, began, awaitReady(v, n, each), 0)
	if w.cpuProfile == "" {
		reloadsOne(w, g, v, size)
	}
	v.stop()
}

// firstTable is the table of the first VRF.
const firstTable = 1001

// coverIn has the nexthop of all routes be reached in a table.
func coverIn(table int) string {
	return fmt.Sprintf("route add %v via %v dev eth0 table %d proto static", covering, gateways[0], table)
}

// tenantTable are the n prefixes of every VRF.
func tenantTable(n int) []netip.Prefix {
	out := make([]netip.Prefix, n)
	for i := range out {
		out[i] = netip.PrefixFrom(netip.AddrFrom4([4]byte{172, 16 + byte(i>>8), byte(i), 0}), 24)
	}
	return out
}

// bend is how much faster than its number a cost grows: 1 where four times as many cost four times as
// much. What a daemon needs without any counts for nothing: of three numbers it is about the last two.
func bend(r *results, g *growth, quantity string) (float64, bool) {
	if len(g.sizes) < 3 {
		return 0, false
	}
	last := g.sizes[len(g.sizes)-3:]
	var at [3]float64
	for i, n := range last {
		v, ok := r.value(g.scenario(), g.subject(n), quantity)
		if !ok {
			return 0, false
		}
		at[i] = v
	}
	early := (at[1] - at[0]) / float64(last[1]-last[0])
	late := (at[2] - at[1]) / float64(last[2]-last[1])
	if early <= 0 {
		return math.NaN(), false
	}
	return late / early, true
}

// growthAims are that nothing grows faster than its work, and costs nothing at rest.
func growthAims(r *results) (list []aim) {
	for _, g := range growths(r.Scale) {
		for _, quantity := range []string{growthCPU, growthMemory} {
			list = append(list, aim{fmt.Sprintf("%s, %s of one more ÷ of one more of a few", g.name, quantity), 1.25, false, func(r *results) (float64, bool) {
				return bend(r, &g, quantity)
			}})
		}
		most := g.subject(g.sizes[len(g.sizes)-1])
		list = append(list, aim{fmt.Sprintf("%s, %s, %s", g.name, most, growthIdle), 1, false, func(r *results) (float64, bool) {
			return r.value(g.scenario(), most, growthIdle)
		}})
	}
	return list
}
