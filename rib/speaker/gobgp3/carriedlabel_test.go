package gobgp3

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/apiutil"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"google.golang.org/protobuf/proto"

	"github.com/vrfredist/vrfredist/rib"
)

var (
	redMPLS = rib.Carried{Kind: rib.EncapMPLS, Source: netip.MustParseAddr("10.255.0.1"), Label: 16010}
	redSRv6 = rib.Carried{Kind: rib.EncapSRv6, Source: netip.MustParseAddr("fd00:255::1"), SRv6: rib.SRv6{
		SID: netip.MustParseAddr("fd00:1:0:1:100::"), Locator: netip.MustParsePrefix("fd00:1:0:1::/64"), BlockBits: 40, FunctionBits: 16,
	}}
)

// newLabelled is newCarrying with a red that takes packets.
func newLabelled(t *testing.T, by rib.Carried) *carrying {
	t.Helper()
	x := newCarrying(t, carriedBy(by))
	x.Takes("red", by, func() {})
	x.announceAll()
	return x
}

// TestCarriedByLabel: what goes out of a VRF that is carried by MPLS, or by SRv6, goes to PEs of this
// AS and of others as VPN routes under its own RD with its label, or with label 3 and a Prefix-SID,
// and with this router's address in the core as nexthop, in both families: the VRF's own routes and
// its customers', once each. The VRF's own neighbours are told once, with the nexthops that they
// know, and of no label or SID.
func TestCarriedByLabel(t *testing.T) {
	two := redSRv6
	two.SRv6.SID6 = netip.MustParseAddr("fd00:1:0:1:101::")
	transposed := redSRv6
	transposed.SRv6.Transpose = true
	for name, by := range map[string]rib.Carried{"MPLS": redMPLS, "SRv6": redSRv6, "two SIDs": two, "transposed": transposed} {
		t.Run(name, func(t *testing.T) {
			x := newLabelled(t, by)
			for i, pfx := range customersPrefixes {
				own, six := ownPrefixes[i], i == 1
				x.tellsVPN("a customer's", x.pe, pfx, line(by, "65003", customersCommunity, six))
				x.tellsVPN("a customer's", x.abroad, pfx, line(by, "65000 65003", customersCommunity, six))
				eventually(t, "its own", func() bool { return slices.Contains(x.pe.vpns(own), line(by, "", ownCommunity, six)) })
				eventually(t, "its own, abroad", func() bool { return slices.Contains(x.abroad.vpns(own), line(by, "65000", ownCommunity, six)) })
				eventually(t, "blue's is as ever", func() bool {
					return slices.ContainsFunc(x.pe.vpns(own), func(s string) bool {
						return strings.HasPrefix(s, "65000:2 label [0] by ") && !strings.Contains(s, "SID") && !strings.Contains(s, by.Source.String())
					})
				})
				eventually(t, "the customer hears of red's own", func() bool { return len(x.customer.has(own, 0)) == 1 })
				if got := x.customer.has(own, 0)[0].nexthop; strings.Contains(got, "255") {
					t.Errorf("the customer is told the nexthop %s", got)
				}
				for _, p := range append(x.await(t, "red", own, count(1)), x.await(t, "red", pfx, count(1))...) {
					if p.Attrs.Carrier != rib.NotCarried || p.Label != 0 || !slices.Equal(p.Attrs.RTs, []rib.RT{rt(t, "65000:1")}) || p.Attrs.SID.IsValid() {
						t.Errorf("red has %s as %+v, %+v", p.Prefix, p.Attrs.Via, p.Attrs.Tags)
					}
				}
				x.customer.withdraw(spec{prefix: pfx})
				x.tellsVPN("withdrawn", x.pe, pfx, "")
				x.tellsVPN("withdrawn", x.abroad, pfx, "")
			}
			if got := x.Drift(); len(got) > 0 {
				t.Errorf("BGP is taken for changed by others: %v", got)
			}
		})
	}
}

