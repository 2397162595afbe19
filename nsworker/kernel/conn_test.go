package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vrfredist/vrfredist/rib"
)

var sameRoute = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.EquateEmpty()}

func TestReadSeesTableAndLinks(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	if got := read(t, c); len(got.Routes) != 0 || len(got.Links) != 5 {
		t.Fatalf("a table without routes: %+v", got)
	}
	v0 := ifindex(t, read(t, c), "v0")
	w0 := ifindex(t, read(t, c), "w0")
	for _, line := range []string{
		"route add 10.0.0.0/8 via 192.0.2.2 table 1001 proto static metric 7",
		"route add 10.1.0.0/16 table 1001 proto 200 nexthop via 192.0.2.2 weight 3 nexthop via 198.51.100.2",
		"route add 10.2.0.0/16 via inet6 2001:db8::2 dev v0 table 1001",
		"route add 10.3.0.0/16 dev v0 table 1001 src 192.0.2.1",
		"route add 10.4.0.0/16 via 203.0.113.9 dev w0 onlink table 1001",
		"route add 10.5.0.0/16 tos 8 via 192.0.2.2 table 1001",
		"route add unreachable 10.6.0.0/16 table 1001 metric 4278198272",
		"route add 10.7.0.0/16 via 192.0.2.2 table 1002",
		"route add default via 192.0.2.2 table 1001",
		"-6 route add default via 2001:db8::2 table 1001",
		"-6 route add 2001:db8:a::/48 table 1001 nexthop via 2001:db8::2 nexthop via 2001:db8:1::2 weight 256",
		"-6 route add blackhole 2001:db8:b::/48 table 1001 proto 179 metric 20",
	} {
		ip(t, ns, line)
	}
	p := netip.MustParsePrefix
	a := netip.MustParseAddr
	hop := func(gateway string, index int, weight uint16) rib.Hop {
		return rib.Hop{Gateway: a(gateway), Ifindex: index, Weight: weight}
	}
	want := []rib.Route{
		{Prefix: p("0.0.0.0/0"), Protocol: 3, Kind: 1, Hops: []rib.Hop{hop("192.0.2.2", v0, 1)}},
		{Prefix: p("10.0.0.0/8"), Metric: 7, Protocol: 4, Kind: 1, Hops: []rib.Hop{hop("192.0.2.2", v0, 1)}},
		{Prefix: p("10.1.0.0/16"), Protocol: 200, Kind: 1, Hops: []rib.Hop{hop("192.0.2.2", v0, 3), hop("198.51.100.2", w0, 1)}},
		{Prefix: p("10.2.0.0/16"), Protocol: 3, Kind: 1, Hops: []rib.Hop{hop("2001:db8::2", v0, 1)}},
		{Prefix: p("10.3.0.0/16"), Protocol: 3, Kind: 1, Scope: 253, PrefSrc: a("192.0.2.1"), Hops: []rib.Hop{{Ifindex: v0, Weight: 1}}},
		{Prefix: p("10.4.0.0/16"), Protocol: 3, Kind: 1, Hops: []rib.Hop{{Gateway: a("203.0.113.9"), Ifindex: w0, Weight: 1, OnLink: true}}},
		{Prefix: p("10.6.0.0/16"), Metric: 4278198272, Protocol: 3, Kind: rib.KindUnreachable},
		{Prefix: p("2001:db8:a::/48"), Metric: 1024, Protocol: 3, Kind: 1, Hops: []rib.Hop{hop("2001:db8::2", v0, 1), hop("2001:db8:1::2", w0, 256)}},
		{Prefix: p("2001:db8:b::/48"), Metric: 20, Protocol: 179, Kind: rib.KindBlackhole},
		{Prefix: p("::/0"), Metric: 1024, Protocol: 3, Kind: 1, Hops: []rib.Hop{hop("2001:db8::2", v0, 1)}},
	}
	got := read(t, c)
	slices.SortFunc(got.Routes, byText)
	slices.SortFunc(want, byText)
	if d := cmp.Diff(want, got.Routes, sameRoute); d != "" {
		t.Fatal(d)
	}
	link := got.Links[v0]
	if !link.Up || !link.Admin || link.Loopback || link.Master != 0 || link.VRFTable != 0 ||
		!slices.Contains(link.Addrs, p("192.0.2.1/24")) || !slices.Contains(link.Addrs, p("2001:db8::1/64")) {
		t.Errorf("v0 is %+v", link)
	}
}

func byText(a, b rib.Route) int { return strings.Compare(a.Prefix.String(), b.Prefix.String()) }

// Of a link without carrier the kernel says, by its setting, whether it forwards there.
func TestReadMarksDeadHops(t *testing.T) {
	for _, ignore := range []bool{false, true} {
		t.Run(fmt.Sprintf("ignore_routes_with_linkdown=%v", ignore), func(t *testing.T) { readWithoutCarrier(t, ignore) })
	}
}

