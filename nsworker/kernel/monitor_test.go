package kernel

import (
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// hasRoute matches events with a change of prefix.
func hasRoute(prefix string, deleted bool) func(rib.KernelEvents) bool {
	p := netip.MustParsePrefix(prefix)
	return func(e rib.KernelEvents) bool {
		return slices.ContainsFunc(e.Routes, func(r rib.RouteEvent) bool {
			return r.Route.Prefix == p && r.Deleted == deleted
		})
	}
}

func TestEventsOfForeignRoutes(t *testing.T) {
	ns := lab(t)
	h := startHost(t)
	c := open(t, h, rib.Binding{Netns: ns, Table: table})
	other := open(t, h, rib.Binding{Netns: ns, Table: 1002})
	for _, f := range []struct{ flag, prefix, gateway string }{
		{"-4", "10.0.0.0/8", "192.0.2.2"},
		{"-6", "2001:db8:a::/48", "2001:db8::2"},
	} {
		line := fmt.Sprintf("%s via %s proto static metric 20 table 1001", f.prefix, f.gateway)
		ip(t, ns, f.flag+" route add "+line)
		seen := awaitEvents(t, c, "route", hasRoute(f.prefix, false))
		r := seen[len(seen)-1].Routes[0].Route
		if r.Protocol != 4 || r.Metric != 20 || len(r.Hops) != 1 || r.Hops[0].Gateway.String() != f.gateway {
			t.Errorf("event %+v", r)
		}
		ip(t, ns, f.flag+" route del "+line)
		awaitEvents(t, c, "deletion", hasRoute(f.prefix, true))
	}
	quiet(t, other, ns) // another table's
}

func TestEventsOfOurRoutesTouchedByOthers(t *testing.T) {
	for _, f := range []struct{ flag, prefix, gateway string }{
		{"-4", "10.0.0.0/8", "192.0.2.2"},
		{"-6", "2001:db8:a::/48", "2001:db8::2"},
	} {
		t.Run(f.flag, func(t *testing.T) {
			ns := lab(t)
			c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
			ours := route(f.prefix, via(f.gateway))
			apply(t, c, rib.Change{Op: rib.OpAdd, Route: ours})
			quiet(t, c, ns)
			ip(t, ns, f.flag+" route del "+f.prefix+" metric 20 table 1001")
			awaitEvents(t, c, "deletion of ours", hasRoute(f.prefix, true))
			ip(t, ns, f.flag+" route add "+f.prefix+" via "+f.gateway+" metric 20 proto 179 table 1001")
			awaitEvents(t, c, "addition under our protocol", hasRoute(f.prefix, false))
			ip(t, ns, f.flag+" route replace "+f.prefix+" via "+f.gateway+" metric 20 proto static table 1001")
			awaitEvents(t, c, "overwriting", func(e rib.KernelEvents) bool {
				return len(e.Routes) == 1 && e.Routes[0].Route.Protocol == rib.ProtoStatic && !e.Routes[0].Deleted
			})
		})
	}
}

// TestAnotherConnIsNotUs: a worker's predecessor on the same table is another.
func TestAnotherConnIsNotUs(t *testing.T) {
	ns := lab(t)
	h := startHost(t)
	a := open(t, h, rib.Binding{Netns: ns, Table: table})
	b := open(t, h, rib.Binding{Netns: ns, Table: table})
	apply(t, a, rib.Change{Op: rib.OpAdd, Route: route("10.0.0.0/8", via("192.0.2.2"))})
	awaitEvents(t, b, "the other's route", hasRoute("10.0.0.0/8", false))
	quiet(t, a, ns)
}

// TestSilentDeletions is what the kernel does not announce: after the resync
// the reading must be without the routes.
func TestSilentDeletions(t *testing.T) {
	const prefix = "10.0.0.0/8"
	tests := []struct {
		name, change string
		reason       rib.ResyncReason
	}{
		{"link down", "link set v0 down", rib.ResyncLink},
		{"link deleted", "link del v0", rib.ResyncLink},
		{"last address removed", "addr del 192.0.2.1/24 dev v0", rib.ResyncAddress},
		{"nexthop object deleted", "nexthop del id 7", rib.ResyncNexthop},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ns := lab(t)
			c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
			if strings.HasPrefix(tt.change, "nexthop") {
				ip(t, ns, "nexthop add id 7 via 192.0.2.2 dev v0")
				ip(t, ns, "route add "+prefix+" nhid 7 table 1001")
				awaitEvents(t, c, "route", hasRoute(prefix, false))
			} else {
				apply(t, c, rib.Change{Op: rib.OpAdd, Route: route(prefix, via("192.0.2.2"))})
			}
			ip(t, ns, tt.change)
			for _, e := range awaitEvents(t, c, "resync", func(e rib.KernelEvents) bool { return e.Resync && e.Reason == tt.reason }) {
				if hasRoute(prefix, true)(e) {
					t.Log("this kernel announces the deletion")
				}
			}
			if got := read(t, c).Routes; len(got) != 0 {
				t.Errorf("still there: %+v", got)
			}
		})
	}
}

