package rib

import (
	"net/netip"
	"runtime"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestRouteList: a list gives out what was put into it, whatever routes have in common.
func TestRouteList(t *testing.T) {
	t.Parallel()
	one, two := []Hop{{Ifindex: 2}}, []Hop{{Ifindex: 2}, {Ifindex: 3, Gateway: netip.MustParseAddr("192.0.2.9")}}
	var want []Route
	for i, prefix := range []string{
		"10.1.0.0/16", "10.1.2.0/24", "0.0.0.0/0", "2001:db8::/32", "::/0", "255.255.255.255/32", "::ffff:10.1.0.0/112",
		"2001:db8:1:2:3:4:5:6/128", "10.1.0.0/16",
	} {
		r := Route{Prefix: netip.MustParsePrefix(prefix), Metric: uint32(20 + i%2), Protocol: ProtoOwn, Kind: KindUnicast, Hops: one}
		switch i % 4 {
		case 1:
			r.Hops, r.NexthopID = two, 7
		case 2:
			r.Hops, r.Kind, r.Scope = nil, KindBlackhole, 253
		case 3:
			r.PrefSrc, r.Expires, r.Expired = netip.MustParseAddr("192.0.2.1"), uint32(i), true
		}
		want = append(want, r)
	}
	want = append(want, Route{Metric: 5})
	list := RouteListOf(want...)
	same := cmpopts.EquateComparable(netip.Prefix{}, netip.Addr{}, Encap{})
	if d := cmp.Diff(want, slices.Collect(list.Values()), same); d != "" || list.Len() != len(want) {
		t.Errorf("%d routes (-want +got)\n%s", list.Len(), d)
	}
	if _, a := list.Shape(0); a.Metric != 20 || a.Prefix.IsValid() || list.At(8).Prefix != want[0].Prefix {
		t.Errorf("of the first is shared %+v, and the one before the last is %+v", a, list.At(8))
	}
	list.Cut(1)
	list.Add(want[4])
	if d := cmp.Diff([]Route{want[0], want[4]}, slices.Collect(list.Values()), same); d != "" {
		t.Errorf("cut, with one more (-want +got)\n%s", d)
	}
	if list.Cut(0); list.Len() != 0 || len(list.Shapes()) != 0 {
		t.Errorf("%d routes are left", list.Len())
	}
}

// TestRouteListIsSmall: a full table is a few bytes a route, and not the size of a Route each.
func TestRouteListIsSmall(t *testing.T) {
	hops := []Hop{{Ifindex: 2}}
	const routes = 1 << 16
	var was, is runtime.MemStats
	runtime.ReadMemStats(&was)
	var l RouteList
	for i := range routes {
		l.Add(Route{Prefix: netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(i >> 8), byte(i), 0}), 24), Metric: 20, Kind: KindUnicast, Hops: hops, NexthopID: uint32(i % 50)})
	}
	runtime.ReadMemStats(&is)
	if bytes := (is.TotalAlloc - was.TotalAlloc) / routes; bytes > 16 || l.Len() != routes {
		t.Errorf("%d bytes a route", bytes)
	}
}
