package gobgp3

import (
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync/atomic"
	"testing"
	_ "unsafe" // for go:linkname

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// canImportToVRF is by what GoBGP decides whether it tells the neighbours of a VRF of a route.
//
//go:linkname canImportToVRF github.com/osrg/gobgp/v3/internal/pkg/table.CanImportToVrf
func canImportToVRF(vrf *bgpVRF, p *bgpPath) bool

// TestImportTargets: into which VRFs a route leads is decided as GoBGP does it, targets with a point
// in their text included.
func TestImportTargets(t *testing.T) {
	r := rand.New(rand.NewPCG(18, 1))
	some := func() bgp.ExtendedCommunityInterface {
		n := uint16(r.IntN(3)) + 5
		kind := bgp.EC_SUBTYPE_ROUTE_TARGET
		if r.IntN(6) == 0 {
			kind = bgp.EC_SUBTYPE_ROUTE_ORIGIN
		}
		transitive := r.IntN(8) > 0
		switch r.IntN(4) {
		case 0:
			return bgp.NewTwoOctetAsSpecificExtended(kind, []uint16{1, 102, 112, 65000}[r.IntN(4)], uint32(n), transitive)
		case 1:
			return bgp.NewFourOctetAsSpecificExtended(kind, []uint32{65538, 112, 1 << 16}[r.IntN(3)], n, transitive)
		case 2:
			return bgp.NewIPv4AddressSpecificExtended(kind, net.IPv4(10, 0, 0, byte(r.IntN(3))).String(), n, transitive)
		}
		return bgp.NewEncapExtended(bgp.TUNNEL_TYPE_VXLAN)
	}
	list := func(most int) (list []bgp.ExtendedCommunityInterface) {
		for range r.IntN(most + 1) {
			list = append(list, some())
		}
		return list
	}
	taken := 0
	for n := 0; n < 20_000 && taken < 200; n++ { // GoBGP takes its time
		v := &bgpVRF{Name: "red"}
		for _, c := range list(4) {
			if rt, is := decodeRT(c); is && rt != 0 { // a VRF has no others
				v.ImportRt = append(v.ImportRt, c)
			}
		}
		p := &bgpPath{info: &bgpOrigin{nlri: bgp.NewLabeledVPNIPAddrPrefix(24, "10.0.0.0", *bgp.NewMPLSLabelStack(0), bgp.NewRouteDistinguisherTwoOctetAS(1, 1)), source: localPeer}}
		if r.IntN(10) > 0 {
			p.pathAttrs = append(p.pathAttrs, bgp.NewPathAttributeExtendedCommunities(list(4)))
		}
		want := canImportToVRF(v, p)
		if got := importsOf(v).take(p); got != want {
			t.Fatalf("%v into %v: %v, GoBGP says %v", p.pathAttrs, v.ImportRt, got, want)
		}
		if want {
			taken++
		}
	}
	if taken < 100 {
		t.Errorf("only %d routes led anywhere", taken)
	}
	fifth := bgp.NewTwoOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, 112, 5, true)
	if !importsOf(&bgpVRF{ImportRt: []bgp.ExtendedCommunityInterface{bgp.NewFourOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, 65538, 5, true)}}).has(fifth) {
		t.Error("1.2:5 is not taken for 112:5, as by GoBGP")
	}
}

// asked is a route target that counts how often its text is asked for, of which GoBGP makes regular
// expressions.
type asked struct {
	bgp.ExtendedCommunityInterface
	times atomic.Int64
}

func (a *asked) String() string {
	a.times.Add(1)
	return a.ExtendedCommunityInterface.String()
}

