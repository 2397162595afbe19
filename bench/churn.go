package main

import (
	"bufio"
	"fmt"
	"net/netip"
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// churnScenario has tenants come and go by the API for minutes, beside others that stay and whose routes
// change.
const churnScenario = "tenants come and go"

// At scale 1.
const (
	churnTenants = 1000 // that stay
	churnRate    = 50   // that come, and go, a second
	churnLasts   = 10 * time.Minute
)

// What is measured of them.
const (
	churned      = "that came and went a second"
	churnP50     = "another's route, p50 ms"
	churnP99     = "another's route, p99 ms"
	churnCPU     = "CPU s"
	churnedTotal = "in all"
)

// churnLeft are what those that have gone may leave.
var churnLeft = []string{"descriptors", "threads", "goroutines", "nexthop objects", "routes"}

func churn(w *work, t *stage) {
	n := max(10, int(churnTenants*w.Scale))
	r := newRouter(t, w, unwatched(newLab(t, w), "far"))
	var lines []string
	for i := range n + orchestrators {
		lines = append(lines, coverIn(firstTable+i))
	}
	r.ns.Batch(lines...)
	r.ns.IP("rule", "add", "to", "198.18.0.0/15", "lookup", fmt.Sprint(firstTable)) // to look up the first tenant's routes
	v := w.receive(r, ours, options{export: true, args: w.profile(ours), config: gobgpConfig("l3vpn-ipv4-unicast") + fmt.Sprintf("[netlink.metrics]\n  listen = %q\n", metricsAddr)})
	p := vpnRoutes(r, n+orchestrators, growthEach)
	many := newOrchestra(v)
	many.applyAll(n)
	awaitReady(v, n, growthEach)
	v.quiet(w)
	before := left(v)

	cpu, began := cpuTime(t, v.pids()), time.Now()
	var total atomic.Int64
	done := make(chan error, 1)
	go func() { done <- many.churn(n, max(5*time.Second, time.Duration(w.Scale*float64(churnLasts))), &total) }()
	var took []float64
	for i, over := 0, false; !over; i++ {
		sent := time.Now()
		t.must(p.AnnounceVPN(as, 1, []netip.Prefix{single(i)}, nexthop))
		end := t.until("another tenant's route arrives", time.Minute, 50*time.Microsecond, func() bool { return v.has(single(i)) })
		took = append(took, milliseconds(end.Sub(sent)))
		select {
		case err := <-done:
			t.must(err)
			over = true
		case <-time.After(20 * time.Millisecond):
		}
	}
	w.note(churnScenario, ours, churned, float64(total.Load())/time.Since(began).Seconds())
	w.note(churnScenario, ours, churnedTotal, float64(total.Load()))
	w.note(churnScenario, ours, churnP50, percentile(took, 50))
	w.note(churnScenario, ours, churnP99, percentile(took, 99))
	w.note(churnScenario, ours, churnCPU, (cpuTime(t, v.pids()) - cpu).Seconds())
	v.quiet(w)
	after := left(v)
	after["routes"] -= float64(len(took))
	for _, what := range churnLeft {
		w.note(churnScenario, ours, what+" left", after[what]-before[what])
	}
	if w.cpuProfile != "" {
		v.profiled(w.cpuProfile)
		return
	}
	t.must(p.Close())
	v.stop()
}

// churn has so many tenants a second come and go, beside n that stay, and counts how many did. It may
// be called from any goroutine.
func (o *orchestra) churn(n int, lasts time.Duration, total *atomic.Int64) error {
	turns := make(chan struct{})
	go func() {
		defer close(turns)
		pace := time.NewTicker(time.Second / churnRate)
		defer pace.Stop()
		for end := time.Now().Add(lasts); time.Now().Before(end); {
			select {
			case <-pace.C:
			case <-o.t.ctx.Done():
				return
			}
			select {
			case turns <- struct{}{}:
			case <-o.t.ctx.Done():
				return
			}
		}
	}()
	return o.together(func(which int, a *api) error {
		for range turns {
			if err := o.apply(a, n+which); err != nil {
				return err
			}
			if err := o.remove(a, n+which); err != nil {
				return err
			}
			total.Add(1)
		}
		return nil
	})
}

// left is what the daemon has of each of churnLeft.
func left(v *receiver) map[string]float64 {
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", v.pid()))
	v.t.must(err)
	return map[string]float64{
		"descriptors":     float64(len(files)),
		"threads":         status(v.t, v.pids(), "Threads"),
		"goroutines":      sample(v, "go_goroutines"),
		"nexthop objects": float64(strings.Count(v.ns.IP("nexthop", "list"), "\n")),
		"routes":          float64(routes(v.t, v.pid(), false)),
	}
}

// sample is the value of one of the daemon's metrics without labels.
func sample(v *receiver, name string) float64 {
	for lines := bufio.NewScanner(strings.NewReader(v.get("http://" + metricsAddr + "/metrics"))); lines.Scan(); {
		if value, is := strings.CutPrefix(lines.Text(), name+" "); is {
			f, err := strconv.ParseFloat(value, 64)
			v.t.must(err)
			return f
		}
	}
	v.t.Fatalf("the daemon has no metric %s", name)
	return 0
}

// churnAims are about those that stay, and about what is left.
func churnAims() (list []aim) {
	list = append(list,
		aim{"tenants that come and go, a second, for ten minutes", churnRate, true, valueOf(churnScenario, ours, churned)},
		aim{"another tenant's route meanwhile, p99 ms", 50, false, valueOf(churnScenario, ours, churnP99)})
	for _, what := range churnLeft[:4] {
		most := 0.0
		if what == "threads" {
			most = 4 // Go keeps those that it made while calls to the kernel took long
		}
		list = append(list, aim{"what those that went left: " + what, most, false, valueOf(churnScenario, ours, what+" left")})
	}
	return list
}
