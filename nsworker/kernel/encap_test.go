package kernel

import (
	"fmt"
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/vm/need"
	"github.com/vrfredist/vrfredist/rib"
)

// TestReadSeesEncapsulations: of routes, of legs, and of nexthop objects alone and in groups,
// whether the kernel shows what the objects stand for or their id alone.
func TestReadSeesEncapsulations(t *testing.T) {
	need.SRv6(t)
	for _, compat := range []int{1, 0} {
		t.Run(fmt.Sprintf("nexthop_compat_mode=%d", compat), func(t *testing.T) {
			ns := lab(t)
			run(t, "ip", "netns", "exec", ns, "sysctl", "-qw", fmt.Sprintf("net.ipv4.nexthop_compat_mode=%d", compat))
			c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
			read(t, c)
			const tunnel = "encap ip id 5 dst 192.0.2.9 "
			for _, line := range []string{
				"nexthop add id 5 " + tunnel + "via 192.0.2.9 dev v0",
				"nexthop add id 6 via 192.0.2.8 dev v0",
				"nexthop add id 7 group 5/6",
				"route add 10.1.0.0/16 " + tunnel + "dev v0 table 1001",
				"route add 10.2.0.0/16 table 1001 nexthop " + tunnel + "via 192.0.2.9 dev v0 nexthop via 192.0.2.8 dev v0",
				"route add 10.3.0.0/16 nhid 5 table 1001",
				"route add 10.4.0.0/16 nhid 7 table 1001",
				"route add 10.5.0.0/16 nhid 6 table 1001",
				"route add 10.6.0.0/16 via inet6 2001:db8::2 dev v0 table 1001",
				"-6 route add 2001:db8:2::/48 encap seg6 mode encap segs 2001:db8:9::1 dev v0 table 1001",
			} {
				ip(t, ns, line)
			}
			want := map[string][]rib.EncapKind{
				"10.1.0.0/16": {2}, "10.2.0.0/16": {2, 0}, "10.3.0.0/16": {2}, "10.4.0.0/16": {2, 0}, "10.5.0.0/16": {0}, "10.6.0.0/16": {0}, "2001:db8:2::/48": {5},
			}
			check := func(how string, r rib.Route) {
				t.Helper()
				var got []rib.EncapKind
				for _, h := range r.Hops {
					got = append(got, h.Encap.Kind())
				}
				if !slices.Equal(got, want[r.Prefix.String()]) {
					t.Errorf("%s: %s has %v, want %v", how, r.Prefix, got, want[r.Prefix.String()])
				}
			}
			heard := 0
			for deadline := time.Now().Add(soon); heard < len(want) && time.Now().Before(deadline); {
				select {
				case <-c.Ready():
					ev := c.Events()
					if ev.Resync {
						t.Fatalf("a reading is asked for: %v", ev.Reason)
					}
					for _, one := range ev.Routes {
						check("the event", one.Route)
						heard++
					}
				case <-time.After(time.Until(deadline)):
				}
			}
			got := read(t, c)
			for _, r := range got.Routes {
				check("the reading", r)
			}
			if heard != len(want) || len(got.Routes) != len(want) {
				t.Errorf("%d events and %d routes", heard, len(got.Routes))
			}
		})
	}
}

// TestReadOfOtherTables: they are read and heard of while they are asked for.
func TestReadOfOtherTables(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	ip(t, ns, "route add 10.1.0.0/16 via 192.0.2.2 table 100")
	ip(t, ns, "-6 route add 2001:db8:a::/48 via 2001:db8::2 table 200")
	got := read(t, c, 100, 200)
	if len(got.Routes) != 0 || len(got.Beside[100]) != 1 || len(got.Beside[200]) != 1 {
		t.Fatalf("read %+v", got)
	}
	next := func() rib.RouteEvent {
		t.Helper()
		for {
			select {
			case <-c.Ready():
				for _, ev := range c.Events().Routes {
					if !slices.ContainsFunc(slices.Concat(got.Routes, got.Beside[100], got.Beside[200]), func(r rib.Route) bool { return r.Prefix == ev.Route.Prefix && !ev.Deleted }) {
						return ev // and not of what the reading had
					}
				}
			case <-time.After(soon):
				t.Fatal("nothing is heard")
			}
		}
	}
	ip(t, ns, "route del 10.1.0.0/16 table 100")
	if ev := next(); ev.Table != 100 || !ev.Deleted || ev.Route.Prefix != netip.MustParsePrefix("10.1.0.0/16") {
		t.Errorf("heard %+v", ev)
	}
	if _, err := c.Read(t.Context(), 200); err != nil {
		t.Fatal(err)
	}
	ip(t, ns, "route add 10.2.0.0/16 via 192.0.2.2 table 100") // which is not followed any more
	ip(t, ns, "route add 10.3.0.0/16 via 192.0.2.2 table 1001")
	if ev := next(); ev.Table != 0 || ev.Route.Prefix != netip.MustParsePrefix("10.3.0.0/16") {
		t.Errorf("heard %+v", ev)
	}
}

// TestReadOfRoutesThatEnd: an IPv6 route that has ended stays in the table for a while.
func TestReadOfRoutesThatEnd(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	before := time.Now()
	ip(t, ns, "-6 route add 2001:db8:a::/48 via 2001:db8::2 table 1001 expires 1")
	ip(t, ns, "-6 route add 2001:db8:b::/48 via 2001:db8::2 table 1001")
	after := time.Now()
	ends := func() (at []time.Time) {
		for _, r := range read(t, c).Routes {
			if r.Expires != 0 {
				at = append(at, time.Unix(int64(r.Expires), 0))
			}
		}
		return at
	}
	right := func(at []time.Time) bool { // rounded up to a second
		return len(at) == 1 && at[0].After(before.Add(time.Second/2)) && at[0].Before(after.Add(3*time.Second))
	}
	if at := ends(); !right(at) {
		t.Errorf("ends at %v, begun at %v", at, before)
	}
	for time.Now().Before(after.Add(1100 * time.Millisecond)) { // what ended in the meantime says so
		at := ends()
		if len(at) == 0 && time.Now().After(before.Add(900*time.Millisecond)) {
			return // the kernel collected it early
		}
		if !right(at) {
			t.Fatalf("ends at %v, begun at %v", at, before)
		}
	}
}

// TestAddressesThatOthersAreNotToldOf: those that are deprecated.
func TestAddressesThatOthersAreNotToldOf(t *testing.T) {
	ns := lab(t)
	c := open(t, startHost(t), rib.Binding{Netns: ns, Table: table})
	ip(t, ns, "addr add 2001:db8::5/64 dev v0 nodad preferred_lft 0")
	ip(t, ns, "addr add 192.0.2.5/24 dev v0 preferred_lft 0")
	links := read(t, c).Links
	v0 := links[ifindex(t, read(t, c), "v0")]
	if got := fmt.Sprint(v0.Deprecated, v0.Tentative); got != "[192.0.2.5/24 2001:db8::5/64] []" {
		t.Errorf("deprecated and tentative: %s of %v", got, v0.Addrs)
	}
}