// TestReloadedByLabel: a reload that has a VRF carried by a label, by another one, by a SID, by EVPN,
// or no more is in force once the VRF takes packets so, and disturbs no session. While it is carried, no route of
// it ever goes out that leads nowhere: with the label 0, or a nexthop or SID of another kind.
func TestReloadedByLabel(t *testing.T) {
	x := newCarrying(t, rib.Extras{})
	x.announceAll()
	plain := func(when string) {
		t.Helper()
		for i, pfx := range customersPrefixes {
			x.hasOf(when, x.pe, pfx, line(rib.Carried{Source: netip.MustParseAddr("127.0.0.1")}, "65003", customersCommunity, i == 1))
		}
	}
	plain("before")
	since := x.established(t, x.pe.addr)
	other, moved, elsewhere := redMPLS, redMPLS, redSRv6
	other.Label, moved.Label = 16011, 16011
	moved.Source = netip.MustParseAddr("fd00:255::1")
	elsewhere.SRv6.SID = netip.MustParseAddr("fd00:1:0:1:200::")
	var lines func() []string
	good := make(map[string]bool)
	for _, step := range []struct {
		name string
		by   rib.Carried
	}{
		{"by MPLS", redMPLS}, {"by another label", other}, {"with another nexthop", moved}, {"by SRv6", redSRv6}, {"by another SID", elsewhere},
		{"by EVPN", redCarried}, {"by SRv6 again", redSRv6}, {"by EVPN again", redCarried}, {"by MPLS again", redMPLS},
	} {
		for i := range customersPrefixes {
			good[line(step.by, "65003", customersCommunity, i == 1)], good[line(step.by, "", ownCommunity, i == 1)] = true, true
		}
		changes := x.reloadAs(carriedBy(step.by))
		x.takes(step.by)
		if !slices.ContainsFunc(changes, func(s string) bool { return strings.Contains(s, "VRF red: goes out") }) {
			t.Errorf("%s: the reload changed %q", step.name, changes)
		}
		if step.by.ByEVPN() {
			for i, pfx := range customersPrefixes {
				x.told(step.name, x.pe, pfx, five("65003", 0, customersCommunity, "65000:1"), 0)
				x.told(step.name, x.pe, ownPrefixes[i], five("", 5, ownCommunity, "65000:1"), 0)
			}
		} else {
			x.allOf(step.name, step.by)
		}
		if changes := x.reloadAs(carriedBy(step.by)); len(changes) > 0 {
			t.Errorf("%s: the same again changed %q", step.name, changes)
		}
		if lines == nil { // from here on it is carried
			lines = x.pe.record()
		}
	}
	for _, got := range lines() {
		if !strings.HasPrefix(got, "65000:2 ") && !good[got] {
			t.Errorf("once the PE was told %s", got)
		}
	}
	if len(lines()) < 10 {
		t.Errorf("only %d routes were recorded", len(lines()))
	}
	x.reloadAs(rib.Extras{})
	plain("afterwards")
	if x.established(t, x.pe.addr) != since {
		t.Error("the session with the PE began anew")
	}
}

// TestDeafByLabel: of a VRF that is carried by a label other PEs are told nothing until its worker has
// said that it takes packets, nor while it does not, nor while it has no number; its own neighbours
// are told all the while. What comes of it to be said again is nothing.
func TestDeafByLabel(t *testing.T) {
	for name, by := range map[string]rib.Carried{"MPLS": redMPLS, "SRv6": redSRv6} {
		t.Run(name, func(t *testing.T) {
			x := newCarrying(t, carriedBy(by))
			x.announceAll()
			nothing := func(when string) {
				t.Helper()
				for i := range customersPrefixes {
					eventually(t, when+": blue's goes out", func() bool { return len(x.pe.has(ownPrefixes[i], 2)) == 1 })
					eventually(t, when+": the customer hears of red's own", func() bool { return len(x.customer.has(ownPrefixes[i], 0)) == 1 })
					x.hasOf(when, x.pe, customersPrefixes[i], "")
					x.hasOf(when, x.pe, ownPrefixes[i], "")
					x.hasOf(when, x.abroad, ownPrefixes[i], "")
				}
			}
			lines := x.pe.record()
			nothing("to begin with")
			for range 2 {
				x.Takes("red", by, func() {})
				x.allOf("it takes packets", by)
				x.Takes("red", rib.Carried{}, func() {})
				nothing("it takes none")
			}
			unnumbered := by
			unnumbered.Label, unnumbered.SRv6.SID = 0, netip.Addr{}
			x.Takes("red", by, func() {})
			x.allOf("it takes packets", by)
			x.reloadAs(carriedBy(unnumbered))
			nothing("it has no number")
			x.reloadAs(carriedBy(by))
			x.allOf("it has a number again", by)
			for _, got := range lines() {
				if strings.HasPrefix(got, "65000:1 ") && !strings.Contains(got, by.Source.String()) {
					t.Errorf("once the PE was told %s", got)
				}
			}
		})
	}
}

