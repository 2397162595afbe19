package kernel

import (
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

func TestApplyWritesEveryShape(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	tb := read(t, c)
	v0, w0 := ifindex(t, tb, "v0"), ifindex(t, tb, "w0")
	src := route("10.7.0.0/16", via("192.0.2.2"))
	src.PrefSrc = netip.MustParseAddr("198.51.100.1")
	unreachable := route("10.8.0.0/16")
	unreachable.Kind = rib.KindUnreachable
	for _, r := range []rib.Route{
		route("10.0.0.0/8", via("192.0.2.2")),
		route("10.1.0.0/16", via("192.0.2.2"), via("198.51.100.2")),
		route("10.2.0.0/16", rib.Hop{Ifindex: v0, Gateway: netip.MustParseAddr("2001:db8::2")}),
		route("10.3.0.0/16", rib.Hop{Ifindex: v0, Gateway: netip.MustParseAddr("192.0.2.2"), Weight: 256},
			rib.Hop{Ifindex: w0, Gateway: netip.MustParseAddr("2001:db8:1::2"), Weight: 2}),
		route("10.4.0.0/16", rib.Hop{Ifindex: v0}),
		route("10.5.0.0/16", rib.Hop{Ifindex: v0, Gateway: netip.MustParseAddr("203.0.113.9"), OnLink: true}),
		route("10.6.0.0/16"),
		src, unreachable,
		route("0.0.0.0/0", via("192.0.2.2")),
		route("::/0", rib.Hop{Ifindex: v0, Gateway: netip.MustParseAddr("fe80::2")}),
		route("2001:db8:a::/48", via("2001:db8::2")),
		route("2001:db8:b::/48", via("2001:db8::2"), via("2001:db8:1::2")),
		route("2001:db8:c::/48"),
		route("2001:db8:d::/48", rib.Hop{Ifindex: w0}),
	} {
		apply(t, c, rib.Change{Op: rib.OpAdd, Route: r})
	}
	wantRoutes(t, ns, "-4", table,
		"default via 192.0.2.2 dev v0 proto 179 metric 20",
		"10.0.0.0/8 via 192.0.2.2 dev v0 proto 179 metric 20",
		"10.1.0.0/16 nexthop 192.0.2.2 v0 1 nexthop 198.51.100.2 w0 1 proto 179 metric 20",
		"10.2.0.0/16 via 2001:db8::2 dev v0 proto 179 metric 20",
		"10.3.0.0/16 nexthop 192.0.2.2 v0 256 nexthop 2001:db8:1::2 w0 2 proto 179 metric 20",
		"10.4.0.0/16 dev v0 proto 179 metric 20",
		"10.5.0.0/16 via 203.0.113.9 dev v0 proto 179 metric 20 onlink",
		"blackhole 10.6.0.0/16 proto 179 metric 20",
		"10.7.0.0/16 via 192.0.2.2 dev v0 proto 179 metric 20 src 198.51.100.1",
		"unreachable 10.8.0.0/16 proto 179 metric 20")
	wantRoutes(t, ns, "-6", table,
		"2001:db8:a::/48 via 2001:db8::2 dev v0 proto 179 metric 20",
		"2001:db8:b::/48 nexthop 2001:db8::2 v0 1 nexthop 2001:db8:1::2 w0 1 proto 179 metric 20",
		"blackhole 2001:db8:c::/48 proto 179 metric 20",
		"2001:db8:d::/48 dev w0 proto 179 metric 20",
		"default via fe80::2 dev v0 proto 179 metric 20")
	before := read(t, c).Routes
	if len(before) != 15 {
		t.Fatalf("%d routes are read back, want 15", len(before))
	}
	// What is read can be deleted.
	for _, r := range before {
		apply(t, c, rib.Change{Op: rib.OpDelete, Route: r})
		apply(t, c, rib.Change{Op: rib.OpDelete, Route: r}) // gone already: no error
	}
	wantRoutes(t, ns, "-4", table)
	wantRoutes(t, ns, "-6", table)
	quiet(t, c, ns) // no echo of any of it
}

// TestReplaceTransitions goes from every shape to every other, with a route of
// another metric and protocol beside it that must not be touched.
func TestReplaceTransitions(t *testing.T) {
	families := []struct {
		flag, prefix string
		gateways     []string
	}{
		{"-4", "10.0.0.0/8", []string{"192.0.2.2", "198.51.100.2", "192.0.2.3"}},
		{"-6", "2001:db8:a::/48", []string{"2001:db8::2", "2001:db8:1::2", "2001:db8::3"}},
	}
	for _, f := range families {
		dev := map[string]string{f.gateways[0]: "v0", f.gateways[1]: "w0", f.gateways[2]: "v0"}
		line := func(g ...string) string {
			switch len(g) {
			case 0:
				return "blackhole " + f.prefix + " proto 179 metric 20"
			case 1:
				return f.prefix + " via " + g[0] + " dev " + dev[g[0]] + " proto 179 metric 20"
			}
			s := f.prefix
			for _, g := range g {
				s += " nexthop " + g + " " + dev[g] + " 1"
			}
			return s + " proto 179 metric 20"
		}
		g := f.gateways
		shapes := [][]string{{}, {g[0]}, {g[1]}, {g[0], g[1]}, {g[1], g[2]}, {g[0], g[1], g[2]}}
		t.Run(f.flag, func(t *testing.T) {
			ns := lab(t)
			c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
			beside := f.prefix + " via " + g[0] + " dev v0 proto static metric 30"
			below := f.prefix + " via " + g[0] + " dev v0 proto static metric 10"
			for _, r := range []string{beside, below} {
				ip(t, ns, f.flag+" route add "+r+" table 1001")
			}
			awaitEvents(t, c, "the foreign routes", func(e rib.KernelEvents) bool {
				return slices.ContainsFunc(e.Routes, func(r rib.RouteEvent) bool { return r.Route.Metric == 10 })
			})
			make := func(gateways []string) rib.Route {
				var hops []rib.Hop
				for _, g := range gateways {
					hops = append(hops, via(g))
				}
				return route(f.prefix, hops...)
			}
			for _, from := range shapes {
				for _, to := range shapes {
					apply(t, c, rib.Change{Op: rib.OpAdd, Route: make(from)})
					wantRoutes(t, ns, f.flag, table, below, line(from...), beside)
					apply(t, c, rib.Change{Op: rib.OpReplace, Route: make(to)})
					wantRoutes(t, ns, f.flag, table, below, line(to...), beside)
					apply(t, c, rib.Change{Op: rib.OpDelete, Route: make(to)})
					wantRoutes(t, ns, f.flag, table, below, beside)
				}
			}
			quiet(t, c, ns)
		})
	}
}

func TestAddNeverTouchesForeignRoute(t *testing.T) {
	for _, f := range []struct{ flag, prefix, gateway, other string }{
		{"-4", "10.0.0.0/8", "192.0.2.2", "198.51.100.2"},
		{"-6", "2001:db8:a::/48", "2001:db8::2", "2001:db8:1::2"},
	} {
		t.Run(f.flag, func(t *testing.T) {
			ns := lab(t)
			c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
			foreign := f.prefix + " via " + f.gateway + " dev v0 proto static metric 20"
			ip(t, ns, f.flag+" route add "+foreign+" table 1001")
			for _, r := range []rib.Route{
				route(f.prefix, via(f.other)), route(f.prefix, via(f.gateway), via(f.other)), route(f.prefix),
			} {
				errs, err := c.Apply(t.Context(), []rib.Change{{Op: rib.OpAdd, Route: r}})
				if err != nil || !errors.Is(errs[0], rib.ErrExists) || !errors.Is(errs[0], unix.EEXIST) {
					t.Errorf("add %v beside a foreign route: %v, %v", r, errs, err)
				}
				// A delete names the protocol, and so does not find it.
				apply(t, c, rib.Change{Op: rib.OpDelete, Route: r})
				wantRoutes(t, ns, f.flag, table, foreign)
			}
			r := route(f.prefix, via(f.other))
			r.Protocol = rib.ProtoStatic
			for _, op := range []rib.Op{rib.OpAdd, rib.OpReplace, rib.OpDelete} {
				errs, err := c.Apply(t.Context(), []rib.Change{{Op: op, Route: r}})
				if err != nil || errs[0] == nil {
					t.Errorf("%v of another's protocol: %v, %v", op, errs, err)
				}
			}
			wantRoutes(t, ns, f.flag, table, foreign)
		})
	}
}

func TestBadRouteFailsAlone(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	var changes []rib.Change
	bad := map[int]bool{0: true, 150: true, 299: true}
	for i := range 300 {
		r := route(fmt.Sprintf("10.%d.%d.0/24", i/256, i%256), via("192.0.2.2"))
		if bad[i] {
			r.Hops = []rib.Hop{via("203.0.113.9")}
		}
		if i == 10 {
			r.Metric = 0 // does not even reach the kernel
		}
		changes = append(changes, rib.Change{Op: rib.OpAdd, Route: r})
	}
	errs, err := c.Apply(t.Context(), changes)
	if err != nil {
		t.Fatal(err)
	}
	for i, err := range errs {
		switch {
		case bad[i]:
			var e *Error
			if !errors.As(err, &e) || !errors.Is(err, unix.ENETUNREACH) || errors.Is(err, rib.ErrExists) {
				t.Errorf("change %d: %v", i, err)
			}
			want := fmt.Sprintf(`the kernel refused %v: network is unreachable ("Nexthop has invalid gateway")`, changes[i].Route.Prefix)
			if err == nil || err.Error() != want {
				t.Errorf("change %d: %v\nwant: %s", i, err, want)
			}
		case i == 10:
			if err == nil || !strings.Contains(err.Error(), "the metric is 0") {
				t.Errorf("change 10: %v", err)
			}
		case err != nil:
			t.Errorf("change %d: %v", i, err)
		}
	}
	if got := len(ipRoutes(t, ns, "-4", table)); got != 296 {
		t.Errorf("%d routes are in the table, want 296", got)
	}
}