// TestBystanders: a VPN route costs the neighbours of VRFs into which it does not lead no regular
// expression, and those into whose VRF it leads are told of it, and that it goes, as ever.
func TestBystanders(t *testing.T) {
	const others, routes, few = 4, 300, 20
	pe, red := newPeer(t, "127.0.0.2", 65001, allFamilies...), newPeer(t, "127.0.0.3", 65003, "ipv4-unicast", "ipv6-unicast")
	vrfs := []any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"}), vrfConf("blue", "65000:2", []string{"65000:2"}, []string{"65000:2"})}
	neighbors := []any{neighborConf(pe.addr, 65001, pe.port, allFamilies...), inVRF(neighborConf(red.addr, 65003, red.port, "ipv4-unicast", "ipv6-unicast"), "red")}
	var blue []*peer
	for i := range others {
		p := newPeer(t, fmt.Sprintf("127.0.0.%d", 10+i), uint32(65010+i), "ipv4-unicast", "ipv6-unicast")
		blue = append(blue, p)
		neighbors = append(neighbors, inVRF(neighborConf(p.addr, int(p.as), p.port, "ipv4-unicast", "ipv6-unicast"), "blue"))
	}
	s := run(t, Options{Config: toJSON(t, baseConf(vrfs, neighbors))})
	pe.announce(spec{prefix: "10.9.0.0/16", rd: 7, rts: []uint32{2}})
	for _, p := range blue {
		eventually(t, p.addr+" is told of a route of its own VRF", func() bool { return len(p.has("10.9.0.0/16", 0)) == 1 })
	}
	target := &asked{ExtendedCommunityInterface: bgp.NewTwoOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, 65000, 99, true)}
	if err := s.inLoop(func() error {
		v := s.rib().Vrfs["blue"]
		v.ImportRt = append(slices.Clip(v.ImportRt), target)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	for i := range routes {
		pe.announce(spec{prefix: fmt.Sprintf("10.1.%d.%d/32", i/250, i%250), rd: 7, rts: []uint32{1}})
	}
	last := fmt.Sprintf("10.1.%d.%d/32", (routes-1)/250, (routes-1)%250)
	eventually(t, "red's neighbour is told of the last route", func() bool { return len(red.has(last, 0)) == 1 })
	if n := target.times.Load(); n > few {
		t.Errorf("GoBGP asked %d times for the targets of a VRF into which none of %d routes leads", n, routes)
	}
	for _, p := range blue {
		if len(p.has(last, 0)) > 0 {
			t.Errorf("%s is told of a route of another VRF", p.addr)
		}
	}
	pe.withdraw(spec{prefix: last, rd: 7, rts: []uint32{1}})
	pe.announce(spec{prefix: "10.2.0.0/16", rd: 7, rts: []uint32{1}})
	eventually(t, "red's neighbour is told of a later route", func() bool { return len(red.has("10.2.0.0/16", 0)) == 1 })
	eventually(t, "red's neighbour is told that a route went", func() bool { return len(red.has(last, 0)) == 0 })

	target.times.Store(0)
	flops := func() (n uint32) {
		err := blue[0].ListPeer(t.Context(), &api.ListPeerRequest{}, func(p *api.Peer) {
			if p.GetState().GetSessionState() == api.PeerState_ESTABLISHED {
				n = p.GetState().GetFlops()
			}
		})
		if err != nil {
			t.Error(err)
		}
		return n
	}
	was := flops()
	if err := blue[0].ResetPeer(t.Context(), &api.ResetPeerRequest{Address: "127.0.0.1"}); err != nil {
		t.Fatal(err)
	}
	// GoBGP marks what it has of an earlier session, and races with who lists that meanwhile.
	eventually(t, "its session is another one", func() bool { return flops() > was })
	pe.announce(spec{prefix: "10.8.0.0/16", rd: 7, rts: []uint32{2}})
	eventually(t, "the neighbour whose session begins anew is told of what leads into its VRF", func() bool {
		return len(blue[0].has("10.8.0.0/16", 0)) == 1 && len(blue[0].has("10.9.0.0/16", 0)) == 1
	})
	if n := target.times.Load(); n > few {
		t.Errorf("GoBGP asked %d times for the targets of a VRF when a session began beside %d routes of other VRFs", n, routes)
	}
	if len(blue[0].has("10.2.0.0/16", 0)) > 0 {
		t.Errorf("%s is told of a route of another VRF when its session begins", blue[0].addr)
	}
}
