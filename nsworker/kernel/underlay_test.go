package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

func openUnderlay(t testing.TB, h *Host, ns string, sources ...netip.Addr) *Underlay {
	t.Helper()
	o, err := h.OpenUnderlay(t.Context(), ns, sources...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := o.Close(); err != nil {
			t.Error(err)
		}
	})
	return o
}

// way describes the answer of a lookup.
func way(t testing.TB, o *Underlay, to string) string {
	t.Helper()
	r, err := o.Lookup(t.Context(), netip.MustParseAddr(to))
	if err != nil {
		return err.Error()
	}
	links := o.Links()
	s := fmt.Sprintf("%v kind %d proto %d metric %d", r.Prefix, r.Kind, r.Protocol, r.Metric)
	for _, h := range r.Hops {
		s += " " + links[h.Ifindex].Name
		if h.Gateway.IsValid() {
			s += " " + h.Gateway.String()
		}
		if h.Weight != 1 {
			s += fmt.Sprintf(" weight %d", h.Weight)
		}
		if h.Encap.Kind() != 0 {
			s += " encap " + h.Encap.Kind().String()
		}
		if h.Dead {
			s += " dead"
		}
		if !links[h.Ifindex].Up {
			s += " down"
		}
	}
	return s
}

func TestLookup(t *testing.T) {
	for _, compat := range []string{"1", "0"} {
		t.Run("nexthop_compat_mode="+compat, func(t *testing.T) {
			core := coreLab(t)
			run(t, "ip", "netns", "exec", core, "sysctl", "-qw", "net.ipv4.nexthop_compat_mode="+compat)
			o := openUnderlay(t, startHost(t), core)
			for _, line := range []string{
				"nexthop add id 1 via 192.0.2.2 dev v0", "nexthop add id 2 via 198.51.100.2 dev w0", "nexthop add id 3 group 1,5/2,2",
				"nexthop add id 4 via 2001:db8::2 dev v0", "nexthop add id 5 group 4",
				"route add 10.255.0.2 via 192.0.2.2 proto bird metric 7",
				"route add 10.255.1.0/24 nexthop via 192.0.2.2 weight 3 nexthop via 198.51.100.2",
				"route add 10.255.2.0/24 nhid 3", "route add 10.255.3.0/24 nhid 1",
				"route add 10.255.4.0/24 encap ip id 5 dst 192.0.2.9 via 192.0.2.2 dev v0",
				"route add 10.255.5.0/24 via inet6 2001:db8::2 dev v0",
				"route add unreachable 10.255.6.0/24", "route add blackhole 10.255.7.0/24", "route add prohibit 10.255.8.0/24",
				"-6 route add fd00:255::2 via 2001:db8::2 proto static metric 9",
				"-6 route add fd00:255:1::/48 nexthop via 2001:db8::2 nexthop via 2001:db8:1::2 weight 4",
				"-6 route add fd00:255:2::/48 nhid 5",
				"-6 route add unreachable fd00:255:6::/48", "-6 route add blackhole fd00:255:7::/48", "-6 route add prohibit fd00:255:8::/48",
			} {
				ip(t, core, line)
			}
			for to, want := range map[string]string{
				"10.255.0.2":      "10.255.0.2/32 kind 1 proto 12 metric 7 v0 192.0.2.2",
				"10.255.1.9":      "10.255.1.0/24 kind 1 proto 3 metric 0 v0 192.0.2.2 weight 3 w0 198.51.100.2",
				"10.255.2.9":      "10.255.2.0/24 kind 1 proto 3 metric 0 v0 192.0.2.2 weight 5 w0 198.51.100.2 weight 2",
				"10.255.3.9":      "10.255.3.0/24 kind 1 proto 3 metric 0 v0 192.0.2.2",
				"10.255.4.9":      "10.255.4.0/24 kind 1 proto 3 metric 0 v0 192.0.2.2 encap ip",
				"10.255.5.9":      "10.255.5.0/24 kind 1 proto 3 metric 0 v0 2001:db8::2",
				"10.255.6.9":      "invalid Prefix kind 7 proto 0 metric 0",
				"10.255.7.9":      "invalid Prefix kind 6 proto 0 metric 0",
				"10.255.8.9":      "invalid Prefix kind 8 proto 0 metric 0",
				"10.255.0.1":      "10.255.0.1/32 kind 2 proto 2 metric 0 lo",
				"192.0.2.77":      "192.0.2.0/24 kind 1 proto 2 metric 0 v0",
				"203.0.113.1":     "no route leads to 203.0.113.1 in netns " + core,
				"fd00:255::2":     "fd00:255::2/128 kind 1 proto 4 metric 9 v0 2001:db8::2",
				"fd00:255:1::9":   "fd00:255:1::/48 kind 1 proto 3 metric 1024 v0 2001:db8::2 w0 2001:db8:1::2 weight 4",
				"fd00:255:2::9":   "fd00:255:2::/48 kind 1 proto 3 metric 1024 v0 2001:db8::2",
				"fd00:255:6::9":   "invalid Prefix kind 7 proto 0 metric 0",
				"fd00:255:7::9":   "invalid Prefix kind 6 proto 0 metric 0",
				"fd00:255:8::9":   "invalid Prefix kind 8 proto 0 metric 0",
				"2001:db8:ffff::": "no route leads to 2001:db8:ffff:: in netns " + core,
			} {
				if got := way(t, o, to); got != want {
					t.Errorf("to %s: %s\nwant %s", to, got, want)
				}
			}
			if _, err := o.Lookup(t.Context(), netip.MustParseAddr("203.0.113.1")); !errors.Is(err, ErrNoRoute) {
				t.Errorf("%v", err)
			}
			if w := o.Where(); w.Table != 254 || w.Inode == 0 {
				t.Errorf("it is at %+v", w)
			}
		})
	}
}

