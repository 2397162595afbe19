package nsworker

import (
	"maps"
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// relink changes one interface, which the kernel tells of.
func (t *fakeTable) relink(index int, change func(*rib.Link)) {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	next := maps.Clone(t.links)
	l := next[index]
	change(&l)
	next[index] = l
	t.links = next
	t.emit(rib.KernelEvents{Came: true, Reason: rib.ResyncAddress, Links: maps.Clone(next)})
}

// TestImportOfAddresses: each address of the named interfaces, as far as others may be told of
// it, also where no table but `local` has it.
func TestImportOfAddresses(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		table.links[1] = rib.Link{Index: 1, Name: "lo", Up: true, Admin: true, Loopback: true, Addrs: prefixes("127.0.0.1/8", "203.0.113.5/32", "::1/128", "2001:db8:f::5/128")}
		table.relink(2, func(k *rib.Link) {
			k.Addrs = prefixes("192.0.2.1/24", "203.0.113.6/32", "fe80::1/64", "169.254.1.1/16", "2001:db8::1/64", "2001:db8::2/64", "2001:db8::3/64")
			k.Tentative, k.Deprecated = prefixes("2001:db8::2/64"), prefixes("2001:db8::3/64")
		})
		s := spec("red")
		s.Import.Interfaces = []string{"lo", "eth0"}
		s.Import.Protocols = []uint8{rib.ProtoStatic}
		s.Import.Addresses = true
		l.start(s)
		l.announces("red", "192.0.2.1/32 med 0", "2001:db8::1/128 med 0", "2001:db8:f::5/128 med 0", "203.0.113.5/32 med 0", "203.0.113.6/32 med 0")
		for p, want := range map[string]string{
			"127.0.0.1/32 kernel": "loopback", "::1/128 kernel": "loopback", "fe80::1/128 kernel": "link-local", "169.254.1.1/32 kernel": "link-local",
			"2001:db8::2/128 kernel": "tentative or deprecated", "2001:db8::3/128 kernel": "tentative or deprecated", "198.51.100.1/32 kernel": "interface eth1 matches nothing",
		} {
			if r := l.routes("red", vrf.Import)[p]; r.State != rib.Filtered || !strings.Contains(r.Reason, want) {
				t.Errorf("%s is %v: %s", p, r.State, r.Reason)
			}
		}
		x := l.explained("red", "203.0.113.5")
		if !strings.Contains(text(x.Import), "local 203.0.113.5 dev lo proto kernel scope host: taken") {
			t.Errorf("explained by:\n%s", text(x.Import))
		}

		table.relink(2, func(k *rib.Link) { k.Tentative, k.Deprecated = nil, prefixes("2001:db8::1/64") })
		synctest.Wait()
		l.announces("red", "192.0.2.1/32 med 0", "2001:db8::2/128 med 0", "2001:db8::3/128 med 0", "2001:db8:f::5/128 med 0", "203.0.113.5/32 med 0", "203.0.113.6/32 med 0")
		table.relink(2, func(k *rib.Link) { k.Addrs, k.Deprecated = prefixes("192.0.2.1/24"), nil })
		synctest.Wait()
		l.announces("red", "192.0.2.1/32 med 0", "2001:db8:f::5/128 med 0", "203.0.113.5/32 med 0")
		s.Import.Addresses = false
		l.configure(s)
		l.announces("red")
	})
}

