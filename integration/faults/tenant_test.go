package faults_test

import (
	"fmt"
	"os"
	"sort"
	"strings"
	"sync"
	"testing"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/integration/faults/oracle"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

const (
	leg1 = "via 192.168.1.2 dev eth1"
	leg2 = "via 192.168.2.2 dev eth2"
)

// The device of one ECMP leg is deleted, which takes whole IPv4 routes away without
// a word: the rest of them comes back.
func TestFault18LegDeviceDeleted(t *testing.T) {
	for _, objects := range []bool{true, false} {
		t.Run(fmt.Sprintf("nexthop_objects=%v", objects), func(t *testing.T) {
			n := min(routes, 20_000)
			y := newTenancy(t, 1)
			home, o := y.tenants[0].ns, oracle.New(t, y.tenants[0].ns, run.Protocol)
			y.daemon = y.rtr.Daemon(y.config() + fmt.Sprintf("\n[netlink]\n  nexthop_objects = %v\n", objects))
			y.bird.Reconfigure(vpnConfig(vpnRoutes("one", "65100:1", 0, prefixes4(n)...)))
			y.second(vpnSpeaker(3, "192.168.2.2", vpnRoutes("two", "65100:2", 0, prefixes4(n)...)))
			o.Wait(lab.Main, by(prefixes4(n), leg1+" + "+leg2), limit())
			want := by(prefixes4(n), leg1)
			began := time.Now()
			home.IP("link", "del", "eth2")
			deleting := time.Since(began)
			promised(t, fmt.Sprintf("nexthop_objects = %v: the rest of %d routes", objects, n), deleting+o.Wait(lab.Main, want, limit()), 200*time.Millisecond)
			y.waitVRF(y.tenants[0], "every route in force", func(v *vrfredistv1.Vrf) bool { return int(v.GetCounts().GetInstalled()) == n })
			// Exact at rest too, and what hangs on the other link is what it was.
			o.Wait(lab.Main, by(prefixes4(n), leg1), limit())
			y.onlyAtHome()
		})
	}
}

// descriptors and threads of the daemon.
func (y *tenancy) open() (descriptors, threads int) {
	y.T.Helper()
	for dir, n := range map[string]*int{"fd": &descriptors, "task": &threads} {
		entries, err := os.ReadDir(fmt.Sprintf("/proc/%d/%s", y.daemon.PID(), dir))
		if err != nil {
			y.T.Fatalf("count what the daemon has open: %v", err)
		}
		*n = len(entries)
	}
	return descriptors, threads
}

// waitClosed waits until the daemon has no more descriptors than before, but for
// those of a client that asks it just now.
func (y *tenancy) waitClosed(before int) {
	y.T.Helper()
	lab.WaitFor(y.T, "descriptors are given back", limit(), func() string {
		if now, _ := y.open(); now > before+2 {
			return fmt.Sprintf("%d before, %d now", before, now)
		}
		return ""
	})
}

// A namespace is deleted while its worker runs.
func TestFault28NamespaceDeleted(t *testing.T) {
	n := 1000
	y := newTenancy(t, 2)
	gone, stays := y.tenants[0], y.tenants[1]
	gone.ns.Delete()
	y.profiled = true
	y.start()
	y.waitVRF(gone, "pending", inState("pending"))
	y.waitVRF(stays, "ready", inState("ready"))
	before, _ := y.open()
	goroutines := y.daemon.Goroutines()
	gone.ns.Make()
	gone.wire()
	y.bird.Reconfigure(vpnConfig(vpnRoutes("t0", "65100:1", 0, prefixes4(n)...) +
		vpnRoutes("one", "65100:2", 1, prefixes4(n)...)))
	oracle.New(t, gone.ns, run.Protocol).Wait(lab.Main, by(prefixes4(n), leg1), limit())
	there := oracle.New(t, stays.ns, run.Protocol)
	there.Wait(lab.Main, by(prefixes4(n), leg1), limit())
	foreign, mark := there.Foreign(), stays.ns.Mark()
	during := y.daemon.Goroutines()
	if goroutines.Leaked(during) == "" {
		t.Error("the namespace costs no goroutine: counting them proves nothing")
	}

	began := time.Now()
	gone.ns.Delete()
	y.waitVRF(gone, "pending", func(v *vrfredistv1.Vrf) bool {
		return v.GetState() == "pending" && strings.Contains(v.GetReason(), gone.ns.Name)
	})
	promised(t, "seen, and said", time.Since(began), time.Second)
	y.waitClosed(before)
	after := y.daemon.GoroutinesBack(goroutines, limit())
	lab.Equal(t, "what happened to the other tenant's routes", 0, len(stays.ns.Since(mark)))
	there.WaitForeign(foreign)
	y.onlyAtHome()
	now, _ := y.open()
	measured(t, "%d descriptors before the namespace came, %d after it went; %d goroutines before, %d while it was there, %d after, in no function more than before",
		before, now, goroutines.Total, during.Total, after.Total)
}

// The same name is given to another namespace: a fresh worker, and nothing of the
// old one.
func TestFault29SameNameAnotherNamespace(t *testing.T) {
	n := 1000
	y := newTenancy(t, 1)
	home := y.tenants[0]
	y.bird.Reconfigure(vpnConfig(vpnRoutes("t0", "65100:1", 0, prefixes4(n)...)))
	y.start()
	old := oracle.New(t, home.ns, run.Protocol) // it keeps the namespace alive without its name
	old.Wait(lab.Main, by(prefixes4(n), leg1), limit())
	foreign := old.Foreign()

	home.ns.Delete()
	home.ns.Make()
	// Other addresses: the nexthop is on another link here.
	home.ns.Batch("link add eth5 type veth peer name far5", "link set eth5 up", "link set far5 up", "addr add 192.168.1.1/24 dev eth5")
	began := time.Now()
	fresh := oracle.New(t, home.ns, run.Protocol)
	fresh.Wait(lab.Main, by(prefixes4(n), "via 192.168.1.2 dev eth5"), limit())
	measured(t, "%d routes in the new namespace %s after it was made", n, round(time.Since(began)))
	y.waitVRF(home, "ready", inState("ready"))
	old.WaitEmpty(limit())
	old.WaitForeign(foreign)
	y.onlyAtHome()
}

// Namespaces come and go, many times over, under the same names.
func TestFault30NamespacesComeAndGo(t *testing.T) {
	const tenants = 10
	rounds := scaled(4, 50)
	y := newTenancy(t, tenants)
	var protocols strings.Builder
	for i := range tenants {
		protocols.WriteString(vpnRoutes(fmt.Sprintf("t%d", i), fmt.Sprintf("65100:%d", i), i, fmt.Sprintf("20.%d.0.0/16", i), "20.99.0.0/16"))
	}
	y.bird.Reconfigure(vpnConfig(protocols.String()))
	for _, n := range y.tenants {
		n.ns.Delete()
	}
	y.profiled = true
	y.start()
	for _, n := range y.tenants {
		y.waitVRF(n, "pending", inState("pending"))
	}
	before, threads := y.open()
	goroutines := y.daemon.Goroutines()
	began := time.Now()
	for range rounds {
		for _, n := range y.tenants {
			n.ns.Make()
			n.wire()
		}
		for _, n := range y.tenants {
			n.ns.WaitOwn(lab.Main, fmt.Sprintf("20.%d.0.0/16 %s metric 20", n.number, leg1), "20.99.0.0/16 "+leg1+" metric 20")
			lab.Equal(t, "all of the daemon's routes in "+n.name(), 2, len(n.ns.OwnEverywhere()))
		}
		for _, n := range y.tenants {
			n.ns.Delete()
		}
	}
	for _, n := range y.tenants {
		y.waitVRF(n, "pending", inState("pending"))
	}
	y.waitClosed(before)
	left := y.daemon.GoroutinesBack(goroutines, limit())
	after, threadsAfter := y.open()
	// A thread that is idle is no leak, one for each namespace would be.
	if threadsAfter > threads+tenants {
		t.Errorf("%d threads before, %d after", threads, threadsAfter)
	}
	y.onlyAtHome()
	measured(t, "%d namespaces in %s: %d descriptors before, %d after; %d threads before, %d after; %d goroutines before, %d after; no route in a wrong one",
		rounds*tenants, round(time.Since(began)), before, after, threads, threadsAfter, goroutines.Total, left.Total)
}

// One tenant's 50,000 routes flap without end. Another tenant's route comes and goes
// beside them, from the word to BIRD until the kernel has it.
func TestFault40OneTenantFlaps(t *testing.T) {
	flapping := scaled(5_000, 50_000)
	while := scaled(4*time.Second, 20*time.Second)
	y := newTenancy(t, 2)
	noisy, quiet := y.tenants[0], y.tenants[1]
	y.bird.Reconfigure(vpnConfig(vpnRoutes("flap", "65100:1", 0, prefixes4(flapping)...)))
	y.start()
	ctl := dialBIRD(t, y.second(vpnSpeaker(3, "192.168.1.2", vpnRoutes("steady", "65100:2", 1, "30.0.0.0/24"))))
	oracle.New(t, noisy.ns, run.Protocol).Wait(lab.Main, by(prefixes4(flapping), leg1), limit())
	there := oracle.New(t, quiet.ns, run.Protocol)
	there.Wait(lab.Main, by([]string{"30.0.0.0/24"}, leg1), limit())
	foreign := there.Foreign()

	calm := latencies(t, ctl, there, while)
	stop, flaps := y.flap(noisy, flapping)
	busy := latencies(t, ctl, there, while)
	stop()
	if *flaps < 2 {
		t.Fatalf("only %d flaps meanwhile: this proves nothing", *flaps)
	}
	oracle.New(t, noisy.ns, run.Protocol).Wait(lab.Main, by(prefixes4(flapping), leg1), limit())
	there.Wait(lab.Main, by([]string{"30.0.0.0/24"}, leg1), limit())
	there.WaitForeign(foreign)
	measured(t, "without the flapping: median %s, 99th percentile %s", round(at(calm, 50)), round(at(calm, 99)))
	measured(t, "with it: median %s; %d changes of %d routes in all", round(at(busy, 50)), *flaps, flapping)
	promised(t, fmt.Sprintf("99th percentile of %d changes of another tenant", len(busy)), at(busy, 99), 50*time.Millisecond)
}

func at(sorted []time.Duration, percent int) time.Duration {
	sort.Slice(sorted, func(i, j int) bool { return sorted[i] < sorted[j] })
	return sorted[min(len(sorted)-1, len(sorted)*percent/100)]
}

// flap turns the first bird's routes off and on until stop, as fast as most of them
// leave a tenant's table and come back: faster, BIRD would send none of it. A sample
// says whether they did: reading the table ten times a second took a fifth of the
// processors.
func (y *tenancy) flap(n *tenant, routes int) (stop func(), flaps *int) {
	y.T.Helper()
	const looks = 25
	quit, done := make(chan struct{}), make(chan struct{})
	flaps = new(int)
	ctl, o := dialBIRD(y.T, y.Dir+"/bird-up.ctl"), oracle.New(y.T, n.ns, run.Protocol)
	most := func(there bool) {
		for {
			count := 0
			for i := range looks {
				if o.Has(prefix4(i * routes / looks)) {
					count++
				}
			}
			if (count > looks/2) == there {
				return
			}
			select {
			case <-quit:
				return
			case <-time.After(100 * time.Millisecond):
			}
		}
	}
	go func() {
		defer close(done)
		for {
			ctl.do("disable flap")
			most(false)
			ctl.do("enable flap")
			most(true)
			*flaps += 2
			select {
			case <-quit:
				return
			default:
			}
		}
	}()
	stop = sync.OnceFunc(func() { close(quit); <-done })
	y.T.Cleanup(stop)
	return stop, flaps
}
