package kernel

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vrfredist/vrfredist/rib"
)

// sameRoute compares hops as they are: by their Equal method, which cmp would take, their
// weights would not count.
var sameRoute = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}, rib.Hop{}), cmpopts.EquateEmpty()}

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
	var tb reading
	for up := true; up; {
		awaitResync(t, c, rib.ResyncLink)
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
			awaitResync(t, c, rib.ResyncNexthop)
			ip(t, ns, "nexthop del id 1")
			awaitResync(t, c, rib.ResyncNexthop)
		})
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