// TestLookupFollowsTheKernel: a cable is pulled, a link set down, a rule added.
func TestLookupFollowsTheKernel(t *testing.T) {
	core := coreLab(t)
	o := openUnderlay(t, startHost(t), core)
	for _, line := range []string{
		"route add 10.255.0.2 via 192.0.2.2 metric 5", "route add 10.255.0.2 via 198.51.100.2 metric 9", "route add 10.255.0.2 via 198.51.100.3 table 77",
		"nexthop add id 1 via 192.0.2.2 dev v0", "nexthop add id 2 group 1", "route add 10.255.1.0/24 nhid 2",
	} {
		ip(t, core, line)
	}
	run(t, "ip", "netns", "exec", core, "sysctl", "-qw", "net.ipv4.nexthop_compat_mode=0")
	run(t, "ip", "netns", "exec", core, "sysctl", "-qw", "net.ipv4.conf.w0.ignore_routes_with_linkdown=1")
	becomes := func(to, want string) {
		t.Helper()
		got := ""
		for deadline := time.After(soon); ; {
			if got = way(t, o, to); got == want {
				return
			}
			select {
			case <-o.Ready():
				o.Events()
			case <-deadline:
				t.Fatalf("to %s: %s\nwant %s", to, got, want)
			}
		}
	}
	first, second := "10.255.0.2/32 kind 1 proto 3 metric 5 v0 192.0.2.2", "10.255.0.2/32 kind 1 proto 3 metric 9 w0 198.51.100.2"
	becomes("10.255.0.2", first)
	becomes("10.255.1.9", "10.255.1.0/24 kind 1 proto 3 metric 0 v0 192.0.2.2")
	ip(t, core, "link set v1 down")
	becomes("10.255.0.2", first+" down")
	becomes("10.255.1.9", "no route leads to 10.255.1.9 in netns "+core) // the kernel takes the objects of the link out
	ip(t, core, "link set v0 down")
	becomes("10.255.0.2", second)
	ip(t, core, "rule add to 10.255.0.0/24 lookup 77 pref 100")
	becomes("10.255.0.2", "10.255.0.2/32 kind 1 proto 3 metric 0 w0 198.51.100.3")
	ip(t, core, "rule add to 10.255.0.0/24 prohibit pref 99")
	becomes("10.255.0.2", "invalid Prefix kind 8 proto 0 metric 0")
}

