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
// that none leads into any more is left, and told so.
func TestIntake(t *testing.T) {
	t.Parallel()
	feeds, left := NewFeeds(redAnd), []string(nil)
	in := NewIntake(redAnd, nil, feeds, NewMarkers(), func(vrf string) { left = append(left, vrf) })
	in.Sync()
	red, blue, d := feedOf(t, feeds, "red"), feedOf(t, feeds, "blue"), Destination{RD: 5, Prefix: one}
	for _, step := range []struct {
		paths     []rib.Path
		red, blue []uint32
		left      []string
	}{
		{[]rib.Path{vpnPath(one, 1, 1), vpnPath(one, 2, 2), vpnPath(one, 3, 1, 2)}, []uint32{1, 3}, []uint32{2, 3}, nil},
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
	if len(in.index.at) != 0 {
		t.Errorf("the index keeps %v", in.index.at)
	}
}

// TestIntakeReplaces: what is the same is left alone, and what is not in the snapshot is
// swept when it ends.
func TestIntakeReplaces(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(redAnd)
	first := NewIntake(redAnd, nil, feeds, NewMarkers(), nil)
	for _, prefix := range []netip.Prefix{one, two} {
		take(first, Destination{Prefix: prefix}, globalPath(prefix))
		take(first, Destination{RD: 5, Prefix: prefix}, vpnPath(prefix, 1, 1))
	}
	first.Sync()
	for _, vrf := range []string{Default, "red"} {
		feedOf(t, feeds, vrf).Take(nil, 10)
	}
	second := NewIntake(redAnd, nil, feeds, NewMarkers(), nil)
	second.Replace()
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
