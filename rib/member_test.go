package rib

import (
	"net/netip"
	"strings"
	"testing"
)

// bridged is a namespace with a VRF device (5), one port directly in it (6), a bridge
// in it (8) that has a port (9), a bridge in no VRF device (10) that has a port (11),
// and an interface of its own (2).
func bridged() Links {
	addrs := func(s string) []netip.Prefix { return []netip.Prefix{prefix(s)} }
	links := Links{
		2:  {Index: 2, Name: "eth0", Addrs: addrs("192.0.2.2/24")},
		5:  {Index: 5, Name: "vrf-b", VRFTable: 1001},
		6:  {Index: 6, Name: "eth3", Master: 5, Addrs: addrs("203.0.113.1/24")},
		8:  {Index: 8, Name: "br-b", Master: 5, Addrs: addrs("198.51.100.1/24")},
		9:  {Index: 9, Name: "port-b", Master: 8},
		10: {Index: 10, Name: "br0"},
		11: {Index: 11, Name: "port0", Master: 10},
	}
	for i, l := range links {
		l.Up, l.Admin = true, true
		links[i] = l
	}
	return links
}

// TestImportAndNexthopsAgreeOnMembers: what belongs to a VRF is imported from, and
// link-local nexthops on it are used; what does not is neither.
func TestImportAndNexthopsAgreeOnMembers(t *testing.T) {
	mainTable, device, plain := Where{Table: 254}, Where{Table: 1001, Device: 5}, Where{Table: 77}
	for _, tc := range []struct {
		name  string
		where Where
		has   map[string]bool
	}{
		{"a main table has what is in no VRF device, nor below one", mainTable,
			map[string]bool{"eth0": true, "br0": true, "port0": true, "eth3": false, "br-b": false, "port-b": false}},
		{"a VRF device has its ports, and those of a bridge in it", device,
			map[string]bool{"eth0": false, "br0": false, "port0": false, "eth3": true, "br-b": true, "port-b": true}},
		{"a plain table has every interface, a VRF device's port too", plain,
			map[string]bool{"eth0": true, "br0": true, "port0": true, "eth3": true, "br-b": true, "port-b": true}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			v := View{Where: tc.where, Links: bridged()}
			for name, want := range tc.has {
				link, _ := v.Links.ByName(name)
				_, _, err := v.Resolve(addr("fe80::9%" + name))
				if (err == nil) != want || err != nil && !strings.Contains(err.Error(), "does not belong to this VRF") {
					t.Errorf("a nexthop on %s: %v", name, err)
				}
				r := Route{Prefix: prefix("10.0.0.0/8"), Kind: KindUnicast, Protocol: ProtoStatic, Hops: []Hop{{Ifindex: link.Index}}}
				v.Foreign = NewForeignTable([]Route{r})
				policy := ImportPolicy{Enabled: true, Interfaces: []string{"*"}}
				if _, why, ok := importOne(v, policy, r.Prefix); ok != want || !ok && !strings.Contains(why, "does not belong to this VRF") {
					t.Errorf("a route by %s: %t, %q", name, ok, why)
				}
			}
		})
	}
}

// TestMemberFollowsMasters up to eight of them, which is what the kernel nests.
func TestMemberFollowsMasters(t *testing.T) {
	chain := func(length int) (View, Link) {
		links := Links{1: {Index: 1, Name: "vrf-b", VRFTable: 1001}}
		for i := 2; i <= length+1; i++ {
			links[i] = Link{Index: i, Master: i - 1}
		}
		return View{Where: Where{Table: 1001, Device: 1}, Links: links}, links[length+1]
	}
	for length, want := range map[int]bool{0: true, 1: true, 2: true, 8: true, 9: false} {
		if v, last := chain(length); v.Member(last) != want {
			t.Errorf("%d masters up is the VRF device, and Member is %t", length, !want)
		}
	}
	loop := View{Where: Where{Table: 254}, Links: Links{2: {Index: 2, Master: 3}, 3: {Index: 3, Master: 2}}}
	if !loop.Member(loop.Links[2]) {
		t.Error("masters that lead in a circle lead to no VRF device")
	}
	gone := View{Where: Where{Table: 254}, Links: Links{2: {Index: 2, Master: 3}}}
	if !gone.Member(gone.Links[2]) {
		t.Error("a master of another namespace is no VRF device of this one")
	}
}

// TestOwnAddressOfAPlainTable: it shares the interfaces of its namespace, but a tenant in a
// VRF device may have the address that a router of the plain table's has.
func TestOwnAddressOfAPlainTable(t *testing.T) {
	to := func(p string, dev int, protocol uint8) Route {
		return Route{Prefix: prefix(p), Kind: KindUnicast, Protocol: protocol, Hops: []Hop{{Ifindex: dev}}}
	}
	routes := []Route{to("203.0.113.0/24", 2, ProtoStatic), to("198.51.100.0/24", 8, ProtoKernel), to("192.0.2.0/24", 2, ProtoStatic)}
	v := View{Where: Where{Table: 77}, Links: bridged(), Foreign: NewForeignTable(routes)}
	for nexthop, own := range map[string]bool{
		"203.0.113.1":  false, // eth3's, in a VRF device, and the table has that subnet elsewhere
		"198.51.100.1": true,  // br-b's, whose subnet the table has
		"192.0.2.2":    true,  // eth0's, which is in no VRF device
	} {
		if _, _, err := v.Resolve(addr(nexthop)); (err != nil) != own || own && !strings.Contains(err.Error(), "own address") {
			t.Errorf("%s is our own: %t, and %v", nexthop, own, err)
		}
	}
}
