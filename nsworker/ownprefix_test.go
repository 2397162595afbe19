package nsworker

import (
	"net/netip"
	"slices"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/vrfredist/vrfredist/rib"
)

// TestOwnAddressesAndMartians: neither goes into the kernel's table, whatever says so,
// with one that was installed before it came to be an address.
func TestOwnAddressesAndMartians(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		s := spec("red")
		s.Export.AcceptMartians = prefixes("240.0.0.0/4")
		l.start(s)
		good := []string{
			"10.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"192.0.2.128/25 via 192.0.2.9 dev eth0 proto vrfredist metric 20", // longer, inside a subnet
			"192.0.2.77 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"240.1.0.0/16 via 192.0.2.9 dev eth0 proto vrfredist metric 20", // accepted
			"default via 192.0.2.9 dev eth0 proto vrfredist metric 20",
			"128.0.0.0/1 via 192.0.2.9 dev eth0 proto vrfredist metric 20",
		}
		for _, p := range []string{"10.1.0.0/16", "192.0.2.128/25", "192.0.2.77/32", "240.1.0.0/16", "0.0.0.0/0", "128.0.0.0/1"} {
			l.hear("red", bgpPath(p, "192.0.2.9"))
		}
		bad := map[string]string{
			"192.0.2.1/32": "an address of this VRF", "198.51.100.1/32": "an address of this VRF",
			"2001:db8::1/128": "an address of this VRF", "192.0.2.0/24": "directly connected",
			"0.0.0.0/8": "this network", "127.0.0.1/32": "loopback", "224.0.0.5/32": "multicast", "224.0.0.0/3": "multicast and reserved",
			"::1/128": "loopback", "fe80::/64": "link-local", "ff02::5/128": "multicast", "::ffff:10.0.0.0/104": "IPv4-mapped",
		}
		for p := range bad {
			nexthop := "192.0.2.9"
			if prefix := netip.MustParsePrefix(p); prefix.Addr().Is6() {
				nexthop = "2001:db8::9"
			}
			l.hear("red", bgpPath(p, nexthop))
		}
		slices.Sort(good)
		l.table(red, good...)
		for p, reason := range bad {
			l.exported("red", p, rib.Filtered, reason)
		}

		// One in the midst of others with the same attributes, in one turn of the worker.
		like := bgpPath("10.2.0.0/16", "192.0.2.9")
		for _, p := range prefixes("10.2.0.0/16", "127.1.0.0/16", "10.3.0.0/16", "192.0.2.1/32", "10.4.0.0/16") {
			one := like
			one.Prefix = p
			l.feed("red").Set(p, 0, []rib.Path{one})
		}
		synctest.Wait()
		l.exported("red", "127.1.0.0/16", rib.Filtered, "loopback")
		l.exported("red", "192.0.2.1/32", rib.Filtered, "an address of this VRF")
		for _, p := range []string{"10.2.0.0/16", "10.3.0.0/16", "10.4.0.0/16"} {
			good = append(good, p+" via 192.0.2.9 dev eth0 proto vrfredist metric 20")
		}
		slices.Sort(good)
		l.table(red, good...)

		// An address comes, and goes.
		links := func(addrs ...string) {
			l.kernel.mu.Lock()
			defer l.kernel.mu.Unlock()
			next := make(rib.Links)
			for i, link := range table.links {
				next[i] = link
			}
			eth1 := next[3]
			eth1.Addrs = prefixes(addrs...)
			next[3] = eth1
			table.links = next
			table.emit(rib.KernelEvents{Links: next})
		}
		links("198.51.100.1/24", "192.0.2.77/32")
		l.settle()
		l.exported("red", "192.0.2.77/32", rib.Filtered, "an address of this VRF")
		links("198.51.100.1/24")
		l.settle()
		l.table(red, good...)
	})
}

