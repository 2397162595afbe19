package faults_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// A foreign route with our key stays untouched, ours is a conflict, and comes in
// when that one leaves.
func TestFault31ForeignRouteWithOurKey(t *testing.T) {
	n := 100
	w := newNetwork(t, n)
	without := w.foreign
	w.rtr.Batch(
		"route add "+prefix4(7)+" via 10.0.0.9 dev eth0 proto static metric 20",
		"route add blackhole "+prefix4(8)+" proto bird metric 20",
		"route add "+prefix6(7)+" via 2001:db8::9 dev eth0 proto static metric 20",
		"route add blackhole "+prefix6(8)+" proto bird metric 20")
	w.foreign = w.oracle.Foreign()
	w.daemon = w.rtr.Daemon(exporting())
	w.waitStatus("default", "four conflicts", func(v *vrfredistv1.Vrf) bool { return v.GetCounts().GetConflict() == 4 })
	w.wait(but(all(n), 7, 8), but(all(routes6), 7, 8))

	began := time.Now()
	w.rtr.Batch("route del "+prefix4(7)+" proto static", "route del "+prefix4(8)+" proto bird",
		"route del "+prefix6(7)+" proto static", "route del "+prefix6(8)+" proto bird")
	w.foreign = without
	w.wait(all(n), all(routes6))
	measured(t, "2 routes of each family untouched and in conflict; ours in %s after they left", round(time.Since(began)))
}

// but returns the numbers without some.
func but(list []int, without ...int) (left []int) {
next:
	for _, i := range list {
		for _, w := range without {
			if i == w {
				continue next
			}
		}
		left = append(left, i)
	}
	return left
}

// A foreign program overwrites ours, again and again: it is a conflict, and no fight.
func TestFault32ForeignProgramOverwritesOurs(t *testing.T) {
	n, rounds := 100, 50
	w := installed(t, n)
	overwrite := func(gateway int) {
		w.rtr.Batch(
			fmt.Sprintf("route replace %s via 10.0.0.%d dev eth0 proto static metric 20", prefix4(7), gateway),
			fmt.Sprintf("route replace %s via 2001:db8::%d dev eth0 proto static metric 20", prefix6(7), gateway))
	}
	overwrite(9)
	w.waitStatus("default", "two conflicts", func(v *vrfredistv1.Vrf) bool { return v.GetCounts().GetConflict() == 2 })
	mark := w.rtr.Mark()
	for i := range rounds {
		overwrite(10 + i)
	}
	w.foreign = w.oracle.Foreign()
	w.wait(but(all(n), 7), but(all(routes6), 7))
	writes := len(w.rtr.Since(mark))
	lab.Equal(t, "our writes while another program kept overwriting", 0, writes)
	measured(t, "overwritten %d times in both families: conflict, %d writes of ours", rounds+1, writes)
	keepDeleting(t, w)
}

// keepDeleting has a program delete one of ours for as long as it comes back at once.
// It is left alone for a while then, says so, and is back when nobody deletes it.
func keepDeleting(t *testing.T, w *network) {
	t.Helper()
	// The pauses are 1, 2 and 4 seconds: this ends in the middle of the third.
	const long = 5 * time.Second
	mark, deletions := w.rtr.Mark(), 0
	for end := time.Now().Add(long); time.Now().Before(end); deletions++ {
		_, _ = w.rtr.TryIP("route", "del", prefix4(8), "proto", "179") // it may not be there
	}
	written := 0
	for _, e := range w.rtr.Since(mark) {
		if !e.Deleted {
			written++
		}
	}
	if written < 2 || written > 30 { // each address that came lately excuses one
		t.Errorf("%d writes of ours in a fight of %v with %d deletions", written, long, deletions)
	}
	w.waitStatus("default", "a fight", func(v *vrfredistv1.Vrf) bool {
		return v.GetState() == "degraded" && strings.Contains(v.GetReason(), "another program keeps changing 1 route of ours")
	})
	if state, reason := w.route(prefix4(8)); state != "conflict" || !strings.Contains(reason, "keeps deleting") {
		t.Errorf("the route is %q (%s)", state, reason)
	}
	w.wait(but(all(100), 7), but(all(routes6), 7))
	measured(t, "deleted %d times in %v: %d writes of ours, then left alone; back once nobody deletes it", deletions, long, written)
}