// TestLookupFromTheSource: rules may choose the table by it, where this router has it.
func TestLookupFromTheSource(t *testing.T) {
	core := coreLab(t)
	h := startHost(t)
	four, six := netip.MustParseAddr("10.255.0.1"), netip.MustParseAddr("fd00:255::1")
	plain, from, absent := openUnderlay(t, h, core), openUnderlay(t, h, core, six, four), openUnderlay(t, h, core, netip.MustParseAddr("10.255.0.99"))
	for _, line := range []string{
		"route add 10.255.0.2 via 192.0.2.2", "route add 10.255.0.2 via 198.51.100.2 table 77", "rule add from 10.255.0.1 lookup 77 pref 100",
		"-6 route add fd00:255::2 via 2001:db8::2", "-6 route add fd00:255::2 via 2001:db8:1::2 table 77", "-6 rule add from fd00:255::1 lookup 77 pref 100",
	} {
		ip(t, core, line)
	}
	for to, want := range map[string][2]string{
		"10.255.0.2":  {"10.255.0.2/32 kind 1 proto 3 metric 0 v0 192.0.2.2", "10.255.0.2/32 kind 1 proto 3 metric 0 w0 198.51.100.2"},
		"fd00:255::2": {"fd00:255::2/128 kind 1 proto 3 metric 1024 v0 2001:db8::2", "fd00:255::2/128 kind 1 proto 3 metric 1024 w0 2001:db8:1::2"},
	} {
		if got := [3]string{way(t, plain, to), way(t, from, to), way(t, absent, to)}; got != [3]string{want[0], want[1], want[0]} {
			t.Errorf("%q\nwant %q", got, want)
		}
	}
}

// TestEventsOfUnderlay: what may give another answer, and nothing else.
func TestEventsOfUnderlay(t *testing.T) {
	core := coreLab(t)
	h := startHost(t)
	o := openUnderlay(t, h, core)
	way(t, o, "10.255.0.2")
	all := func(e rib.KernelEvents) bool { return e.Resync }
	one := func(prefix string) func(rib.KernelEvents) bool {
		return func(e rib.KernelEvents) bool {
			return slices.ContainsFunc(e.Routes, func(r rib.RouteEvent) bool { return r.Route.Prefix.String() == prefix })
		}
	}
	awaits := func(line string, is func(rib.KernelEvents) bool) {
		t.Helper()
		for deadline := time.After(soon); ; {
			select {
			case <-o.Ready():
				if is(o.Events()) {
					return
				}
			case <-deadline:
				t.Fatalf("nothing is heard of %s", line)
			}
		}
	}
	for _, step := range []struct {
		line string
		is   func(rib.KernelEvents) bool
	}{
		{"route add 10.255.0.0/24 via 192.0.2.2", one("10.255.0.0/24")},
		{"route replace 10.255.0.0/24 via 198.51.100.2", one("10.255.0.0/24")},
		{"route del 10.255.0.0/24", one("10.255.0.0/24")},
		{"-6 route add fd00:255::/64 via 2001:db8::2 proto 179", one("fd00:255::/64")}, // of our protocol, by somebody else
		{"-6 route del fd00:255::/64", one("fd00:255::/64")},
		{"nexthop add id 1 via 192.0.2.2 dev v0", nil},
		{"nexthop replace id 1 via 192.0.2.3 dev v0", all},
		{"nexthop del id 1", all},
		{"addr add 192.0.2.9/24 dev v0", all},
		{"addr del 192.0.2.9/24 dev v0", all},
		{"link set v1 down", all},
		{"link set v1 up", all},
		{"link set v0 mtu 1400", all},
		{"rule add to 10.255.0.9 lookup 77 pref 100", all},
		{"-6 rule add to fd00:255::9 lookup 78 pref 100", all},
	} {
		if step.is == nil {
			ip(t, core, step.line)
			continue
		}
		ip(t, core, step.line)
		awaits(step.line, step.is)
	}
	// Tables that rules lead to are followed, and no others, once they have been looked up.
	way(t, o, "10.255.0.2")
	ip(t, core, "route add 10.255.1.0/24 via 198.51.100.2 table 79")
	ip(t, core, "route add 10.255.2.0/24 via 198.51.100.2 table 77")
	awaits("table 77", func(e rib.KernelEvents) bool {
		if one("10.255.1.0/24")(e) {
			t.Error("a table to which no rule leads is heard")
		}
		return one("10.255.2.0/24")(e)
	})
	// What this daemon writes itself is told otherwise.
	c := open(t, h, rib.Binding{Netns: core})
	other := open(t, h, rib.Binding{Netns: core, Table: 77}) // and with it the socket's filter goes
	apply(t, c, manyChanges(rib.OpAdd, 500, false, func(r *rib.Route, _ int) { r.Kind = rib.KindBlackhole })...)
	apply(t, other, rib.Change{Op: rib.OpAdd, Route: route("10.255.3.0/24", via("198.51.100.2"))})
	ip(t, core, "route add 10.255.4.0/24 via 198.51.100.2")
	awaits("the last", func(e rib.KernelEvents) bool {
		if e.Resync || len(e.Routes) > 1 {
			t.Errorf("unexpected %+v", e)
		}
		return one("10.255.4.0/24")(e)
	})
}