// TestBoardOwn: what a worker knows of its own prefixes is there for others, and they are
// told of each change once.
func TestBoardOwn(t *testing.T) {
	t.Parallel()
	b := NewBoard()
	var mu sync.Mutex
	var told [][2][]netip.Prefix
	b.OnOwn(func(vrf string, came, went []netip.Prefix) {
		mu.Lock()
		defer mu.Unlock()
		slices.SortFunc(came, netip.Prefix.Compare)
		slices.SortFunc(went, netip.Prefix.Compare)
		told = append(told, [2][]netip.Prefix{came, went})
	})
	if b.Own("red").Has(netip.MustParsePrefix("10.0.0.0/24")) {
		t.Error("without a worker there are own prefixes")
	}
	view := func(addrs ...string) rib.View {
		return rib.View{Where: rib.Where{Table: 254}, Links: rib.Links{2: {Index: 2, Name: "eth0", Addrs: prefixes(addrs...)}}}
	}
	subnet := []rib.Route{connected("10.0.0.0/24", 2, 0), via("10.9.0.0/16", "10.0.0.9", 2, rib.ProtoStatic, 0)}
	first := rib.OwnPrefixesOf(view("10.0.0.1/24"), subnet)
	b.publishOwn("red", first)
	b.publishOwn("red", first)
	for p, want := range map[string]bool{
		"10.0.0.0/24": true, "10.0.0.1/32": true,
		"10.0.0.0/25": false, "10.0.0.2/32": false, "10.0.0.0/23": false, "10.9.0.0/16": false, "10.0.0.1/24": false,
	} {
		if got := b.Own("red").Has(netip.MustParsePrefix(p)); got != want {
			t.Errorf("%s is own: %v, want %v", p, got, want)
		}
	}
	b.publishOwn("red", first.WithLinks(view("10.0.0.1/24", "2001:db8::1/64")))
	b.publishOwn("red", first.WithSubnet(netip.MustParsePrefix("10.0.0.0/24"), false))
	b.retract("red")
	want := [][2][]netip.Prefix{
		{prefixes("10.0.0.0/24", "10.0.0.1/32"), nil},
		{prefixes("2001:db8::1/128"), nil},
		{nil, prefixes("10.0.0.0/24", "2001:db8::1/128")},
		{nil, prefixes("10.0.0.1/32")},
	}
	if !slices.EqualFunc(told, want, func(a, b [2][]netip.Prefix) bool { return slices.Equal(a[0], b[0]) && slices.Equal(a[1], b[1]) }) {
		t.Errorf("told %v\nwant %v", told, want)
	}
}

// A plain table shares the interfaces of its namespace: its own are those addresses whose
// subnets it has.
func TestOwnOfAPlainTable(t *testing.T) {
	t.Parallel()
	links := rib.Links{
		2: {Index: 2, Name: "eth0", Addrs: prefixes("10.0.0.1/24")}, 3: {Index: 3, Name: "eth1", Addrs: prefixes("10.1.0.1/24")},
	}
	// An address with noprefixroute has its subnet from the program that set it.
	dhcp := connected("10.0.0.0/24", 2, 100)
	dhcp.Protocol = rib.ProtoStatic
	beside := connected("10.7.0.0/24", 2, 100) // a route on the link, but of none of its addresses
	beside.Protocol = rib.ProtoStatic
	own := rib.OwnPrefixesOf(rib.View{Where: rib.Where{Table: 1001}, Links: links}, []rib.Route{dhcp, beside})
	for p, want := range map[string]bool{"10.0.0.0/24": true, "10.0.0.1/32": true, "10.1.0.0/24": false, "10.1.0.1/32": false, "10.7.0.0/24": false} {
		if got := own.Has(netip.MustParsePrefix(p)); got != want {
			t.Errorf("%s is own: %v, want %v", p, got, want)
		}
	}
}

// TestConnectedWhateverWroteIt: the subnet of a link is the VRF's own however the address that
// lies in it is masked, and from whichever of the two comes last; a metric above ours changes
// nothing.
func TestConnectedWhateverWroteIt(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		l.start(spec("red"))
		l.hear("red", bgpPath("203.0.113.0/24", "192.0.2.9"))
		ours := "203.0.113.0/24 via 192.0.2.9 dev eth0 proto vrfredist metric 20"
		l.table(red, ours)
		lease := connected("203.0.113.0/24", 3, 1002)
		lease.Protocol = rib.ProtoDHCP
		leased := "203.0.113.0/24 dev eth1 proto dhcp scope link metric 1002"
		table.set(lease)
		l.settle()
		l.table(red, leased, ours) // no address of eth1 lies in it
		addresses := func(addrs ...string) {
			l.kernel.mu.Lock()
			defer l.kernel.mu.Unlock()
			next := make(rib.Links)
			for i, link := range table.links {
				next[i] = link
			}
			eth1 := next[3]
			eth1.Addrs = prefixes(addrs...)
			next[3] = eth1
			table.links = next
			table.emit(rib.KernelEvents{Came: true, Reason: rib.ResyncAddress, Links: next})
		}
		addresses("198.51.100.1/24", "203.0.113.7/32")
		synctest.Wait()
		l.exported("red", "203.0.113.0/24", rib.Filtered, "directly connected")
		l.table(red, leased)
		addresses("198.51.100.1/24")
		l.settle()
		l.exported("red", "203.0.113.0/24", rib.Installed, "")
		addresses("198.51.100.1/24", "203.0.113.7/25")
		l.settle()
		table.del(lease.Key())
		synctest.Wait()
		l.exported("red", "203.0.113.0/24", rib.Installed, "")
		table.set(lease)
		synctest.Wait()
		l.exported("red", "203.0.113.0/24", rib.Filtered, "directly connected")
	})
}
