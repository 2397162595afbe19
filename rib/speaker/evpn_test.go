package speaker

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

func evpnPath(prefix netip.Prefix, id uint32, rts ...rib.RT) rib.Path {
	p := vpnPath(prefix, id, rts...)
	p.Attrs.Carrier = rib.ByEVPN
	return p
}

// TestIntakeOfEVPN: a destination of EVPN is another than the one of the VPN table with its RD and
// prefix: their paths come and go by themselves, with ids of their own, and nobody's neighbours are
// told of those by EVPN.
func TestIntakeOfEVPN(t *testing.T) {
	t.Parallel()
	feeds, left := NewFeeds(redAnd), []string(nil)
	in := NewIntake(redAnd, nil, nil, feeds, NewMarkers(), func(vrf string) { left = append(left, vrf) })
	in.Sync()
	red, blue := feedOf(t, feeds, "red"), feedOf(t, feeds, "blue")
	vpn, evpn := Destination{RD: 5, Prefix: one}, Destination{RD: 5, Prefix: one, EVPN: true}
	for i, step := range []struct {
		of        Destination
		paths     []rib.Path
		red, blue []uint32
		left      []string
	}{
		{vpn, []rib.Path{vpnPath(one, 1, 1)}, []uint32{1}, nil, nil},
		{evpn, []rib.Path{evpnPath(one, 1, 1, 2)}, []uint32{1, ByEVPN | 1}, []uint32{ByEVPN | 1}, nil},
		{evpn, []rib.Path{evpnPath(one, 2, 1), evpnPath(one, 2, 1)}, []uint32{1, ByEVPN | 1, ByEVPN | 2}, nil, nil},
		{vpn, []rib.Path{vpnPath(one, 1, 2)}, []uint32{ByEVPN | 1, ByEVPN | 2}, []uint32{1}, []string{"red"}},
		{vpn, nil, []uint32{ByEVPN | 1, ByEVPN | 2}, nil, nil},
		{evpn, nil, nil, nil, nil},
	} {
		left = nil
		take(in, step.of, step.paths...)
		if !slices.Equal(ids(red, one), step.red) || !slices.Equal(ids(blue, one), step.blue) || !slices.Equal(left, step.left) {
			t.Errorf("step %d: red %v, blue %v, left %v", i, ids(red, one), ids(blue, one), left)
		}
	}
	if at := in.index.at; len(at[0])+len(at[1]) != 0 {
		t.Errorf("the index keeps %v", at)
	}
}

// TestIntakeReplacesEVPN: what another snapshot does not have goes, of each table for itself.
func TestIntakeReplacesEVPN(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(redAnd)
	first := NewIntake(redAnd, nil, nil, feeds, NewMarkers(), nil)
	for _, prefix := range []netip.Prefix{one, two} {
		take(first, Destination{RD: 5, Prefix: prefix}, vpnPath(prefix, 1, 1))
		take(first, Destination{RD: 5, Prefix: prefix, EVPN: true}, evpnPath(prefix, 1, 1))
	}
	first.Sync()
	red := feedOf(t, feeds, "red")
	red.Take(nil, 10)
	second := NewIntake(redAnd, nil, nil, feeds, NewMarkers(), nil)
	second.Replace(first)
	take(second, Destination{RD: 5, Prefix: one}, vpnPath(one, 1, 1))
	take(second, Destination{RD: 5, Prefix: two, EVPN: true}, evpnPath(two, 1, 1))
	second.Sync()
	if !slices.Equal(ids(red, one), []uint32{1}) || !slices.Equal(ids(red, two), []uint32{ByEVPN | 1}) {
		t.Errorf("%v and %v are left", ids(red, one), ids(red, two))
	}
}

// TestDepartsOfEVPN: of a neighbour whose session ends the paths of one family go, or of both.
func TestDepartsOfEVPN(t *testing.T) {
	t.Parallel()
	peer := netip.MustParseAddr("192.0.2.1")
	six := netip.MustParsePrefix("2001:db8::/48")
	for _, tc := range []struct {
		gone       []Family
		left, six6 []uint32
	}{
		{[]Family{{Of: rib.IPv4, VPN: true}}, []uint32{ByEVPN | 1}, []uint32{1, ByEVPN | 1}},
		{[]Family{{Of: rib.IPv4, EVPN: true}, {Of: rib.IPv6, EVPN: true}}, []uint32{1}, []uint32{1}},
	} {
		feeds := NewFeeds(redAnd)
		in := NewIntake(redAnd, nil, nil, feeds, NewMarkers(), nil)
		for _, prefix := range []netip.Prefix{one, six} {
			for _, p := range []rib.Path{vpnPath(prefix, 1, 1), evpnPath(prefix, 1, 1)} {
				p.Attrs.Peer = peer
				take(in, DestinationOf(&p), p)
			}
		}
		in.Sync()
		in.Depart(Departure{Peer: peer, Gone: tc.gone})
		red := feedOf(t, feeds, "red")
		if got := ids(red, one); !slices.Equal(got, tc.left) {
			t.Errorf("%v: %v are left", tc.gone, got)
		}
		if got := ids(red, six); !slices.Equal(got, tc.six6) {
			t.Errorf("%v: of IPv6 %v are left", tc.gone, got)
		}
	}
}

// TestEVPNConverges: a VRF whose routes are carried by EVPN has all of a family when the
// neighbours in no VRF have sent that marker too; another VRF does not wait for it.
func TestEVPNConverges(t *testing.T) {
	t.Parallel()
	vrfs := CloneVRFs(redAnd)
	vrfs[1].Carried = &rib.Carried{VNI: 100}
	feeds := NewFeeds(vrfs)
	all := []Family{{Of: rib.IPv4, VPN: true}, {Of: rib.IPv6, VPN: true}, {Of: rib.IPv4, EVPN: true}, {Of: rib.IPv6, EVPN: true}}
	in := NewIntake(vrfs, nil, []Neighbour{{Address: "192.0.2.1", Families: all}}, feeds, NewMarkers(), nil)
	in.Sync()
	red, blue := feedOf(t, feeds, "red"), feedOf(t, feeds, "blue")
	for i, want := range []struct{ red, blue [rib.Families]bool }{
		{[rib.Families]bool{}, [rib.Families]bool{true, false}},
		{[rib.Families]bool{}, [rib.Families]bool{true, true}},
		{[rib.Families]bool{true, false}, [rib.Families]bool{true, true}},
		{[rib.Families]bool{true, true}, [rib.Families]bool{true, true}},
	} {
		in.EndOfRIB(Marker{"192.0.2.1", all[i]})
		for of := range rib.Families {
			if red.Converged(of) != want.red[of] || blue.Converged(of) != want.blue[of] {
				t.Errorf("after %d markers red is converged in %v: %v, blue: %v", i+1, of, red.Converged(of), blue.Converged(of))
			}
		}
	}
}
