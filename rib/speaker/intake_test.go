package speaker

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

var (
	one, two = netip.MustParsePrefix("10.1.0.0/16"), netip.MustParsePrefix("10.2.0.0/16")
	redAnd   = []VRF{{Name: "blue", RD: 2, ImportRTs: []rib.RT{2}}, {Name: "red", RD: 1, ImportRTs: []rib.RT{1}}}
)

func vpnPath(prefix netip.Prefix, id uint32, rts ...rib.RT) rib.Path {
	return rib.Path{Prefix: prefix, RD: 5, ID: id, Attrs: &rib.Attrs{Via: new(rib.Via), Tags: &rib.Tags{RTs: rts}}}
}

func globalPath(prefix netip.Prefix) rib.Path {
	return rib.Path{Prefix: prefix, ID: 1, Attrs: &rib.Attrs{Via: new(rib.Via), Tags: new(rib.Tags)}}
}

// take has an Intake take all paths of a destination.
func take(in *Intake, d Destination, paths ...rib.Path) {
	in.Begin(d)
	for _, p := range paths {
		in.Add(p, in.Importers(p.Attrs.RTs))
	}
	in.Flush()
}

func feedOf(t *testing.T, feeds *Feeds, name string) *rib.Feed {
	t.Helper()
	f, err := feeds.Feed(name)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func ids(f *rib.Feed, prefix netip.Prefix) (out []uint32) {
	for _, p := range f.Lookup(prefix) {
		out = append(out, p.ID)
	}
	return out
}

// TestIntake: of the paths of one destination each VRF gets its own, told apart; a VRF
// that the best one leads into no more is left, and told so.
func TestIntake(t *testing.T) {
	t.Parallel()
	feeds, left := NewFeeds(redAnd), []string(nil)
	in := NewIntake(redAnd, nil, nil, feeds, NewMarkers(), func(vrf string) { left = append(left, vrf) })
	in.Sync()
	red, blue, d := feedOf(t, feeds, "red"), feedOf(t, feeds, "blue"), Destination{RD: 5, Prefix: one}
	for _, step := range []struct {
		paths     []rib.Path
		red, blue []uint32
		left      []string
	}{
		{[]rib.Path{vpnPath(one, 1, 1), vpnPath(one, 2, 2), vpnPath(one, 3, 1, 2)}, []uint32{1, 3}, []uint32{2, 3}, nil},
		{[]rib.Path{vpnPath(one, 1, 1)}, []uint32{1}, nil, nil}, // the best one did not lead into blue
		{[]rib.Path{vpnPath(one, 3, 1, 2), vpnPath(one, 1, 1)}, []uint32{1, 3}, []uint32{3}, nil},
		{[]rib.Path{vpnPath(one, 1, 1), vpnPath(one, 3, 1, 2)}, []uint32{1, 3}, []uint32{3}, []string{"blue"}},
		{[]rib.Path{vpnPath(one, 3, 1, 2)}, []uint32{3}, []uint32{3}, nil},
		{[]rib.Path{vpnPath(one, 1, 1)}, []uint32{1}, nil, []string{"blue"}},
		{[]rib.Path{vpnPath(one, 7, 1), vpnPath(one, 7, 1)}, []uint32{1, 2}, nil, nil},
		{nil, nil, nil, nil},
	} {
		left = nil
		take(in, d, step.paths...)
		if !slices.Equal(ids(red, one), step.red) || !slices.Equal(ids(blue, one), step.blue) || !slices.Equal(left, step.left) {
			t.Errorf("%v: red %v, blue %v, left %v", step, ids(red, one), ids(blue, one), left)
		}
	}
	if at := in.index.at; len(at[0])+len(at[1]) != 0 {
		t.Errorf("the index keeps %v", at)
	}
}

// TestIntakeReplaces: what is the same is left alone, and what is not in the snapshot is
// swept when it ends.
func TestIntakeReplaces(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(redAnd)
	first := NewIntake(redAnd, nil, nil, feeds, NewMarkers(), nil)
	for _, prefix := range []netip.Prefix{one, two} {
		take(first, Destination{Prefix: prefix}, globalPath(prefix))
		take(first, Destination{RD: 5, Prefix: prefix}, vpnPath(prefix, 1, 1))
	}
	first.Sync()
	for _, vrf := range []string{Default, "red"} {
		feedOf(t, feeds, vrf).Take(nil, 10)
	}
	second := NewIntake(redAnd, nil, nil, feeds, NewMarkers(), nil)
	second.Replace(first)
	take(second, Destination{Prefix: one}, globalPath(one))
	take(second, Destination{RD: 5, Prefix: one}, vpnPath(one, 1, 1))
	if !second.Sync() || second.Sync() {
		t.Error("the snapshot does not end once")
	}
	for _, vrf := range []string{Default, "red"} {
		changed := feedOf(t, feeds, vrf).Take(nil, 10)
		if len(changed) != 1 || changed[0].Prefix != two || len(changed[0].Paths) != 0 {
			t.Errorf("VRF %s: changed %+v, want %s to go and no more", vrf, changed, two)
		}
	}
}

// TestIntakeLeavesAlone: a destination with the same paths as before, in whichever order,
// sets nobody to work; one with another path, or another attribute, does.
func TestIntakeLeavesAlone(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(redAnd)
	in := NewIntake(redAnd, nil, nil, feeds, NewMarkers(), nil)
	in.Sync()
	red := feedOf(t, feeds, "red")
	med := vpnPath(one, 2, 1)
	med.Attrs.MED = 7
	later := vpnPath(one, 2, 1)
	later.Age = 1
	labelled := vpnPath(one, 2, 1)
	labelled.Label = 17
	for i, step := range []struct {
		paths   []rib.Path
		changed bool
	}{
		{[]rib.Path{vpnPath(one, 1, 1), vpnPath(one, 2, 1)}, true},
		{[]rib.Path{vpnPath(one, 1, 1), vpnPath(one, 2, 1)}, false},
		{[]rib.Path{vpnPath(one, 2, 1), vpnPath(one, 1, 1)}, false},
		{[]rib.Path{med, vpnPath(one, 1, 1)}, true},
		{[]rib.Path{vpnPath(one, 1, 1), med}, false},
		{[]rib.Path{vpnPath(one, 1, 1), later}, true},
		{[]rib.Path{vpnPath(one, 1, 1), labelled}, true},
		{[]rib.Path{vpnPath(one, 1, 1)}, true},
		{[]rib.Path{vpnPath(one, 1, 1), vpnPath(one, 4, 1)}, true},
		{[]rib.Path{vpnPath(one, 1, 1), vpnPath(one, 4, 2)}, true}, // it leads into blue now
		{nil, true},
		{nil, false},
	} {
		take(in, Destination{RD: 5, Prefix: one}, step.paths...)
		if got := len(red.Take(nil, 10)) > 0; got != step.changed {
			t.Errorf("step %d: red changed: %v", i, got)
		}
	}
}

// TestIntakeDeparts: the paths of a neighbour go, all or those of families, and it counts
// as down where all do, until it is back.
func TestIntakeDeparts(t *testing.T) {
	t.Parallel()
	six := netip.MustParsePrefix("2001:db8::/48")
	peer, other := netip.MustParseAddr("192.0.2.1"), netip.MustParseAddr("192.0.2.2")
	for _, tc := range []struct {
		d    Departure
		left int // of the paths of peer
	}{
		{Departure{peer, []Family{{Of: rib.IPv4}, {Of: rib.IPv6}, {Of: rib.IPv4, VPN: true}, {Of: rib.IPv6, VPN: true}}, true}, 0},
		{Departure{peer, []Family{{Of: rib.IPv4}}, false}, 3},
		{Departure{peer, []Family{{Of: rib.IPv6, VPN: true}, {Of: rib.IPv4, VPN: true}}, false}, 2},
		{Departure{peer, nil, false}, 4},
	} {
		feeds := NewFeeds(redAnd)
		in := NewIntake(redAnd, nil, nil, feeds, NewMarkers(), nil)
		of := func(p rib.Path, id uint32, from netip.Addr) rib.Path {
			p.ID, p.Attrs.Peer = id, from
			return p
		}
		for _, prefix := range []netip.Prefix{one, six} {
			take(in, Destination{Prefix: prefix}, of(globalPath(prefix), 1, peer), of(globalPath(prefix), 2, other))
			take(in, Destination{RD: 5, Prefix: prefix}, of(vpnPath(prefix, 1, 1), 1, peer), of(vpnPath(prefix, 2, 1), 2, other))
		}
		in.Sync()
		in.Depart(tc.d)
		left, others := 0, 0
		for _, vrf := range []string{Default, "red"} {
			f := feedOf(t, feeds, vrf)
			for _, prefix := range []netip.Prefix{one, six} {
				for _, p := range f.Lookup(prefix) {
					if p.Attrs.Peer == peer {
						left++
					} else {
						others++
					}
				}
			}
			if f.Down().Has(peer) != tc.d.Whole || f.Down().Has(other) {
				t.Errorf("%v: down are %v", tc.d, f.Down())
			}
		}
		if left != tc.left || others != 4 {
			t.Errorf("%v: %d paths are left and %d of another neighbour", tc.d, left, others)
		}
		if in.Arrive(peer); len(feedOf(t, feeds, "red").Down()) > 0 {
			t.Errorf("%v: it is down after it came back", tc.d)
		}
	}
}
