package kernel

import (
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"

	"github.com/vrfredist/vrfredist/rib"
)

// FuzzDecodeRoute: nothing that comes from a socket may panic, and whatever is
// decoded and can be written says the same when it is decoded again.
func FuzzDecodeRoute(f *testing.F) {
	seeds := []rib.Route{
		route("10.0.0.0/8", via("192.0.2.1")),
		route("10.0.0.0/8", via("2001:db8::1")),
		route("2001:db8::/32", via("2001:db8::1"), rib.Hop{Gateway: netip.MustParseAddr("fe80::1"), Ifindex: 4, Weight: 256, OnLink: true}),
		route("0.0.0.0/0", rib.Hop{Ifindex: 3}),
		route("::/0"),
		route("10.0.0.0/8", rib.Hop{Ifindex: 3, Encap: rib.ByMPLS(rib.LabelStack(16002, 80))}),
		route("10.0.0.0/8", rib.Hop{Ifindex: 3, Encap: rib.BySRv6(netip.MustParseAddr("fd00:2:0:1:100::"), false)},
			rib.Hop{Ifindex: 4, Encap: rib.ByMPLS(rib.LabelStack(16))}),
		route("2001:db8::/32", rib.Hop{Gateway: netip.MustParseAddr("::ffff:192.0.2.9"), Ifindex: 4, OnLink: true, Encap: rib.ByMPLS(rib.LabelStack(80))}),
		route("2001:db8::/32", rib.Hop{Ifindex: 3, Encap: rib.BySRv6(netip.MustParseAddr("fd00:2:0:1:100::"), true)}),
	}
	for _, r := range seeds {
		f.Add(appendRoute(nil, &r, 70000, false))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var d decoder
		r, err := d.route(b)
		if err != nil {
			return
		}
		if !r.other && (!r.Prefix.IsValid() || r.Prefix != r.Prefix.Masked() || r.Prefix.Addr().Is4() != (r.family == unix.AF_INET)) {
			t.Fatalf("decoded %+v", r)
		}
		if tableOf(b) != r.table && !malformedTable(b) && !r.other {
			t.Fatalf("the table is %d, and %d at a glance", r.table, tableOf(b))
		}
		again, ok := encoded(r)
		if !ok {
			return
		}
		var d2 decoder // or it could remember
		r2, err := d2.route(again)
		if err != nil {
			t.Fatal(err)
		}
		if !forwards(r.Kind) {
			r.NexthopID = 0
		}
		if r.NexthopID != 0 {
			r.Hops = nil // are read only, then
		}
		r.Scope, r2.Scope = 0, 0
		if !r.PrefSrc.IsValid() {
			r.PrefSrc = netip.Addr{}
		}
		for i := range r.Hops {
			r.Hops[i].Dead = false // is read only
			if len(r.Hops) == 1 {
				r.Hops[i].Weight = 1 // means nothing, and is not written
			}
		}
		if diff := cmp.Diff(r.Route, r2.Route, sameRoute); diff != "" || r2.table != r.table {
			t.Fatalf("written and read again, table %d: %s", r2.table, diff)
		}
	})
}

// malformedTable: more than one RTA_TABLE, or one that is too short.
func malformedTable(b []byte) bool {
	n := 0
	a := attrs{b: b[unix.SizeofRtMsg:]}
	for typ, v, ok := a.next(); ok; typ, v, ok = a.next() {
		if typ == unix.RTA_TABLE {
			n++
			if len(v) < 4 {
				return true
			}
		}
	}
	return n > 1
}

// encoded writes r as Apply would, where it may be written.
func encoded(r tableRoute) ([]byte, bool) {
	if r.other {
		return nil, false
	}
	b, err := appendChange(nil, &rib.Change{Op: rib.OpAdd, Route: r.Route}, r.table, 179, 1)
	if err != nil {
		return nil, false
	}
	return b[unix.NLMSG_HDRLEN:], true
}

func FuzzMessages(f *testing.F) {
	f.Add(endMessage(append(beginMessage(nil, unix.NLMSG_ERROR, unix.NLM_F_CAPPED|unix.NLM_F_ACK_TLVS, 1), make([]byte, 40)...), 0))
	f.Add(endMessage(append(beginMessage(nil, unix.RTM_NEWLINK, 0, 1), linkMessage(unix.RTM_NEWLINK, 0, 5, up, attr(unix.IFLA_IFNAME, "x"), vrfInfo(7)).body...), 0))
	f.Add(endMessage(append(beginMessage(nil, unix.RTM_NEWNEXTHOP, 0, 1), make([]byte, 30)...), 0))
	f.Fuzz(func(t *testing.T, b []byte) {
		m := newMonitor(&namespace{}, newPorts(), quietLog)
		m.links, m.nexthops = linkCache{}, nexthops{}
		m.subscribers.tables[254] = []*Conn{fakeConn(m, rib.Binding{})}
		_ = m.take(b)
		for len(b) > 0 {
			msg, rest, err := nextMessage(b)
			if err != nil {
				return
			}
			if len(rest) >= len(b) {
				t.Fatal("no progress")
			}
			if _, _, err := msg.status(); err == nil && len(msg.body) < 4 && msg.typ != unix.NLMSG_DONE {
				t.Fatal("a status without an errno")
			}
			b = rest
		}
	})
}

