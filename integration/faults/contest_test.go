package faults_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// A program that keeps adding a route under our protocol, and then one that keeps
// changing our nexthop object, is left alone for a while, which the daemon says; all
// is as it should be when it stops.
func TestFault32ForeignProgramKeepsAdding(t *testing.T) {
	// The pauses are 1, 2 and 4 seconds: this ends in the middle of the third.
	const n, long, added = 100, 5 * time.Second, "30.0.0.0/24"
	w := installed(t, n)
	mark, times := w.rtr.Mark(), 0
	for end := time.Now().Add(long); time.Now().Before(end); times++ {
		w.rtr.Batch("route replace " + added + " via 10.0.0.9 dev eth0 proto 179 metric 77")
	}
	deleted := 0
	for _, e := range w.rtr.Since(mark) {
		if e.Deleted && e.Prefix.String() == added {
			deleted++
		}
	}
	if deleted < 4 || deleted > 30 {
		t.Errorf("%d deletions in a fight of %s with %d additions", deleted, long, times)
	}
	w.contested("another program keeps adding 1 route under our protocol")
	w.wait(all(n), all(routes6))
	measured(t, "added %d times under our protocol in %s: %d times deleted, then left alone; gone once nobody adds it", times, long, deleted)

	single := regexp.MustCompile(`(?m)^id (\d+) via 10\.0\.1\.2 dev eth1`)
	id := single.FindStringSubmatch(w.rtr.IP("nexthop", "show", "proto", "179"))
	if id == nil {
		t.Fatal("no nexthop object of ours leads to 10.0.1.2")
	}
	times = 0
	for end := time.Now().Add(long); time.Now().Before(end); times++ {
		w.rtr.IP("nexthop", "replace", "id", id[1], "via", "10.0.0.66", "dev", "eth0", "proto", "179")
	}
	w.contested("another program keeps changing 1 nexthop object of ours")
	if state, reason := w.route(prefix4(8)); state != "conflict" || !strings.Contains(reason, "nexthop object") {
		t.Errorf("a route on the nexthop object is %q (%s)", state, reason)
	}
	began := time.Now()
	w.wait(all(n), all(routes6))
	measured(t, "our nexthop object changed %d times in %s: left alone, its routes in conflict; back %s after that ended", times, long, round(time.Since(began)))
	lab.Equal(t, "routes of the daemon", n+routes6, w.oracle.Count())
}

// contested waits until the daemon says what it leaves alone.
func (w *network) contested(what string) {
	w.T.Helper()
	w.waitStatus("default", what, func(v *vrfredistv1.Vrf) bool {
		return v.GetState() == "degraded" && strings.Contains(v.GetReason(), what)
	})
}