// TestImportOfKinds: what discards packets has no interface, and is judged by its protocol.
func TestImportOfKinds(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		none := func(prefix string, k rib.Kind, protocol uint8) rib.Route {
			return rib.Route{Prefix: netip.MustParsePrefix(prefix), Metric: 1, Protocol: protocol, Kind: k}
		}
		table.set(none("10.1.0.0/16", rib.KindBlackhole, rib.ProtoStatic))
		table.set(none("10.2.0.0/16", rib.KindUnreachable, rib.ProtoStatic))
		table.set(none("10.3.0.0/16", rib.KindProhibit, rib.ProtoStatic))
		table.set(none("10.4.0.0/16", rib.KindBlackhole, rib.ProtoBoot))
		table.set(none("10.5.0.0/16", rib.KindBlackhole, rib.ProtoOwn))
		table.set(none("0.0.0.0/0", rib.KindUnreachable, rib.ProtoStatic))
		table.set(none("10.6.0.0/16", rib.KindThrow, rib.ProtoStatic))
		table.set(via("10.7.0.0/16", "192.0.2.9", 2, rib.ProtoStatic, 1))
		s := spec("red")
		s.Import.Protocols, s.Import.Interfaces = []uint8{rib.ProtoStatic}, nil
		s.Import.Kinds = []rib.Kind{rib.KindBlackhole, rib.KindProhibit}
		l.start(s)
		l.announces("red", "10.1.0.0/16 med 1", "10.3.0.0/16 med 1")
		if r := l.routes("red", vrf.Import)["10.2.0.0/16 static"]; !strings.Contains(r.Reason, "of type unreachable, and only blackhole, prohibit ones") {
			t.Errorf("%v: %s", r.State, r.Reason)
		}
		table.del(none("10.1.0.0/16", 0, 0).Key())
		synctest.Wait()
		l.announces("red", "10.3.0.0/16 med 1")
		s.Import.Kinds, s.Import.Interfaces = nil, []string{"*"}
		l.configure(s)
		l.announces("red", "10.7.0.0/16 med 1")
	})
}

// TestImportOfTables: of one prefix the lowest metric, then the VRF's own table, then the order
// in which the tables are named.
func TestImportOfTables(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		static := func(prefix string, metric uint32) rib.Route {
			return via(prefix, "192.0.2.9", 2, rib.ProtoStatic, metric)
		}
		ours := static("10.9.0.0/16", 20)
		ours.Protocol = rib.ProtoOwn // another VRF's
		table.beside = map[uint32][]rib.Route{
			100: {static("10.1.0.0/16", 5), static("10.2.0.0/16", 5), static("10.3.0.0/16", 5), ours},
			200: {static("10.1.0.0/16", 5), static("10.2.0.0/16", 1), static("10.4.0.0/16", 5)},
		}
		table.set(static("10.1.0.0/16", 5))
		s := spec("red")
		s.Import.Protocols = []uint8{rib.ProtoStatic}
		s.Import.Tables = []uint32{200, 100}
		l.start(s)
		l.announces("red", "10.1.0.0/16 med 5", "10.2.0.0/16 med 1", "10.3.0.0/16 med 5", "10.4.0.0/16 med 5")
		x := l.explained("red", "10.1.0.0/16")
		if got := text(x.Import); !strings.Contains(got, "static metric 5: taken") || !strings.Contains(got, "table 200: left out") || strings.Index(got, "table 200: left out") > strings.Index(got, "table 100: left out") {
			t.Errorf("explained by:\n%s", got)
		}
		emit := func(r rib.Route, from uint32, deleted bool) {
			l.kernel.mu.Lock()
			table.emit(rib.KernelEvents{Routes: []rib.RouteEvent{{Route: r, Table: from, Deleted: deleted}}})
			l.kernel.mu.Unlock()
			synctest.Wait()
		}
		emit(static("10.2.0.0/16", 1), 200, true)
		emit(static("10.5.0.0/16", 7), 100, false)
		emit(static("10.6.0.0/16", 7), 300, false) // which nobody asked for
		l.announces("red", "10.1.0.0/16 med 5", "10.2.0.0/16 med 5", "10.3.0.0/16 med 5", "10.4.0.0/16 med 5", "10.5.0.0/16 med 7")
		table.beside[200] = table.beside[200][2:]
		s.Import.Tables = []uint32{200}
		l.configure(s)
		l.settle()
		l.announces("red", "10.1.0.0/16 med 5", "10.4.0.0/16 med 5")
		l.hear("red", bgpPath("10.8.0.0/16", "10.4.0.1")) // a nexthop in another table is none
		l.exported("red", "10.8.0.0/16", rib.Unresolved, "no route in this VRF covers it")
	})
}

