package main

import (
	"fmt"
	"slices"
)

// aim is one ratio to reach.
type aim struct {
	text  string
	limit float64
	least bool // the limit is a lower one
	get   func(*results) (float64, bool)
}

func figureOf(scenario, quantity string) func(*results) (float64, bool) {
	return valueOf(scenario, ours, quantity)
}

func valueOf(scenario, subject, quantity string) func(*results) (float64, bool) {
	return func(r *results) (float64, bool) { return r.value(scenario, subject, quantity) }
}

func over(s1, subject1, q1, s2, subject2, q2 string) func(*results) (float64, bool) {
	return func(r *results) (float64, bool) {
		a, ok1 := r.value(s1, subject1, q1)
		b, ok2 := r.value(s2, subject2, q2)
		return a / b, ok1 && ok2 && b != 0
	}
}

// aims are all that is to be reached, in the order of the scenarios.
func aims(r *results) []aim {
	return slices.Concat(sessionAims(), neighbourAims(), planAims(), callAims(), wayAims(), routeAims(), importAims(), memoryAims(), growthAims(r), tenantAims(), churnAims(), vrfAims(r))
}

// sessionAims are about a full table that comes in.
func sessionAims() []aim {
	return []aim{
		{"writing, routes/s", 200_000, true, figureOf("writing", "routes/s")},
		{"writing, ours ÷ BIRD's session", 1.3, true, over("writing", ours, "routes/s", "session", bird, "routes/s")},
		{"writing, ours ÷ FRR's session", 6, true, over("writing", ours, "routes/s", "session", frr, "routes/s")},
		{"session, time ÷ GoBGP alone", 1.15, false, over("session", ours, "s", "session", alone, "s")},
		{"session, time ÷ BIRD", 1.5, false, over("session", ours, "s", "session", bird, "s")},
		{"session, time ÷ " + bird3, 0.75, false, over("session", ours, "s", "session", bird3, "s")},
		{"session, CPU ÷ " + bird3, 0.85, false, over("session", ours, "CPU s", "session", bird3, "CPU s")},
		{"session, time ÷ " + frr10, 1, false, over("session", ours, "s", "session", frr10, "s")},
		{"session, FRR's time ÷ ours", 2, true, over("session", frr, "s", "session", ours, "s")},
		{"guard, its own functions, % of the session's samples", 1, false, valueOf("guard", "with it", "its own functions, % of the samples")},
		{"guard, session with it ÷ without", 1.05, false, over("guard", "with it", "CPU s", "guard", "without it", "CPU s")},
		{"policy of 1,000 prefixes, CPU of the session ÷ without", 1.1, false, over(policyScenario, withPolicy, "CPU s", policyScenario, withoutPolicy, "CPU s")},
		{"failover, ms", 10, false, figureOf("failover", "ms")},
		{"restart, routes written", 0, false, figureOf("restart", "routes written")},
		{"restart, in sync ÷ GoBGP's own reload", 1.5, false, over("restart", ours, "s from the session", "session", alone, "s")},
	}
}

// routeAims are about single routes.
func routeAims() []aim {
	return []aim{
		{"one route peer to kernel, p99 ms", 10, false, figureOf("one route", "p99 ms")},
		{"one route beside a table, after BGP, p99 ms under", 50, false, figureOf("beside", "of which after BGP, 99 % under ms")},
		{"one route beside a table, peer to kernel, p99 ms", 10, false, figureOf("beside", "p99 ms")},
		{"one changed route to the peer, p50 ms", 0.3, false, figureOf("import one", "p50 ms")},
		{"one changed route to the peer, p99 ms", 1, false, figureOf("import one", "p99 ms")},
	}
}

// importAims are about the kernel's routes that go to a peer.
func importAims() []aim {
	list := []aim{{"import, time ÷ AddPathStream alone", 1.2, false, over("import", ours, "s", "import", pathStream, "s")}}
	for _, rival := range []struct {
		name string
		most float64
	}{{bird3, 2.5}, {frr10, 1}} {
		list = append(list,
			aim{"import, time ÷ " + rival.name, rival.most, false, over("import", ours, "s", "import", rival.name, "s")},
			aim{"import, CPU ÷ " + rival.name, rival.most, false, over("import", ours, "CPU s", "import", rival.name, "CPU s")})
	}
	return list
}

// vrfAims are about many VRFs, and many other PEs.
func vrfAims(r *results) []aim {
	many, pes := fmt.Sprintf("%d VRFs", max(5, int(shared*r.Scale))), fmt.Sprintf("%d PEs", max(20, int(vteps*r.Scale)))
	return []aim{
		{"VRFs, s from the start to all ready", 30, false, figureOf("VRFs", "s from the start to all ready, with routes")},
		{"VRFs, KiB a VRF beyond routes", 150, false, figureOf("VRFs", "KiB a VRF, without routes")},
		{"VRFs, idle CPU in % of a core", 1, false, figureOf("VRFs", "idle CPU with routes, % of a core")},
		{"PEs of a VRF, bytes a PE in the daemon", 1000, false, valueOf(vtepsScenario, pes, "bytes a PE in the daemon")},
		{"ip -batch beside many VRFs ÷ beside one", 1.1, false, over("ip -batch", many, "s", "ip -batch", "1 VRFs", "s")},
	}
}

// neighbourAims are about the better one of two neighbours that is lost.
func neighbourAims() (list []aim) {
	list = append(list, aim{killed + ", all moved, ms", 10, false, valueOf(killed, ours, allMoved)},
		aim{killed + ", packets lost for want of a route", 0, false, valueOf(killed, ours, lostInside)})
	for _, s := range []string{linkDown, carrierLost} {
		list = append(list,
			aim{s + ", backup_routes, packets lost for want of a route", 0, false, valueOf(s, oursBackup, lostInside)},
			aim{s + ", first moved after the kernel's own part, ms", 10, false, valueOf(s, ours, firstAfter)},
			aim{s + ", all moved ÷ all written anew", 1.2, false, over(s, ours, allMoved, linkDown, ours, writtenAnew)})
		for _, rival := range []string{bird, frr, bird3, frr10} {
			list = append(list, aim{s + ", all moved ÷ " + rival, 1, false, over(s, ours, allMoved, s, rival, allMoved)})
		}
	}
	for _, rival := range []string{bird, bird3} {
		list = append(list, aim{aloneKilled + ", time ÷ " + rival, 0.25, false, over(aloneKilled, ours, "s", aloneKilled, rival, "s")})
	}
	return list
}