// Another program deletes 256 of ours.
func TestFault33RoutesDeleted(t *testing.T) {
	const gone = 256
	w := installed(t, routes)
	var lines []string
	for i := range gone {
		lines = append(lines, "route del "+prefix4(i*3)+" proto 179")
	}
	mark := w.rtr.Mark()
	want := model(all(routes), all(routes6))
	w.rtr.Batch(lines...)
	took := w.exact(time.Now(), want)
	w.atRest(routes + routes6)
	deleted := 0
	for _, e := range w.rtr.Since(mark) {
		if e.Deleted {
			deleted++
		}
	}
	lab.Equal(t, "routes that were really deleted", gone, deleted)
	promised(t, fmt.Sprintf("%d of %d routes healed", gone, routes+routes6), took, 500*time.Millisecond)
}

// One route of many that the kernel refuses (its nexthop is the subnet's broadcast
// address) fails alone, and recovers when BGP has a better one.
func TestFault15OneBadRoute(t *testing.T) {
	n := 5000
	w := newNetwork(t, n)
	w.send(all(n), all(routes6))
	bad := "route 19.0.0.0/24 via 10.0.0.2 { bgp_next_hop = 10.0.1.255; };\n"
	w.File("four.conf", bad+birdRoutes4(all(n)))
	w.bird.Reconfigure(birdConfig)
	w.daemon = w.rtr.Daemon(exporting())
	w.wait(all(n), all(routes6))
	w.waitStatus("default", "one that cannot be installed", func(v *vrfredistv1.Vrf) bool {
		return v.GetCounts().GetFailed()+v.GetCounts().GetUnresolved() == 1
	})
	state, reason := w.route("19.0.0.0/24")
	if state != "failed" || reason == "" {
		t.Errorf("the bad route is %q (%s), want failed and the kernel's reason", state, reason)
	}
	w.File("four.conf", strings.Replace(bad, "10.0.1.255", "10.0.1.2", 1)+birdRoutes4(all(n)))
	w.bird.Reconfigure(birdConfig)
	w.waitModel(append(model(all(n), all(routes6)), "19.0.0.0/24 via 10.0.1.2 dev eth1 metric 20"))
	measured(t, "1 of %d fails (%s), the others are installed; it recovers", n+routes6+1, reason)
}

// route is how the daemon calls what became of one route of the global RIB.
func (w *network) route(prefix string) (state, reason string) {
	w.T.Helper()
	for _, r := range w.daemon.RouteStates("export") {
		if r.Prefix == prefix {
			return r.State, r.Reason
		}
	}
	return "absent", ""
}

// The quota is reached: no more is taken in, what is there stays, the VRF says so,
// the sessions stay, and it recovers by itself.
func TestFault36Quota(t *testing.T) {
	n, most := 1000, 700
	w := newNetwork(t, most-routes6)
	w.daemon = w.rtr.Daemon(exporting("", fmt.Sprintf("max_routes = %d", most)))
	w.wait(all(most-routes6), all(routes6))
	mark := w.rtr.Mark()
	w.resend(all(n), all(routes6))
	w.waitStatus("default", "the quota is reached", func(v *vrfredistv1.Vrf) bool {
		return int(v.GetCounts().GetOverQuota()) == n+routes6-most && int(v.GetCounts().GetInstalled()) == most &&
			v.GetState() == "degraded" && strings.Contains(v.GetReason(), "over-quota")
	})
	w.wait(all(most-routes6), all(routes6))
	lab.Equal(t, "what happened to routes that were there", 0, len(w.rtr.Since(mark)))
	if out := w.bird.Show("show protocols"); strings.Count(out, "Established") != 2 {
		t.Errorf("the sessions did not stay: %s", out)
	}
	began := time.Now()
	w.resend(all(n)[n-most+routes6:], all(routes6))
	w.wait(all(n)[n-most+routes6:], all(routes6))
	measured(t, "%d installed of %d, those there untouched, sessions up; room again: exact in %s", most, n+routes6, round(time.Since(began)))
	w.waitStatus("default", "ready", func(v *vrfredistv1.Vrf) bool { return v.GetState() == "ready" })
}
