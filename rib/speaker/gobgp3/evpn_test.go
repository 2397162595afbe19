package gobgp3

import (
	"bytes"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/apiutil"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// evpnFamilies are those of a PE.
var evpnFamilies = append(slices.Clone(allFamilies), "l2vpn-evpn")

// fiveSpec is an IP prefix route that a peer announces.
type fiveSpec struct {
	prefix  string
	rd      string // "": 65001:1
	rts     []uint32
	vni     uint32
	mac     string // "": none is said
	encap   bgp.TunnelType
	nexthop string // "": 192.0.2.7
	esi     byte   // its last byte
	etag    uint32
	gateway string
	attrs   []proto.Message
}

func fivePath(t testing.TB, s fiveSpec) *api.Path {
	t.Helper()
	net := netip.MustParsePrefix(s.prefix)
	if s.rd == "" {
		s.rd = "65001:1"
	}
	if s.nexthop == "" {
		s.nexthop = "192.0.2.7"
	}
	if s.gateway == "" {
		s.gateway = "0.0.0.0"
		if net.Addr().Is6() {
			s.gateway = "::"
		}
	}
	native, err := bgp.ParseRouteDistinguisher(s.rd)
	if err != nil {
		t.Fatal(err)
	}
	rd, err := apiutil.MarshalRD(native)
	if err != nil {
		t.Fatal(err)
	}
	nlri := any_(t, &api.EVPNIPPrefixRoute{
		Rd: rd, Esi: &api.EthernetSegmentIdentifier{Value: []byte{0, 0, 0, 0, 0, 0, 0, 0, s.esi}}, EthernetTag: s.etag,
		IpPrefix: net.Addr().String(), IpPrefixLen: uint32(net.Bits()), GwAddress: s.gateway, Label: s.vni,
	})
	var communities []*anypb.Any
	for _, n := range s.rts {
		communities = append(communities, any_(t, &api.TwoOctetAsSpecificExtended{IsTransitive: true, SubType: 2, Asn: 65000, LocalAdmin: n}))
	}
	if s.mac != "" {
		communities = append(communities, any_(t, &api.RouterMacExtended{Mac: s.mac}))
	}
	if s.encap != 0 {
		communities = append(communities, any_(t, &api.EncapExtended{TunnelType: uint32(s.encap)}))
	}
	f := family("l2vpn-evpn")
	out := &api.Path{Family: f, Nlri: nlri}
	for _, a := range append([]proto.Message{
		&api.OriginAttribute{}, &api.ExtendedCommunitiesAttribute{Communities: communities},
		&api.MpReachNLRIAttribute{Family: f, NextHops: []string{s.nexthop}, Nlris: []*anypb.Any{nlri}},
	}, s.attrs...) {
		out.Pattrs = append(out.Pattrs, any_(t, a))
	}
	return out
}

func (p *peer) announceFive(s fiveSpec) {
	p.t.Helper()
	if _, err := p.AddPath(context.Background(), &api.AddPathRequest{Path: fivePath(p.t, s)}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) withdrawFive(s fiveSpec) {
	p.t.Helper()
	if err := p.DeletePath(context.Background(), &api.DeletePathRequest{Path: fivePath(p.t, s)}); err != nil {
		p.t.Fatal(err)
	}
}

// fives are the IP prefix routes of a prefix that a peer has from our router, one line each.
func (p *peer) fives(pfx string) []string { return p.fivesFrom("127.0.0.1", pfx) }

// fivesFrom are those that it has from a neighbour.
func (p *peer) fivesFrom(addr, pfx string) (list []string) {
	p.t.Helper()
	request := &api.ListPathRequest{TableType: api.TableType_GLOBAL, Family: family("l2vpn-evpn")}
	err := p.ListPath(context.Background(), request, func(d *api.Destination) {
		for _, path := range d.Paths {
			if line, of := fiveLine(p.t, path); path.NeighborIp == addr && of == pfx {
				list = append(list, line)
			}
		}
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return list
}

func fiveLine(t testing.TB, path *api.Path) (line, prefix string) {
	t.Helper()
	nlri, err := apiutil.GetNativeNlri(path)
	if err != nil {
		t.Fatal(err)
	}
	r := ipPrefixOf(nlri)
	if r == nil {
		return "", ""
	}
	attrs, err := apiutil.GetNativePathAttributes(path)
	if err != nil {
		t.Fatal(err)
	}
	var nexthop, as string
	var med uint32
	var communities []uint32
	var targets, overlay []string
	for _, a := range attrs {
		switch a := a.(type) {
		case *bgp.PathAttributeMpReachNLRI:
			nexthop = a.Nexthop.String()
		case *bgp.PathAttributeMultiExitDisc:
			med = a.Value
		case *bgp.PathAttributeCommunities:
			communities = a.Value
		case *bgp.PathAttributeAsPath:
			as = bgp.AsPathString(a)
		case *bgp.PathAttributeExtendedCommunities:
			for _, e := range a.Value {
				if _, is := decodeRT(e); is {
					targets = append(targets, e.String())
				} else if saysOverlay(e) {
					overlay = append(overlay, e.String())
				}
			}
		}
	}
	line = fmt.Sprintf("%s vni %d by %s path [%s] med %d %v %v %v", r.RD, r.Label, nexthop, as, med, communities, targets, overlay)
	return line, fmt.Sprintf("%s/%d", r.IPPrefix, r.IPPrefixLength)
}

// TestFiveRoundTrip: an IP prefix route of each family and each kind of RD has the same key and
// says the same after it has been on the wire, and is decoded as it was made.
func TestFiveRoundTrip(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"65000:70000", "192.0.2.1:7", "1.4464:9"} {
		for _, pfx := range []string{"10.1.2.0/24", "0.0.0.0/0", "203.0.113.9/32", "2001:db8:1::/48", "::/0", "2001:db8::1/128"} {
			for _, vni := range []uint32{1, 100, 1<<20 - 1, 1<<24 - 1} {
				made := evpnNLRI(nativeRD(rd(t, text)), prefix(pfx), vni)
				wire, err := made.Serialize()
				if err != nil {
					t.Fatal(err)
				}
				read := new(bgp.EVPNNLRI)
				if err := read.DecodeFromBytes(wire); err != nil {
					t.Fatalf("%s of %s: %v", pfx, text, err)
				}
				if again, err := read.Serialize(); err != nil || !bytes.Equal(again, wire) || read.String() != made.String() {
					t.Errorf("%s of %s is %s, and %s after the wire: %v", pfx, text, made, read, err)
				}
				for _, n := range []*bgp.EVPNNLRI{made, read} {
					want := speaker.Destination{RD: rd(t, text), Prefix: prefix(pfx), EVPN: true}
					if to, label, err := decodeEVPN(n); err != nil || to != want || label != vni || noCandidate(n) != nil {
						t.Errorf("%s of %s is decoded to %v with %d: %v, %v", pfx, text, to, label, err, noCandidate(n))
					}
				}
			}
		}
	}
}

// TestFiveRefused: what is no route of the interface-less kind, or no prefix, is no candidate.
func TestFiveRefused(t *testing.T) {
	t.Parallel()
	wire := func(change func(b []byte) []byte, pfx string) *bgp.EVPNNLRI {
		b, err := evpnNLRI(nativeRD(rd(t, "65000:1")), prefix(pfx), 100).Serialize()
		if err != nil {
			t.Fatal(err)
		}
		n := new(bgp.EVPNNLRI)
		if err := n.DecodeFromBytes(change(b)); err != nil {
			t.Fatal(err)
		}
		return n
	}
	at := func(i int, v ...byte) func([]byte) []byte {
		return func(b []byte) []byte { copy(b[i:], v); return b }
	}
	const four, six = "10.1.0.0/16", "2001:db8::/32"
	for name, n := range map[string]*bgp.EVPNNLRI{
		"an RD of 0":                   wire(at(2, 0, 0, 0, 0, 0, 0, 0, 0), four),
		"an RD of an unknown type":     wire(at(2, 0, 9), four),
		"a tag":                        wire(at(20, 0, 0, 0, 1), four),
		"host bits":                    wire(at(25, 10, 1, 2, 3), four),
		"host bits of IPv6":            wire(at(40, 1), six),
		"33 bits":                      wire(at(24, 33), four),
		"129 bits":                     wire(at(24, 129), six),
		"an IPv4 prefix in an IPv6's":  wire(at(24, 120, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 0), six),
		"::ffff:10.1.2.3 in ::/0":      wire(at(24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 10, 1, 2, 3), six),
		"a MAC address, and no prefix": bgp.NewEVPNMacIPAdvertisementRoute(nativeRD(rd(t, "65000:1")), bgp.EthernetSegmentIdentifier{Value: make([]byte, 9)}, 0, "02:00:00:00:00:01", "10.0.0.1", []uint32{100}),
	} {
		if to, _, err := decodeEVPN(n); err == nil || to != (speaker.Destination{}) {
			t.Errorf("%s: %s is the destination %v", name, n, to)
		}
	}
	for name, n := range map[string]*bgp.EVPNNLRI{
		"a segment": wire(at(10, 0, 0, 0, 1), four), "a segment's type": wire(at(10, 3), six),
		"a gateway": wire(at(29, 10, 0, 0, 1), four), "a gateway of IPv6": wire(at(56, 1), six),
	} {
		if _, _, err := decodeEVPN(n); err != nil || noCandidate(n) == nil {
			t.Errorf("%s: %v, and is a candidate", name, err)
		}
	}
}

// TestDecodeOverlay: what a path by EVPN says of its encapsulation, and what a VPN path or one of
// the global table with the same attributes does not.
func TestDecodeOverlay(t *testing.T) {
	h := newHarness(t, twoVRFs())
	h.send()
	mac := rib.MAC{2, 0, 0, 0, 2, 1}
	for i, tc := range []struct {
		spec  fiveSpec
		kind  rib.EncapKind
		mac   rib.MAC
		label uint32
	}{
		{fiveSpec{vni: 100, mac: mac.String(), encap: bgp.TUNNEL_TYPE_VXLAN}, rib.EncapVXLAN, mac, 100},
		{fiveSpec{vni: 1<<24 - 1, mac: mac.String()}, rib.EncapVXLAN, mac, 1<<24 - 1},
		{fiveSpec{vni: 100}, rib.EncapVXLAN, rib.MAC{}, 100},
		{fiveSpec{vni: 17 << 4, mac: mac.String(), encap: bgp.TUNNEL_TYPE_MPLS}, rib.EncapMPLS, mac, 17},
		{fiveSpec{vni: 100, mac: mac.String(), encap: bgp.TUNNEL_TYPE_GENEVE}, rib.EncapOther, mac, 100},
	} {
		for j, pfx := range []string{fmt.Sprintf("10.%d.0.0/16", i), fmt.Sprintf("2001:db8:%x::/48", i)} {
			s := tc.spec
			s.prefix, s.rts = pfx, []uint32{1}
			p := fivePath(t, s)
			p.NeighborIp, p.SourceId, p.SourceAsn, p.LocalIdentifier = "127.0.0.2", "127.0.0.2", 65001, 1
			h.send(p)
			got := h.feeds["red"].Lookup(prefix(pfx))
			if len(got) != 1 {
				t.Fatalf("%d paths to %s", len(got), pfx)
			}
			a := got[0].Attrs
			if a.Carrier != rib.ByEVPN || a.EncapKind != tc.kind || a.RouterMAC != tc.mac || got[0].Label != tc.label || a.Source != "" ||
				a.Nexthop != netip.MustParseAddr("192.0.2.7") || got[0].RD != rd(t, "65001:1") || got[0].ID != speaker.ByEVPN|1 {
				t.Errorf("case %d, %d: %+v, %+v", i, j, got[0], a.Via)
			}
		}
	}
	vpn := from(t, spec{prefix: "10.1.0.0/16", rd: 1, rts: []uint32{1}})
	plain := from(t, spec{prefix: "10.1.0.0/16"})
	h.send(vpn, plain)
	byTable := make(map[rib.Carrier]int)
	for _, vrf := range []string{"red", speaker.Default} {
		for _, p := range h.feeds[vrf].Lookup(prefix("10.1.0.0/16")) {
			byTable[p.Attrs.Carrier]++
			if p.Attrs.Carrier != rib.ByEVPN && (p.Attrs.EncapKind != 0 || p.Attrs.RouterMAC != rib.MAC{}) {
				t.Errorf("a path %s has an overlay: %+v", p.Attrs.Carrier, p.Attrs.Via)
			}
		}
	}
	if byTable[rib.ByEVPN] != 1 || byTable[rib.ByVPN] != 1 || byTable[rib.NotCarried] != 1 {
		t.Errorf("paths by how they came: %v", byTable)
	}
	if h.feeds["blue"].Lookup(prefix("10.1.0.0/16")) != nil {
		t.Error("blue has paths that its targets do not let in")
	}
}

// TestEVPNFamilies: EVPN's marker is of both families, and its table is there.
func TestEVPNFamilies(t *testing.T) {
	h := newHarness(t, baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, nil)}, []any{neighborConf("127.0.0.2", 65000, 179, "l2vpn-evpn")}))
	c := readConf(t, baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, nil)}, []any{neighborConf("127.0.0.2", 65000, 179, "l2vpn-evpn")}),
		rib.Extras{Carried: map[string]rib.Carried{"red": {VNI: 100}}})
	h.begin(c)
	h.send()
	if converged(h.feeds["red"]) {
		t.Error("red has converged without EVPN's End-of-RIB")
	}
	h.take([]item{{of: eorOf("127.0.0.2", "l2vpn-evpn")}})
	if !converged(h.feeds["red"]) {
		t.Error("red has not converged")
	}
	if got := conf.InFeeds(bgp.RF_EVPN); len(got) != 2 || got[0].Of == got[1].Of || !got[0].EVPN || !got[1].EVPN {
		t.Errorf("EVPN is %v", got)
	}
}
