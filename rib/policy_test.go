package rib

import (
	"maps"
	"net/netip"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestExportMatch(t *testing.T) {
	c := func(n ...Community) []Community { return n }
	attrs := &Attrs{Tags: &Tags{Communities: c(1, 2), Large: []LargeCommunity{{1, 2, 3}}}}
	for _, tc := range []struct {
		name   string
		policy ExportPolicy
		want   bool
		wants  string
	}{
		{"no filter", ExportPolicy{}, true, "any path"},
		{"community", ExportPolicy{Community: c(2)}, true, "community 0:2"},
		{"another community", ExportPolicy{Community: c(3)}, false, "community 0:3"},
		{"list", ExportPolicy{CommunityList: c(9, 1)}, true, "any of the communities 0:9, 0:1"},
		{"one or the other", ExportPolicy{Community: c(9), CommunityList: c(2)}, true, "any of the communities 0:9, 0:2"},
		{"large", ExportPolicy{LargeCommunities: []LargeCommunity{{1, 2, 3}}}, true, "community 1:2:3"},
		{"another large", ExportPolicy{LargeCommunities: []LargeCommunity{{1, 2, 4}}}, false, "community 1:2:4"},
		{"large does, standard does not", ExportPolicy{Community: c(9), LargeCommunities: []LargeCommunity{{1, 2, 3}}}, true, "any of the communities 0:9, 1:2:3"},
		{"named twice", ExportPolicy{Community: c(9), CommunityList: c(9)}, false, "community 0:9"},
	} {
		if got := tc.policy.match(attrs); got != tc.want {
			t.Errorf("%s: got %v, want %v", tc.name, got, tc.want)
		}
		if got := tc.policy.Wants(); got != tc.wants {
			t.Errorf("%s: wants %q, expected %q", tc.name, got, tc.wants)
		}
	}
	p := ExportPolicy{Community: c(8), CommunityList: c(9), LargeCommunities: []LargeCommunity{{1, 2, 3}}}
	if n := testing.AllocsPerRun(100, func() { p.match(attrs) }); n != 0 {
		t.Errorf("match allocates %v times", n)
	}
}

func TestImportReject(t *testing.T) {
	links := twoLinks()
	links[4] = Link{Index: 4, Name: "vlan7", Admin: true}
	links[5] = Link{Index: 5, Name: "dummy0", Up: true, Admin: true}
	route := func(p string, hops ...Hop) Route {
		return Route{Prefix: prefix(p), Protocol: ProtoStatic, Kind: KindUnicast, Hops: hops}
	}
	with := func(r Route, change func(*Route)) Route { change(&r); return r }
	eth0 := Hop{Ifindex: 2}
	for _, tc := range []struct {
		name  string
		route Route
		want  string // a part of the sentence; "": imported
	}{
		{"static", route("10.0.0.0/24", Hop{Gateway: addr("192.0.2.1"), Ifindex: 2}), ""},
		{"host route by a dummy", route("192.0.2.1/32", Hop{Ifindex: 5}), ""},
		{"our own", with(route("10.0.0.0/24", eth0), func(r *Route) { r.Protocol = ProtoOwn }), "our own"},
		{"blackhole", with(route("10.0.0.0/24"), func(r *Route) { r.Kind = KindBlackhole }), "type blackhole"},
		{"local", with(route("192.0.2.2/32", eth0), func(r *Route) { r.Kind = KindLocal }), "type local"},
		{"broadcast", with(route("192.0.2.255/32", eth0), func(r *Route) { r.Kind = KindBroadcast }), "type broadcast"},
		{"default", route("0.0.0.0/0", eth0), "allow_default"},
		{"default IPv6", route("::/0", eth0), "allow_default"},
		{"protocol", with(route("10.0.0.0/24", eth0), func(r *Route) { r.Protocol = 186 }), "protocol bgp is not in protocols"},
		{"loopback", route("127.1.0.0/16", Hop{Ifindex: 5}), "loopback"},
		{"loopback IPv6", route("::1/128", Hop{Ifindex: 5}), "loopback"},
		{"link-local", route("169.254.0.0/16", eth0), "link-local"},
		{"link-local IPv6", route("fe80::/64", eth0), "link-local"},
		{"multicast", route("224.0.0.0/4", eth0), "multicast"},
		{"multicast IPv6", route("ff00::/8", eth0), "multicast"},
		{"IPv4-mapped", route("::ffff:10.0.0.0/104", eth0), "IPv4-mapped"},
		{"all of IPv4-mapped", route("::ffff:0:0/96", eth0), "IPv4-mapped"},
		{"an IPv4-mapped host", route("::ffff:10.0.0.1/128", eth0), "IPv4-mapped"},
		{"more than IPv4-mapped", route("::/90", eth0), ""},
		{"this network", route("0.0.0.0/8", eth0), "this network"},
		{"reserved", route("240.0.0.0/4", eth0), "reserved"},
		{"unspecified", route("::/128", eth0), "unspecified"},
		{"wider than loopback", route("126.0.0.0/7", eth0), ""},
		{"no hop", route("10.0.0.0/24"), "no output interface"},
		{"interface not listed", route("10.0.0.0/24", Hop{Ifindex: 3}), "eth1 matches nothing in interface_list (eth0, vlan?, dummy*)"},
		{"interface down", route("10.0.0.0/24", Hop{Ifindex: 4}), "vlan7 is down"},
		{"interface gone", route("10.0.0.0/24", Hop{Ifindex: 99}), "not there"},
		{"dead", route("10.0.0.0/24", Hop{Ifindex: 2, Dead: true}), "eth0 is dead"},
		{"one leg listed and alive", route("10.0.0.0/24", Hop{Ifindex: 3}, Hop{Ifindex: 4}, eth0), ""},
		{"the leg that came closest", route("10.0.0.0/24", Hop{Ifindex: 2, Dead: true}, Hop{Ifindex: 3}), "eth0 is dead"},
	} {
		p := ImportPolicy{Enabled: true, Interfaces: []string{"eth0", "vlan?", "dummy*"}, Protocols: []uint8{ProtoKernel, ProtoStatic}}
		got := reject(p, tc.route, View{Links: links}, ProtoOwn)
		if tc.want == "" && got != "" || tc.want != "" && !strings.Contains(got, tc.want) {
			t.Errorf("%s: %q, want %q", tc.name, got, tc.want)
		}
	}
	p := ImportPolicy{Enabled: true, Interfaces: []string{"*"}, AllowDefault: true}
	if got := reject(p, route("0.0.0.0/0", eth0), View{Links: links}, ProtoOwn); got != "" {
		t.Errorf("default with allow_default: %q", got)
	}
	if got := reject(p, with(route("10.0.0.0/24", eth0), func(r *Route) { r.Protocol = ProtoOwn }), View{Links: links}, 200); got != "" {
		t.Errorf("179 is foreign where our protocol is 200: %q", got)
	}
	p.Enabled = false
	if got := reject(p, route("10.0.0.0/24", eth0), View{Links: links}, ProtoOwn); got == "" {
		t.Error("a disabled policy imports")
	}
}

// reject says why the only route of a prefix is not announced, "" where it is.
func reject(p ImportPolicy, r Route, v View, own uint8) string {
	v.Foreign = NewForeignTable([]Route{r})
	_, reason, _ := importOf(NewImporting("red", p, own), v, r.Prefix)
	return reason
}

func importOne(v View, p ImportPolicy, of netip.Prefix) (Import, string, bool) {
	return importOf(NewImporting("red", p, ProtoOwn), v, of)
}

// importOf is DecideImport with the words of its trace; without one it says the same.
func importOf(x *Importing, v View, of netip.Prefix) (in Import, reason string, ok bool) {
	var t Trace
	in, out := DecideImport(x, v, of, nil, &t)
	if _, again := DecideImport(x, v, of, nil, nil); again != out {
		panic("it depends on the trace")
	}
	for _, s := range t.Steps {
		if s.Outcome == Stopped {
			reason = s.Reason.String()
		}
	}
	return in, reason, out == Accepted
}

func TestImportSet(t *testing.T) {
	med := uint32(7)
	route := func(p string, metric uint32, dev int) Route {
		return Route{Prefix: prefix(p), Metric: metric, Protocol: ProtoStatic, Kind: KindUnicast, Hops: []Hop{{Ifindex: dev}}}
	}
	links := twoLinks()
	down := links[3]
	down.Up = false
	links[3] = down
	v := View{Links: links, Foreign: NewForeignTable([]Route{
		route("10.0.0.0/24", 100, 2), route("10.0.0.0/24", 50, 2), // the lower
		route("10.0.1.0/24", 100, 2), route("10.0.1.0/24", 50, 3), // the lower is down
		route("10.0.2.0/24", 50, 3),
		route("2001:db8::/48", 1024, 2),
	})}
	p := ImportPolicy{Enabled: true, Interfaces: []string{"*"}, Communities: []Community{5}, LargeCommunities: []LargeCommunity{{1, 2, 3}}}
	got := map[netip.Prefix]uint32{}
	for k, i := range ImportSet(NewImporting("red", p, ProtoOwn), v, nil) {
		if i.Route.Prefix != k || i.Announcement.Prefix != k || i.Announcement.MED != i.Route.Metric {
			t.Errorf("%s: %+v", k, i)
		}
		if len(i.Announcement.Communities) != 1 || len(i.Announcement.Large) != 1 {
			t.Errorf("%s: communities are missing: %+v", k, i.Announcement)
		}
		got[k] = i.Announcement.MED
		one, reason, ok := importOne(v, p, k)
		if !ok || reason != "" || !cmp.Equal(one, i, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })) {
			t.Errorf("%s: DecideImport gives %+v, %q, %v", k, one, reason, ok)
		}
	}
	want := map[netip.Prefix]uint32{prefix("10.0.0.0/24"): 50, prefix("10.0.1.0/24"): 100, prefix("2001:db8::/48"): 1024}
	if !cmp.Equal(got, want, cmp.Comparer(func(a, b netip.Prefix) bool { return a == b })) {
		t.Errorf("got %v, want %v", got, want)
	}
	if _, reason, ok := importOne(v, p, prefix("10.0.2.0/24")); ok || reason != "interface eth1 is down" {
		t.Errorf("10.0.2.0/24: %q, %v", reason, ok)
	}
	if _, reason, ok := importOne(v, p, prefix("10.9.0.0/24")); ok || reason != "the table has no route for it" {
		t.Errorf("no such route: %q, %v", reason, ok)
	}
	p.MED = &med
	elsewhere := v
	elsewhere.Where.Device = 9 // eth0 is not in it
	if set := maps.Collect(ImportSet(NewImporting("red", p, ProtoOwn), elsewhere, nil)); len(set) != 0 {
		t.Errorf("imported by an interface of another VRF: %v", set)
	}
	if i, _, _ := importOne(v, p, prefix("10.0.0.0/24")); i.Announcement.MED != 7 {
		t.Errorf("MED %d, want the configured 7", i.Announcement.MED)
	}
	if _, reason, _ := importOne(elsewhere, p, prefix("10.0.0.0/24")); !strings.Contains(reason, "does not belong") {
		t.Errorf("reason %q", reason)
	}
}

func TestRejectNamesAForeignInterface(t *testing.T) {
	p := ImportPolicy{Enabled: true, Interfaces: []string{"*"}}
	v := View{Where: Where{Table: 1001, Device: 5}, Links: Links{2: {Index: 2, Name: "eth0", Up: true}}}
	r := Route{Prefix: netip.MustParsePrefix("10.0.0.0/8"), Kind: KindUnicast, Protocol: ProtoStatic, Hops: []Hop{{Ifindex: 2}}}
	if got := reject(p, r, v, ProtoOwn); !strings.Contains(got, "eth0 does not belong") {
		t.Errorf("%q", got)
	}
	v.Where = Where{Table: 1001}
	if got := reject(p, r, v, ProtoOwn); got != "" {
		t.Errorf("%q", got)
	}
}
