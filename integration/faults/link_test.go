package faults_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// A link goes down, which drops IPv4 routes without a word, and comes up again.
func TestFault16LinkDownAndUp(t *testing.T) { downAndUp(t, "link down and up") }

// The same where the kernel is silent about IPv6 too.
func TestFault21SilentIPv6(t *testing.T) {
	downAndUp(t, "with skip_notify_on_dev_down", "ipv6.route.skip_notify_on_dev_down")
}

func downAndUp(t *testing.T, what string, sysctls ...string) {
	t.Helper()
	w := newNetwork(t, routes)
	for _, s := range sysctls {
		w.rtr.Sysctl(s, "1")
	}
	w.daemon = w.rtr.Daemon(exporting())
	w.wait(all(routes), all(routes6))
	w.rtr.IP("link", "set", "eth1", "down")
	w.oracle.WaitEmpty(limit())
	took := w.waitStatus("default", "all of them unresolved", func(v *vrfredistv1.Vrf) bool {
		return int(v.GetCounts().GetUnresolved()) == routes+routes6
	})
	measured(t, "%s: all %d routes known to be gone %s later", what, routes+routes6, round(took))
	want := model(all(routes), all(routes6))
	began := time.Now()
	w.rtr.IP("link", "set", "eth1", "up")
	promised(t, "exact after the link came up", w.exact(began, want), time.Second)
	w.atRest(routes + routes6)
	if !strings.Contains(w.bird.Show("show protocols v4"), "Established") {
		t.Error("the session over another link did not live through it")
	}
}

// cover is another program's way to the nexthops, over eth2, that eth1's connected
// routes shadow.
func (w *network) cover() {
	w.T.Helper()
	w.rtr.Batch("route add 10.0.1.0/24 via 10.0.2.2 dev eth2 proto static metric 500",
		"route add 2001:db8:1::/64 via 2001:db8:2::2 dev eth2 proto static metric 500")
	w.foreign = w.oracle.Foreign()
}

// The last address of a link is removed, of which only the address is told: the
// routes take the other way to their nexthops.
func TestFault17LastAddressRemoved(t *testing.T) {
	n := 1000
	w := newNetwork(t, n)
	w.cover()
	w.daemon = w.rtr.Daemon(exporting())
	w.wait(all(n), all(routes6))
	before := w.foreign

	began := time.Now()
	w.rtr.IP("addr", "del", "10.0.1.1/24", "dev", "eth1")
	moved := append(modelBy("2", "eth2", all(n), nil), model(nil, all(routes6))...)
	w.oracle.Wait(lab.Main, moved, limit())
	promised(t, fmt.Sprintf("%d routes on their other way", n), time.Since(began), 200*time.Millisecond)
	w.foreign = w.oracle.Foreign() // less the connected route
	w.atRest(n + routes6)

	w.rtr.Address("eth1", "10.0.1.1/24")
	w.foreign = before
	w.wait(all(n), all(routes6))
}

// Our nexthop objects are deleted by someone, and the routes with them.
func TestFault19NexthopObjectDeleted(t *testing.T) {
	w := installed(t, routes)
	if w.oracle.Objects() == 0 {
		t.Fatal("no route hangs on a nexthop object: this proves nothing")
	}
	want := model(all(routes), all(routes6))
	mark := w.rtr.Mark()
	began := time.Now()
	w.rtr.IP("nexthop", "flush", "proto", fmt.Sprint(run.Protocol))
	flushing := time.Since(began) // a message for each object
	took := w.exact(began, want) - flushing
	w.atRest(routes + routes6)
	if n := len(w.rtr.Since(mark)); n < routes+routes6 {
		t.Errorf("%d messages about our routes: they did not go with their objects", n)
	}
	promised(t, fmt.Sprintf("%d routes back", routes+routes6), took, time.Second)
}