// TestManyEventsOfUnderlay: more than are kept become one.
func TestManyEventsOfUnderlay(t *testing.T) {
	core := coreLab(t)
	o := openUnderlay(t, startHost(t), core)
	flood(t, core, backlog+100)
	waitUntil(t, "any answer may be another", func() bool { // without taking what waits
		in := &o.lookups.inbox
		in.mu.Lock()
		defer in.mu.Unlock()
		return in.events.Resync && len(in.events.Routes) == 0
	})
}

func TestUnderlayThatGoes(t *testing.T) {
	core := coreLab(t)
	h := startHost(t)
	if _, err := h.OpenUnderlay(t.Context(), core+"-none"); !errors.Is(err, rib.ErrAbsent) {
		t.Errorf("%v", err)
	}
	o, err := h.OpenUnderlay(t.Context(), core)
	if err != nil {
		t.Fatal(err)
	}
	run(t, "ip", "netns", "del", core)
	waitUntil(t, "its end", func() bool {
		e := o.Events()
		return e.Gone && e.GoneBy == "netns "+core+" was removed"
	})
	if err := o.Close(); err != nil {
		t.Error(err)
	}
	nothingLeft(t, h)
	if _, err := h.OpenUnderlay(t.Context(), "../etc"); err == nil || !strings.Contains(err.Error(), "invalid namespace name") {
		t.Errorf("%v", err)
	}
}

// TestUnderlayOfABrokenMonitor: it says that no event comes any more.
func TestUnderlayOfABrokenMonitor(t *testing.T) {
	core := coreLab(t)
	h := startHost(t)
	o := openUnderlay(t, h, core)
	o.mon.query.close() // so that the repair fails
	if err := o.mon.sock.c.SetsockoptInt(unix.SOL_SOCKET, unix.SO_RCVBUF, 4096); err != nil {
		t.Fatal(err)
	}
	stalled(o.mon, func() { flood(t, core, 1000) })
	waitUntil(t, "its end", func() bool { return o.Events().Broken != nil })
	again := openUnderlay(t, h, core)
	if again.mon == o.mon {
		t.Error("the broken monitor is used again")
	}
	if got := way(t, again, "10.255.0.1"); !strings.HasPrefix(got, "10.255.0.1/32") {
		t.Error(got)
	}
}