// TestReadAfterLinkDownWaitsForTheKernel has so many routes that the kernel is
// still taking them out when it has said that the link is down.
func TestReadAfterLinkDownWaitsForTheKernel(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	var changes []rib.Change
	for i := range 100000 {
		changes = append(changes, rib.Change{Op: rib.OpAdd, Route: route(fmt.Sprintf("%d.%d.%d.0/24", 10+i/65536, i/256%256, i%256), via("192.0.2.2"))})
	}
	apply(t, c, changes...)
	cmd := exec.Command("ip", "-n", ns, "link", "set", "v0", "down")
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	awaitResync(t, c, rib.ResyncLink)
	if got := len(read(t, c).Routes); got != 0 {
		t.Errorf("%d routes are read that the kernel was about to take out", got)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

// TestDeletedLegIsNoDeletedRoute: IPv6 announces a leg that goes like a route
// that goes.
func TestDeletedLegIsNoDeletedRoute(t *testing.T) {
	const prefix = "2001:db8:a::/48"
	tests := []struct {
		name  string
		setup func(t *testing.T, ns string, c *Conn)
	}{
		{"ours", func(t *testing.T, _ string, c *Conn) {
			apply(t, c, rib.Change{Op: rib.OpAdd, Route: route(prefix, via("2001:db8::2"), via("2001:db8:1::2"))})
		}},
		{"seen as an event", func(t *testing.T, ns string, c *Conn) {
			ip(t, ns, "-6 route add "+prefix+" metric 20 table 1001 nexthop via 2001:db8::2 nexthop via 2001:db8:1::2")
			awaitEvents(t, c, "route", hasRoute(prefix, false))
		}},
		{"appended", func(t *testing.T, ns string, c *Conn) {
			ip(t, ns, "-6 route add "+prefix+" metric 20 table 1001 via 2001:db8::2")
			ip(t, ns, "-6 route append "+prefix+" metric 20 table 1001 via 2001:db8:1::2")
			n := 0
			awaitEvents(t, c, "route", func(e rib.KernelEvents) bool { n += len(e.Routes); return n == 2 })
		}},
		{"read", func(t *testing.T, ns string, c *Conn) {
			ip(t, ns, "-6 route add "+prefix+" metric 20 table 1001 nexthop via 2001:db8::2 nexthop via 2001:db8:1::2")
			awaitEvents(t, c, "route", hasRoute(prefix, false))
			read(t, c)
		}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			ns := lab(t)
			c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
			tt.setup(t, ns, c)
			ip(t, ns, "-6 route del "+prefix+" metric 20 table 1001 via 2001:db8::2")
			awaitEvents(t, c, "resync", func(e rib.KernelEvents) bool {
				if len(e.Routes) > 0 {
					t.Errorf("events %+v", e)
				}
				return e.Resync
			})
			wantRoutes(t, ns, "-6", table, ipRoutes(t, ns, "-6", table)...)
			if got := read(t, c).Routes; len(got) != 1 || len(got[0].Hops) != 1 {
				t.Errorf("what is left: %+v", got)
			}
		})
	}
}

func TestAppendedRouteIsNoReplacement(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	ip(t, ns, "route add 10.0.0.0/8 via 192.0.2.2 table 1001")
	ip(t, ns, "route append 10.0.0.0/8 via 198.51.100.2 table 1001")
	n := 0
	awaitEvents(t, c, "both", func(e rib.KernelEvents) bool { n += len(e.Routes); return n == 2 })
	ip(t, ns, "route del 10.0.0.0/8 via 192.0.2.2 table 1001")
	awaitResync(t, c, rib.ResyncNexthop)
	if got := read(t, c).Routes; len(got) != 1 {
		t.Errorf("what is left: %+v", got)
	}
}

func TestRepeatedLinkNewsIsNoChange(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	ip(t, ns, "link set v0 up")                                                     // up already
	ip(t, ns, "link set v0 alias something")                                        // rules no route
	ip(t, ns, "addr change 192.0.2.1/24 dev v0 valid_lft 1000 preferred_lft 500")   // the lifetime alone
	ip(t, ns, "addr change 2001:db8::1/64 dev v0 valid_lft 1000 preferred_lft 500") // as RA does
	quiet(t, c, ns)
	ip(t, ns, "link set v0 mtu 1400")
	awaitResync(t, c, rib.ResyncLink)
	ip(t, ns, "addr add 192.0.2.9/24 dev v0")
	awaitCame(t, c, rib.ResyncAddress)
	ip(t, ns, "link add d0 type veth peer name d1")
	awaitCame(t, c, rib.ResyncLink)
	if _, ok := read(t, c).Links.ByName("d0"); !ok {
		t.Error("the new link is not read")
	}
}

// flood adds n foreign routes to the table.
func flood(t testing.TB, ns string, n int) {
	t.Helper()
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "route add 10.%d.%d.0/24 via 192.0.2.2 table %d\n", i/256, i%256, table)
	}
	cmd := exec.Command("ip", "-n", ns, "-batch", "-")
	cmd.Stdin = strings.NewReader(b.String())
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}

