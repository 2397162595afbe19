package main

import (
	"fmt"
	"time"

	"github.com/vrfredist/vrfredist/bench/probe"
	"github.com/vrfredist/vrfredist/integration/netns/fabric"
)

const (
	fabricScenario = "fabric"
	// What the chart shows of it.
	fabricMemory = "memory of a PE, MB"
	fabricCPU    = "CPU s of a PE until then"
	fabricAdded  = "a prefix at all others, ms"
)

// fabricOf names a fabric of so many PEs.
func fabricOf(pes int) string { return fmt.Sprintf("%d PEs", pes) }

// grown has PEs around two reflectors, with the same tenants at each: from a cold start until
// every tenant reaches all it has, then single prefixes that come and go. All PEs share the
// machine, so what they do at the same time takes as many times as long as there are PEs.
func grown(w *work, t *stage, pes int) {
	f := fabric.New(newLab(t, w), pes, w.fabricTenants)
	began := time.Now()
	f.Launch("--log-level", "warn")
	t.must(f.Reach(f.PEs, w.limit))
	name := fabricOf(pes)
	w.note(fabricScenario, name, "s from the start until all is reached", time.Since(began).Seconds())
	pids := []int{f.PEs[0].Daemon.PID()}
	w.note(fabricScenario, name, fabricCPU, cpuTime(t, pids).Seconds())
	w.note(fabricScenario, name, "routes of a PE", float64(w.fabricTenants*len(f.Wants(f.PEs[0], 0, f.PEs))))
	w.settle(t)
	w.note(fabricScenario, name, fabricMemory, status(t, pids, "VmRSS")/1e6)
	var reflectors []int
	for _, r := range f.Reflectors {
		reflectors = append(reflectors, r.PID())
	}
	w.note(fabricScenario, name, "memory of a reflector, MB", status(t, reflectors, "VmRSS")/1e6/float64(len(reflectors)))
	cpu, since := cpuTime(t, pids), time.Now()
	for range w.idleSettles {
		w.settle(t)
	}
	w.note(fabricScenario, name, "idle CPU of a PE, % of a core", 100*(cpuTime(t, pids)-cpu).Seconds()/time.Since(since).Seconds())
	added, gone := comeAndGo(w, t, f)
	w.note(fabricScenario, name, fabricAdded, median(added))
	w.note(fabricScenario, name, "the slowest", percentile(added, 100))
	w.note(fabricScenario, name, "gone at all others, ms", median(gone))
}

// comeAndGo adds an address at the first PE, time and again, and takes it away: until a ping from
// each other PE gets an answer, and until none has the route.
func comeAndGo(w *work, t *stage, f *fabric.Fabric) (added, gone []float64) {
	addr := single(0).Addr().String()
	at, others := f.PEs[0], f.PEs[1:]
	each := func(what string, there func(i int) bool) float64 {
		began, end := time.Now(), time.Time{}
		for i, pe := range others {
			end = t.until(fmt.Sprintf("%s %s PE %d", addr, what, pe.N), time.Minute, time.Millisecond, func() bool { return there(i) })
		}
		return float64(end.Sub(began).Microseconds()) / 1000
	}
	for i := range w.fabricSingles {
		tenant := i % len(at.Tenants)
		looks := make([]*probe.Socket, len(others))
		for i, pe := range others {
			var err error
			looks[i], err = probe.Open(pe.Tenants[tenant].Enter)
			t.must(err)
		}
		at.Tenants[tenant].IP("addr", "add", addr+"/32", "dev", "lo")
		added = append(added, each("is reached from", func(i int) bool {
			return others[i].Tenants[tenant].Ping(fabric.Shared(others[i].N, false), addr) == nil
		}))
		at.Tenants[tenant].IP("addr", "del", addr+"/32", "dev", "lo")
		gone = append(gone, each("goes at", func(i int) bool {
			has, err := looks[i].Has(single(0))
			t.must(err)
			return !has
		}))
		for _, s := range looks {
			t.must(s.Close())
		}
	}
	return added, gone
}
