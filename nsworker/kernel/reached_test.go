package kernel

import (
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/integration/vm/need"
	"github.com/vrfredist/vrfredist/rib"
)

// TestReachedSIDs: the kernel says where packets for SIDs lead that come in by an interface, of ours and
// of those that nexthop objects have; and the rule is named by which they do.
func TestReachedSIDs(t *testing.T) {
	need.SRv6(t)
	ns := lab(t)
	h := startHost(t)
	v0 := ifindex(t, read(t, open(t, h, rib.Binding{Netns: ns, Table: table})), "v0")
	w0 := ifindex(t, read(t, open(t, h, rib.Binding{Netns: ns, Table: table})), "w0")
	for _, line := range []string{
		"-6 rule add pref 500 iif w0 lookup 1001", "-6 rule add pref 490 fwmark 7 lookup main", "-6 rule add pref 480 iif v1 lookup 1001",
		"-6 rule add pref 470 iif w1 lookup 1001", "-6 rule add pref 460 iif v0 lookup 1001",
		"-6 route add unreachable default table 1001", "-6 route add fd00:9::/32 via 2001:db8::2 dev v0",
		"-6 route add fd00:1:0:1:1::/128 encap seg6local action End.DT6 table 254 dev v0 proto 179",
		"-6 route add fd00:1:0:2:1::/128 encap seg6local action End.DT6 table 254 dev v0 proto static",
		"nexthop add id 5 encap seg6 mode encap segs fd00:9::1 via 2001:db8::2 dev v0 proto 179",
	} {
		ip(t, ns, line)
	}
	const of = "fd00::/16"
	ours, other := netip.MustParseAddr("fd00:1:0:1:1::"), netip.MustParseAddr("fd00:9::1")
	want := func(when string, want ...rib.SIDReached) {
		t.Helper()
		got, err := h.Reached(t.Context(), ns, rib.ProtoOwn, netip.MustParsePrefix(of))
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Errorf("%s: %+v, want %+v", when, got, want)
			return
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%s: %+v, want %+v", when, got[i], want[i])
			}
		}
	}
	want("with tables that end")
	ip(t, ns, "-6 rule add pref 400 to fd00:1::/32 iif w0 lookup main")
	rule := rib.Selector{Pref: 400, To: netip.MustParsePrefix("fd00:1::/32"), In: "w0", Table: 254}
	taken := rib.SIDReached{In: w0, SID: ours, Prefix: netip.PrefixFrom(ours, 128), Table: 254, Out: v0, Local: true, By: rule}
	want("with a rule", taken)
	ip(t, ns, "-6 rule del pref 400")
	ip(t, ns, "-6 route add fd00:9::/32 via 2001:db8::2 dev v0 table 1001")
	ip(t, ns, "-6 rule del pref 460")
	ip(t, ns, "-6 rule del pref 470")
	ip(t, ns, "-6 rule del pref 480")
	ip(t, ns, "-6 rule add pref 450 iif v1 prohibit")
	ip(t, ns, "-6 rule add pref 450 iif w1 prohibit")
	ip(t, ns, "-6 rule add pref 440 iif v0 to fd00:1::/32 prohibit")
	by := rib.Selector{Pref: 32766, Table: 254}
	sent := rib.SIDReached{In: v0, SID: other, Prefix: netip.MustParsePrefix("fd00:9::/32"), Table: 254, Out: v0, By: by}
	own := rib.SIDReached{In: w0, SID: other, Prefix: sent.Prefix, Table: 1001, Out: v0, By: rib.Selector{Pref: 500, In: "w0", Table: 1001}}
	first, second := sent, own
	if w0 < v0 {
		first, second = own, sent
	}
	want("with a route of its own, and by main", first, second)
	ip(t, ns, "nexthop del id 5")
	want("without an object that has it")
}