// TestVRFsByLabelComeAndGo: a VRF with a label is made anew under another RD, and another is added
// with it, without a route of either going out wrongly in between; and is deleted, by a reload and
// by another client of the API, of which GoBGP survives both.
func TestVRFsByLabelComeAndGo(t *testing.T) {
	x := newLabelled(t, redMPLS)
	x.allOf("at first", redMPLS)
	lines := x.pe.record()
	green := redMPLS
	green.Label = 16020
	x.Takes("green", green, func() {})
	both := rib.Extras{Carried: map[string]rib.Carried{"red": redMPLS, "green": green}}
	x.conf["vrfs"].([]any)[1].(obj)["config"].(obj)["rd"] = "65000:7"
	x.conf["vrfs"] = append(x.conf["vrfs"].([]any), vrfConf("green", "65000:3", []string{"65000:3"}, []string{"65000:3"}))
	x.reloadAs(both)
	x.announce(t, "green", change(ownPrefixes[0], 7))
	anew := func(by rib.Carried, as, communities, rd, target string) string {
		s := strings.Replace(line(by, as, communities, false), "65000:1 ", rd+" ", 1)
		return strings.Replace(s, "[65000:1]", "["+target+"]", 1)
	}
	eventually(t, "red is there under its other RD", func() bool {
		return slices.Equal(x.pe.vpns(customersPrefixes[0]), []string{anew(redMPLS, "65003", customersCommunity, "65000:7", "65000:1")})
	})
	eventually(t, "green is there", func() bool {
		return slices.Contains(x.pe.vpns(ownPrefixes[0]), anew(green, "", ownCommunity, "65000:3", "65000:3"))
	})
	for _, got := range lines() {
		if !strings.HasPrefix(got, "65000:2 ") && !strings.Contains(got, "label [160") {
			t.Errorf("once the PE was told %s", got)
		}
	}
	client := x.client(t)
	if _, err := client.DeleteVrf(t.Context(), &api.DeleteVrfRequest{Name: "red"}); err == nil {
		t.Error("another client deleted a VRF that is served")
	}
	x.hasLabel("green", 16020)
	x.conf["vrfs"], x.conf["neighbors"] = x.conf["vrfs"].([]any)[:1], x.conf["neighbors"].([]any)[:2]
	x.reloadAs(rib.Extras{})
	x.hasOf("gone", x.pe, customersPrefixes[0], "")
	x.hasOf("gone", x.pe, ownPrefixes[0], "")
}

// TestFirstByLabelAnew: the first VRF that is carried by a label, made anew under another RD by the
// same reload, has no route out that leads anywhere before it goes out as it should: neighbours are
// told by the policies of before then, which know nothing of it.
func TestFirstByLabelAnew(t *testing.T) {
	for name, by := range map[string]rib.Carried{"MPLS": redMPLS, "SRv6": redSRv6, "EVPN": redCarried} {
		t.Run(name, func(t *testing.T) {
			x := newCarrying(t, rib.Extras{})
			x.announceAll()
			for i, pfx := range customersPrefixes {
				eventually(t, "the PE has all", func() bool { return len(x.pe.has(pfx, 1)) == 1 && len(x.pe.has(ownPrefixes[i], 1)) == 1 })
			}
			lines := x.pe.record()
			x.Takes("red", by, func() {})
			x.conf["vrfs"].([]any)[1].(obj)["config"].(obj)["rd"] = "65000:7"
			x.reloadAs(carriedBy(by))
			anew := func(s string) string { return strings.Replace(s, "65000:1 ", "65000:7 ", 1) }
			if by.ByEVPN() {
				x.told("carried", x.pe, ownPrefixes[0], anew(five("", 5, ownCommunity, "65000:1")), 0)
			} else {
				x.hasOf("carried", x.pe, customersPrefixes[0], anew(line(by, "65003", customersCommunity, false)))
				x.hasOf("carried", x.pe, ownPrefixes[1], anew(line(by, "", ownCommunity, true)))
			}
			good := map[string]bool{}
			for i := range customersPrefixes {
				good[anew(line(by, "65003", customersCommunity, i == 1))], good[anew(line(by, "", ownCommunity, i == 1))] = true, true
			}
			for _, got := range lines() {
				if strings.HasPrefix(got, "65000:7 ") && !good[got] && !strings.HasSuffix(got, " [0:4000000001]") {
					t.Errorf("once the PE was told %s", got)
				}
			}
			if got := x.Drift(); len(got) > 0 {
				t.Errorf("BGP is taken for changed by others: %v", got)
			}
		})
	}
}