// The carrier is lost. With ignore_routes_with_linkdown the kernel forwards nothing
// there any more, and the routes take their other way; without, it goes on, and they
// stay.
func TestFault20CarrierLost(t *testing.T) {
	for _, ignore := range []string{"0", "1"} {
		t.Run("ignore_routes_with_linkdown="+ignore, func(t *testing.T) {
			n := 1000
			w := newNetwork(t, n)
			for _, s := range []string{"ipv4.conf.all.", "ipv4.conf.eth1.", "ipv6.conf.all.", "ipv6.conf.eth1."} {
				w.rtr.Sysctl(s+"ignore_routes_with_linkdown", ignore)
			}
			w.cover()
			// The kernel deletes nexthop objects whose link loses its carrier, and their
			// routes with them, whatever the setting (nh_netdev_event): they come back
			// without objects. Without objects from the start none leaves.
			w.daemon = w.rtr.Daemon(exporting(fmt.Sprintf("nexthop_objects = %v", ignore == "1")))
			w.wait(all(n), all(routes6))
			before := w.foreign
			began := time.Now()
			w.up.IP("link", "set", "eth1", "down")
			if ignore == "0" {
				stayWithoutCarrier(t, w, n)
				return
			}
			w.oracle.Wait(lab.Main, modelBy("2", "eth2", all(n), all(routes6)), limit())
			measured(t, "ignore_routes_with_linkdown=%s: %d routes on their other way in %s", ignore, n+routes6, round(time.Since(began)))
			began = time.Now()
			w.up.IP("link", "set", "eth1", "up")
			w.foreign = before
			w.wait(all(n), all(routes6))
			measured(t, "and back in %s", round(time.Since(began)))
		})
	}
}

// stayWithoutCarrier holds that no route leaves when eth1's carrier goes, and that what
// comes meanwhile goes the same way.
func stayWithoutCarrier(t *testing.T, w *network, n int) {
	t.Helper()
	mark := w.rtr.Mark()
	lab.WaitFor(t, "the kernel sees that the carrier is lost", limit(), func() string {
		if out := w.rtr.IP("-br", "link", "show", "eth1"); !strings.Contains(out, "NO-CARRIER") {
			return out
		}
		return ""
	})
	w.resend(all(n+100), all(routes6))
	w.oracle.Wait(lab.Main, model(all(n+100), all(routes6)), limit())
	for _, e := range w.rtr.Since(mark) {
		if e.Deleted {
			t.Fatalf("%v was deleted", e.Prefix)
		}
	}
	measured(t, "ignore_routes_with_linkdown=0: %d routes stay where they are, and 100 that come go the same way", n+routes6)
}

// An interface is renamed, and then made again with another index.
func TestFault22InterfaceRenamedAndMadeAgain(t *testing.T) {
	n := 1000
	w := installed(t, n)
	before := w.foreign
	named := func(dev string) []string { return modelBy("1", dev, all(n), all(routes6)) }
	w.rtr.Batch("link set eth1 down", "link set eth1 name lan7")
	w.rtr.IP("link", "set", "lan7", "up")
	began := time.Now()
	w.oracle.Wait(lab.Main, named("lan7"), limit())
	measured(t, "renamed: %d routes by the new name in %s", n+routes6, round(time.Since(began)))
	renamed := make(map[string]string, len(before))
	for name, route := range before {
		renamed[strings.ReplaceAll(name, " dev eth1", " dev lan7")] = route
	}
	// The one of its link-local address comes last, when the kernel has made sure that nobody has it.
	lab.WaitFor(t, "its connected routes have the new name", lab.Patience, func() string {
		return sameNames(renamed, w.oracle.Foreign())
	})
	w.foreign = w.oracle.Foreign()
	w.atRest(n + routes6)

	w.rtr.IP("link", "del", "lan7")
	w.oracle.WaitEmpty(limit())
	w.wire(1)
	began = time.Now()
	w.oracle.Wait(lab.Main, named("eth1"), limit())
	measured(t, "made again: in %s", round(time.Since(began)))
	lab.WaitFor(t, "foreign routes by name", lab.Patience, func() string {
		return sameNames(before, w.oracle.Foreign())
	})
}

// sameNames holds two readings together by what people see: the bytes have the
// interface's index, which is another one.
func sameNames(want, got map[string]string) string {
	for name := range want {
		if _, there := got[name]; !there {
			return "gone: " + name
		}
	}
	for name := range got {
		if _, was := want[name]; !was {
			return "new: " + name
		}
	}
	return ""
}