func TestDecodeLeavesOut(t *testing.T) {
	r := route("10.0.0.0/8", via("192.0.2.1"))
	good := appendRoute(nil, &r, 7, false)
	edit := func(f func(b []byte)) []byte {
		b := append([]byte(nil), good...)
		f(b)
		return b
	}
	tests := []struct {
		name string
		b    []byte
	}{
		{"TOS", edit(func(b []byte) { b[3] = 8 })},
		{"a source prefix", edit(func(b []byte) { b[2] = 8 })},
		{"a cached clone", edit(func(b []byte) { native.PutUint32(b[8:], unix.RTM_F_CLONED) })},
		{"another family", edit(func(b []byte) { b[0] = unix.AF_MPLS })},
	}
	for _, tt := range tests {
		var d decoder
		if r, err := d.route(tt.b); err != nil || !r.other {
			t.Errorf("%s: %+v, %v", tt.name, r, err)
		}
	}
	for name, b := range map[string][]byte{
		"short":                 good[:8],
		"a cut attribute":       good[:len(good)-2],
		"an over-long mask":     edit(func(b []byte) { b[1] = 33 }),
		"the family of another": edit(func(b []byte) { b[0] = unix.AF_INET6 }),
	} {
		var d decoder
		if r, err := d.route(b); err == nil {
			t.Errorf("%s: decoded as %+v", name, r)
		}
	}
}

func TestDecoderSharesHops(t *testing.T) {
	var d decoder
	decode := func(r rib.Route) []rib.Hop {
		got, err := d.route(appendRoute(nil, &r, 7, false))
		if err != nil {
			t.Fatal(err)
		}
		return got.Hops
	}
	a, b := decode(route("10.0.0.0/8", via("192.0.2.1"))), decode(route("10.1.0.0/16", via("192.0.2.1")))
	if &a[0] != &b[0] {
		t.Error("two slices of one hop")
	}
	c := decode(route("10.2.0.0/16", via("192.0.2.1"), via("192.0.2.2")))
	e := decode(route("10.3.0.0/16", via("192.0.2.1"), via("192.0.2.2")))
	if &c[0] != &e[0] {
		t.Error("two slices of equal hops")
	}
	if decode(route("10.4.0.0/16", via("192.0.2.3"), via("192.0.2.2"))); c[0] != a[0] {
		t.Error("a shared slice was written to")
	}
	f, g := decode(route("10.5.0.0/16", via("192.0.2.1"), via("192.0.2.2"))), decode(route("10.6.0.0/16", via("192.0.2.1")))
	if &f[0] != &c[0] || &g[0] != &a[0] {
		t.Error("what stood between made a second slice")
	}
	// What is remembered does not grow without end.
	for i := range 20_000 {
		gateway := func(n int) rib.Hop {
			return rib.Hop{Gateway: netip.AddrFrom4([4]byte{10, byte(n), byte(i >> 8), byte(i)})}
		}
		decode(route("10.7.0.0/16", gateway(0)))
		if got := decode(route("10.7.0.0/16", gateway(0), gateway(1))); got[1].Gateway != gateway(1).Gateway {
			t.Fatalf("%v, after %d others", got, i)
		}
	}
	if len(d.single) > maxShared || len(d.several)*16 > maxKeyed {
		t.Errorf("%d single hops and %d sets of several are remembered", len(d.single), len(d.several))
	}
}

// TestReadingAllocatesNothingPerRoute decodes the answer to a dump, of own
// routes in every shape, into a slice that has room.
func TestReadingAllocatesNothingPerRoute(t *testing.T) {
	var bodies [][]byte
	for _, ipv6 := range []bool{false, true} {
		for _, way := range []shape{inline, alternating, objects, labelled, segments} {
			for _, ch := range manyChanges(rib.OpAdd, 100, ipv6, way) {
				bodies = append(bodies, appendRoute(nil, &ch.Route, 70000, false))
			}
		}
	}
	var d decoder
	routes := make([]rib.Route, 0, len(bodies))
	n := testing.AllocsPerRun(100, func() {
		routes = routes[:0]
		for _, b := range bodies {
			routes = append(routes, rib.Route{})
			if _, err := d.routeInto(&routes[len(routes)-1], b); err != nil {
				t.Fatal(err)
			}
		}
		if !resolveHops(nexthops{objectID(false): {hop: rib.Hop{Ifindex: 2}}, objectID(true): {hop: rib.Hop{Ifindex: 3}}}, routes) {
			t.Fatal("an object is not known")
		}
	})
	if n > 8 { // resolveHops makes a map
		t.Errorf("%v allocations for %d routes", n, len(bodies))
	}
}