func readWithoutCarrier(t *testing.T, ignore bool) {
	t.Helper()
	ns := lab(t)
	if ignore {
		run(t, "ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv4.conf.v0.ignore_routes_with_linkdown=1")
	}
	c := open(t, startHost(t), rib.Binding{Netns: ns})
	ip(t, ns, "route add 10.0.0.0/8 via 192.0.2.2")
	ip(t, ns, "link set v1 down") // takes v0's carrier, which the kernel says some time after it says that v1 is down
	var tb rib.Table
	for up := true; up; {
		awaitResync(t, c, "link")
		tb = read(t, c)
		k, _ := tb.Links.ByName("v0")
		if up = k.Up; !k.Admin {
			t.Fatalf("v0 is %+v", k)
		}
	}
	over := 0
	for _, r := range tb.Routes {
		for _, h := range r.Hops {
			if h.Ifindex == ifindex(t, tb, "v0") && r.Prefix.Addr().Is4() {
				over++
				if h.Dead != ignore {
					t.Errorf("%v: %+v", r.Prefix, h)
				}
			}
		}
	}
	if over != 2 {
		t.Errorf("%d routes over v0, want the connected and the static one", over)
	}
}

func TestReadResolvesNexthopObjects(t *testing.T) {
	for _, compat := range []string{"0", "1"} {
		t.Run("nexthop_compat_mode="+compat, func(t *testing.T) {
			ns := lab(t)
			run(t, "ip", "netns", "exec", ns, "sysctl", "-qw", "net.ipv4.nexthop_compat_mode="+compat)
			c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
			v0 := ifindex(t, read(t, c), "v0")
			w0 := ifindex(t, read(t, c), "w0")
			ip(t, ns, "nexthop add id 1 via 192.0.2.2 dev v0")
			ip(t, ns, "nexthop add id 2 via 198.51.100.2 dev w0")
			ip(t, ns, "nexthop add id 3 group 1,5/2")
			ip(t, ns, "route add 10.0.0.0/8 nhid 1 table 1001")
			ip(t, ns, "route add 10.1.0.0/16 nhid 3 table 1001")
			want := map[string][]rib.Hop{
				"10.0.0.0/8":  {{Gateway: netip.MustParseAddr("192.0.2.2"), Ifindex: v0, Weight: 1}},
				"10.1.0.0/16": {{Gateway: netip.MustParseAddr("192.0.2.2"), Ifindex: v0, Weight: 5}, {Gateway: netip.MustParseAddr("198.51.100.2"), Ifindex: w0, Weight: 1}},
			}
			got := map[string][]rib.Hop{}
			awaitEvents(t, c, "two routes", func(e rib.KernelEvents) bool {
				for _, r := range e.Routes {
					got[r.Route.Prefix.String()] = r.Route.Hops
				}
				return len(got) == 2
			})
			if d := cmp.Diff(want, got, sameRoute); d != "" {
				t.Errorf("events: %s", d)
			}
			clear(got)
			for _, r := range read(t, c).Routes {
				if r.NexthopID == 0 {
					t.Errorf("%v has no nexthop id", r.Prefix)
				}
				got[r.Prefix.String()] = r.Hops
			}
			if d := cmp.Diff(want, got, sameRoute); d != "" {
				t.Errorf("reading: %s", d)
			}
			ip(t, ns, "nexthop replace id 2 via 198.51.100.3 dev w0")
			awaitResync(t, c, "nexthop")
			ip(t, ns, "nexthop del id 1")
			awaitResync(t, c, "nexthop")
		})
	}
}

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

func TestContextEndsReadAndApply(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := c.Read(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("Read: %v", err)
	}
	change := rib.Change{Op: rib.OpAdd, Route: route("10.0.0.0/8", via("192.0.2.2"))}
	if _, err := c.Apply(ctx, []rib.Change{change}); !errors.Is(err, context.Canceled) {
		t.Errorf("Apply: %v", err)
	}
	wantRoutes(t, ns, "-4", table)
	// The next ones are not cut short by it.
	apply(t, c, change)
	if got := read(t, c).Routes; len(got) != 1 {
		t.Errorf("the table has %+v", got)
	}
}

func TestDumpGivenUpLeavesTheSocketUsable(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	var changes []rib.Change
	for i := range 5000 {
		changes = append(changes, rib.Change{Op: rib.OpAdd, Route: route(fmt.Sprintf("10.%d.%d.0/24", i/256, i%256), via("192.0.2.2"))})
	}
	apply(t, c, changes...)
	// A dump whose first datagram alone is read, as after a deadline.
	seq := c.sock.next()
	b := beginMessage(nil, unix.RTM_GETROUTE, unix.NLM_F_REQUEST|unix.NLM_F_DUMP, seq)
	b = append(b, make([]byte, unix.SizeofRtMsg)...)
	b[unix.NLMSG_HDRLEN] = unix.AF_INET
	if err := c.sock.send(endMessage(appendAttrU32(b, unix.RTA_TABLE, table), 0)); err != nil {
		t.Fatal(err)
	}
	c.sock.dumping = seq
	if err := c.sock.receive(func([]byte) error { return nil }); err != nil {
		t.Fatal(err)
	}
	if got := len(read(t, c).Routes); got != 5000 {
		t.Errorf("%d routes, want 5000", got)
	}
}