// TestLabelledVRFDeletedByOthers: a VRF with a label that nobody serves can be deleted by another
// client of the API, and GoBGP lives; one that it cannot delete keeps its label.
func TestLabelledVRFDeletedByOthers(t *testing.T) {
	x := &carrying{t: t, pe: newPeer(t, "127.0.0.2", 65000, evpnFamilies...), customer: newPeer(t, "127.0.0.4", 65003, "ipv4-unicast")}
	green := redMPLS
	green.Label = 16020
	x.running = run(t, Options{
		Config: toJSON(t, baseConf([]any{
			vrfConf("green", "65000:3", nil, []string{"65000:3"}), vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"}),
		}, []any{
			neighborConf(x.pe.addr, 65000, x.pe.port, evpnFamilies...), inVRF(neighborConf(x.customer.addr, 65003, x.customer.port, "ipv4-unicast"), "red"),
		})),
		Extras: rib.Extras{Carried: map[string]rib.Carried{"red": redMPLS, "green": green}},
		Serves: func(string) bool { return false },
	})
	client := x.client(t)
	if _, err := client.DeleteVrf(t.Context(), &api.DeleteVrfRequest{Name: "red"}); err == nil {
		t.Error("a VRF with a neighbour was deleted")
	}
	x.hasLabel("red", 16010)
	if _, err := client.DeleteVrf(t.Context(), &api.DeleteVrfRequest{Name: "green"}); err != nil {
		t.Error(err)
	}
	if _, err := x.Restore(t.Context()); err != nil {
		t.Fatal(err)
	}
	x.hasLabel("green", 16020)
}

// TestReflectedByLabel: what a route reflector passes on keeps its nexthop, label and SID, though it
// has VRFs that are carried itself.
func TestReflectedByLabel(t *testing.T) {
	for name, by := range map[string]rib.Carried{"MPLS": redMPLS, "SRv6": redSRv6} {
		t.Run(name, func(t *testing.T) {
			a, b := newPeer(t, "127.0.0.2", 65000, allFamilies...), newPeer(t, "127.0.0.3", 65000, allFamilies...)
			neighbor := func(p *peer) obj {
				n := neighborConf(p.addr, 65000, p.port, allFamilies...)
				n["route-reflector"] = obj{"config": obj{"route-reflector-client": true, "route-reflector-cluster-id": "192.0.2.1"}}
				return n
			}
			s := run(t, Options{
				Config: toJSON(t, baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, []any{neighbor(a), neighbor(b)})),
				Extras: carriedBy(by),
			})
			s.Takes("red", by, func() {})
			for _, pfx := range []string{"10.6.0.0/16", "2001:db8:6::/48"} {
				for _, sid := range []bool{false, true} {
					r := spec{prefix: pfx, rd: 9, rts: []uint32{1}, nexthop: "2001:db8:ff::9"}
					want := "65001:9 label [109] by 2001:db8:ff::9 path [] [] [65000:1]"
					if sid {
						theirs := redSRv6.SRv6
						theirs.SID = netip.MustParseAddr("fd00:9::1")
						attr, err := apiutil.MarshalPathAttributes([]bgp.PathAttributeInterface{prefixSID(&theirs, pfx != "10.6.0.0/16")})
						if err != nil {
							t.Fatal(err)
						}
						m, err := attr[0].UnmarshalNew()
						if err != nil {
							t.Fatal(err)
						}
						r.attrs, want = []proto.Message{m}, want+" SID fd00:9::1 0+0"
					}
					a.announce(r)
					eventually(t, "it is passed on as it is: "+want, func() bool { return slices.Equal(b.vpns(pfx), []string{want}) })
				}
			}
		})
	}
}