// TestExpiredRoute: an IPv6 route ends when its time has passed, which the kernel says only
// later; one that was given more time meanwhile stays.
func TestExpiredRoute(t *testing.T) {
	story(t, func(l *lab, table *fakeTable) {
		const far, lan = "2001:db8:5::/48", "2001:db8:6::/64"
		ra := func(prefix string, hop rib.Hop, ends time.Duration) rib.Route {
			return rib.Route{Prefix: netip.MustParsePrefix(prefix), Metric: 1024, Protocol: rib.ProtoRA, Kind: rib.KindUnicast, Hops: []rib.Hop{hop},
				Expires: uint32(time.Now().Add(ends).Unix())}
		}
		gateway := rib.Hop{Gateway: netip.MustParseAddr("fe80::9"), Ifindex: 2}
		table.relink(3, func(k *rib.Link) { k.Addrs = append(k.Addrs, prefixes("2001:db8:6::1/64")...) })
		table.set(ra(far, gateway, 10*time.Second))
		table.set(ra(lan, rib.Hop{Ifindex: 3}, 10*time.Second))
		l.start(spec("red"))
		l.hear("red", bgpPath("2001:db8:7::/48", "2001:db8:5::1"))
		l.hear("red", bgpPath(lan, "2001:db8::9"))
		begun := time.Now()
		announced := func(want bool) {
			t.Helper()
			if got := strings.Contains(l.bgp.announcements("red"), far); got != want {
				t.Errorf("after %v announced: %v", time.Since(begun), got)
			}
		}
		announced(true)
		l.exported("red", "2001:db8:7::/48", rib.Installed, "")
		l.exported("red", lan, rib.Filtered, "directly connected")
		time.Sleep(8 * time.Second)
		given := func(more time.Duration) { // without a word
			l.kernel.mu.Lock()
			defer l.kernel.mu.Unlock()
			table.routes[ra(far, gateway, 0).Key()] = ra(far, gateway, more)
		}
		given(12 * time.Second)
		time.Sleep(4 * time.Second)
		synctest.Wait()
		announced(true)
		l.exported("red", lan, rib.Installed, "")
		time.Sleep(9 * time.Second)
		synctest.Wait()
		announced(false)
		l.exported("red", "2001:db8:7::/48", rib.Unresolved, "has expired")
		if r := l.routes("red", vrf.Import)[far+" ra"]; !strings.Contains(r.Reason, "has expired") {
			t.Errorf("listed as %v: %s", r.State, r.Reason)
		}
		given(time.Hour) // before the kernel collected it
		time.Sleep(time.Minute)
		synctest.Wait()
		announced(true)
		l.exported("red", "2001:db8:7::/48", rib.Installed, "")
	})
}

// TestPrefSrcThatIsNotThere: both families wait for the address.
func TestPrefSrcThatIsNotThere(t *testing.T) {
	for _, objects := range []bool{true, false} {
		story(t, func(l *lab, table *fakeTable) {
			s := spec("red")
			s.NexthopObjects = objects
			s.Export.PrefSrc = [rib.Families]netip.Addr{netip.MustParseAddr("203.0.113.1"), netip.MustParseAddr("2001:db8:f::1")}
			l.start(s)
			l.hear("red", bgpPath("10.1.0.0/16", "192.0.2.9"))
			l.hear("red", bgpPath("2001:db8:1::/48", "2001:db8::9"))
			l.table(red)
			l.exported("red", "10.1.0.0/16", rib.Unresolved, "prefsrc 203.0.113.1 is no address of this host")
			l.exported("red", "2001:db8:1::/48", rib.Unresolved, "prefsrc 2001:db8:f::1 is no address of this host")
			table.relink(1, func(k *rib.Link) {
				k.Addrs, k.Tentative = prefixes("203.0.113.1/32", "2001:db8:f::1/128"), prefixes("2001:db8:f::1/128")
			})
			synctest.Wait()
			l.exported("red", "10.1.0.0/16", rib.Installed, "")
			l.exported("red", "2001:db8:1::/48", rib.Unresolved, "prefsrc")
			table.relink(1, func(k *rib.Link) { k.Tentative = nil })
			synctest.Wait()
			l.exported("red", "2001:db8:1::/48", rib.Installed, "")
			table.relink(1, func(k *rib.Link) { k.Addrs = nil })
			synctest.Wait()
			l.table(red)
		})
	}
}