// stalled runs f while m stands still with the first event in its hands.
func stalled(m *monitor, f func()) {
	m.mu.Lock()
	defer m.mu.Unlock()
	f()
}

func TestOverflowMeansReadAgain(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	if err := c.mon.sock.c.SetsockoptInt(unix.SOL_SOCKET, unix.SO_RCVBUF, 4096); err != nil {
		t.Fatal(err)
	}
	stalled(c.mon, func() {
		flood(t, ns, 1000)
		ip(t, ns, "link add d0 type veth peer name d1") // is lost too
		if err := c.mon.sock.c.SetReadBuffer(eventBuffer); err != nil {
			t.Fatal(err) // or the next few events overflow again
		}
	})
	awaitResync(t, c, rib.ResyncOverflow)
	tb := read(t, c)
	if got := len(tb.Routes); got != 1000 {
		t.Errorf("%d routes are read", got)
	}
	if _, ok := tb.Links.ByName("d0"); !ok {
		t.Error("the new link is not read")
	}
	// The cache of links was read again: what it lost is no change any more,
	// and what comes is. A second overflow may follow the first on a busy machine.
	ip(t, ns, fmt.Sprintf("route add blackhole 203.0.113.113 table %d", table))
	awaitEvents(t, c, "marker", func(e rib.KernelEvents) bool {
		if e.Resync && e.Reason != rib.ResyncOverflow {
			t.Errorf("unexpected %+v", e)
		}
		return e.Resync || len(e.Routes) > 0
	})
	ip(t, ns, "link set d0 up")
	awaitCame(t, c, rib.ResyncLink)
}

func TestMonitorThatBreaksDownEndsItsConns(t *testing.T) {
	ns := lab(t)
	h := startHost(t)
	c := open(t, h, rib.Binding{Netns: ns, Table: table})
	c.mon.query.close() // so that the repair fails
	c.mon.sock.c.SetsockoptInt(unix.SOL_SOCKET, unix.SO_RCVBUF, 4096)
	stalled(c.mon, func() { flood(t, ns, 1000) })
	<-c.mon.done
	// It is no news of the binding: who takes it for gone takes its routes out.
	if e := c.Events(); e.Gone || e.Broken == nil {
		t.Errorf("the owner is told %+v", e)
	}
	if again := open(t, h, rib.Binding{Netns: ns, Table: table}); again.mon == c.mon && c.mon.broken != nil {
		t.Error("the broken monitor is used again")
	}
}
