package nexthop

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

func addrs(list ...string) (out []netip.Prefix) {
	for _, s := range list {
		out = append(out, netip.MustParsePrefix(s))
	}
	return out
}

// board has the views of other VRFs.
type board map[string]View

func (b board) View(vrf string) (View, bool) { v, is := b[vrf]; return v, is }

// TestLeadOverALink: the other end's address in a subnet of both ends, or else its link-local
// one; and what is wrong with the link is said.
func TestLeadOverALink(t *testing.T) {
	t.Parallel()
	mine := rib.Link{Index: 7, Name: "core", Peer: 9, Up: true, Admin: true, Addrs: addrs("10.255.0.2/30", "2001:db8:e::2/64", "fe80::2/64")}
	theirs := rib.Link{Index: 9, Name: "to-red", Peer: 7, Up: true, Admin: true, Addrs: addrs("10.255.0.1/30", "10.9.0.1/24", "2001:db8:e::1/64", "fe80::1/64")}
	lan := rib.Link{Index: 2, Name: "lan0", Up: true, Admin: true, Addrs: addrs("192.0.2.1/24")}
	connected := rib.Route{Prefix: netip.MustParsePrefix("192.0.2.0/24"), Protocol: rib.ProtoKernel, Kind: rib.KindUnicast, Scope: 253, Hops: []rib.Hop{{Ifindex: 2}}}
	change := func(l rib.Link, do func(*rib.Link)) rib.Link { do(&l); return l }
	for name, tc := range map[string]struct {
		mine, theirs rib.Link
		nexthop      string
		ipv6         bool
		want         string // the gateway, or a part of the error
	}{
		"IPv4 subnet":     {mine, theirs, "192.0.2.9", false, "10.255.0.1"},
		"IPv6 subnet":     {mine, theirs, "192.0.2.9", true, "2001:db8:e::1"},
		"link-local":      {mine, change(theirs, func(l *rib.Link) { l.Addrs = addrs("fe80::1/64") }), "192.0.2.9", false, "fe80::1"},
		"tentative":       {mine, change(theirs, func(l *rib.Link) { l.Tentative = addrs("2001:db8:e::1/64") }), "192.0.2.9", true, "fe80::1"},
		"no address":      {mine, change(theirs, func(l *rib.Link) { l.Addrs = nil }), "192.0.2.9", false, "share no subnet"},
		"other subnet":    {mine, change(theirs, func(l *rib.Link) { l.Addrs = addrs("10.8.0.1/30") }), "192.0.2.9", false, "share no subnet"},
		"not there":       {change(mine, func(l *rib.Link) { l.Name = "eth5" }), theirs, "192.0.2.9", false, "no interface core"},
		"down":            {change(mine, func(l *rib.Link) { l.Admin = false }), theirs, "192.0.2.9", false, "is down"},
		"no veth":         {change(mine, func(l *rib.Link) { l.Peer = 0 }), change(theirs, func(l *rib.Link) { l.Peer = 0 }), "192.0.2.9", false, "is no veth"},
		"of another":      {mine, change(theirs, func(l *rib.Link) { l.Peer = 8 }), "192.0.2.9", false, "is no veth"},
		"in a VRF device": {mine, change(theirs, func(l *rib.Link) { l.Master = 50 }), "192.0.2.9", false, "does not belong to that VRF"},
		"unreached there": {mine, theirs, "203.0.113.9", false, "203.0.113.9"},
	} {
		from := View{View: rib.View{
			Where: rib.Where{Inode: 2, Table: 254}, Links: rib.Links{9: tc.theirs, 2: lan, 50: {Index: 50, Name: "vrf0", VRFTable: 5}},
			Foreign: rib.NewForeignTable([]rib.Route{connected}),
		}}
		r := Resolver{View: rib.View{Where: rib.Where{Inode: 1, Table: 254}, Links: rib.Links{7: tc.mine}, Foreign: rib.NewForeignTable(nil)}, Views: board{"default": from}}
		l := r.Lead(Member{Addr: netip.MustParseAddr(tc.nexthop), Source: "default", Link: "core"}, tc.ipv6)
		got := ""
		switch {
		case l.Err != nil:
			got = l.Err.Error()
		case len(l.Hops) != 1 || l.Hops[0].Ifindex != 7 || l.Hops[0].OnLink == l.Hops[0].Gateway.IsLinkLocalUnicast():
			t.Errorf("%s: hops %+v", name, l.Hops)
		default:
			if got = l.Hops[0].Gateway.String(); got != tc.want {
				t.Errorf("%s: by %s, want %s", name, got, tc.want)
			}
		}
		if !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", name, got, tc.want)
		}
		originated := r.Lead(Member{Source: "default", Originated: true, Link: "core"}, tc.ipv6)
		if (originated.Err == nil) != (l.Err == nil || name == "unreached there") {
			t.Errorf("%s: what is announced there by the configuration: %v", name, originated.Err)
		}
		without := r.Lead(Member{Addr: netip.MustParseAddr(tc.nexthop), Source: "default"}, tc.ipv6)
		if without.Err == nil || !strings.Contains(without.Err.Error(), "in another network namespace") {
			t.Errorf("%s: without a link: %v", name, without.Err)
		}
	}
}
