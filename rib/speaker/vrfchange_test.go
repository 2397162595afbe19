package speaker

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// changed is what Change and Feeds are given where some VRFs are replaced by others.
func changed(in *Intake, feeds *Feeds, before, after []VRF, neighbours ...Neighbour) (come []*rib.Feed, is bool) {
	without := func(list, of []VRF) []VRF {
		return slices.DeleteFunc(slices.Clone(list), func(v VRF) bool { _, is := FindVRF(of, v.Name); return is })
	}
	feeds.Add(after)
	gone := feeds.Keep(after)
	new := without(after, before)
	is = in.Change(after, without(before, after), new, neighbours, feeds)
	gone.Empty()
	for _, v := range new {
		come = append(come, feeds.ByVRF()[v.Name]...)
	}
	return come, is
}

// TestIntakeChanges: an Intake goes on with a VRF that comes and without one that goes. The new one is
// converged when all that leads into it has come, and not before; nobody is told that a path left the
// one that is gone, nor its feed of any more.
func TestIntakeChanges(t *testing.T) {
	t.Parallel()
	pe := Neighbour{Address: "192.0.2.1", Families: []Family{{VPN: true, Of: rib.IPv4}, {VPN: true, Of: rib.IPv6}}}
	feeds, left := NewFeeds(redAnd), []string(nil)
	in := NewIntake(redAnd, nil, []Neighbour{pe}, feeds, NewMarkers(), func(vrf string) { left = append(left, vrf) })
	green := VRF{Name: "green", RD: 3, ImportRTs: []rib.RT{1, 3}}
	if _, is := changed(in, feeds, redAnd, redAnd, pe); is {
		t.Error("it goes on before it has all that there is")
	}
	in.Sync()
	d := Destination{RD: 5, Prefix: one}
	take(in, d, vpnPath(one, 1, 1), vpnPath(one, 2, 3))
	red := feedOf(t, feeds, "red")
	come, is := changed(in, feeds, redAnd, []VRF{redAnd[0], green}, pe)
	if !is || len(come) != 1 {
		t.Fatalf("it does not go on, with %d new feeds", len(come))
	}
	now := feedOf(t, feeds, "green")
	for _, f := range pe.Families {
		in.EndOfRIB(Marker{Neighbour: pe.Address, Family: f})
	}
	if now.Converged(rib.IPv4) {
		t.Error("the new feed is converged before all has come that leads into it")
	}
	if !feedOf(t, feeds, "blue").Converged(rib.IPv4) {
		t.Error("another feed is not converged")
	}
	take(in, Destination{RD: 5, Prefix: two}, vpnPath(two, 1, 1)) // meanwhile
	take(in, d, vpnPath(one, 1, 1), vpnPath(one, 2, 3))
	in.Complete(come)
	if !now.Converged(rib.IPv4) || !slices.Equal(ids(now, one), []uint32{1, 2}) || !slices.Equal(ids(now, two), []uint32{1}) {
		t.Errorf("the new feed has %v and %v, converged: %v", ids(now, one), ids(now, two), now.Converged(rib.IPv4))
	}
	take(in, d, vpnPath(one, 2, 2))
	if n, _ := red.Len(); n != 0 || !slices.Equal(left, []string{"green"}) {
		t.Errorf("the VRF that is gone has %d prefixes, and left %v", n, left)
	}
}

// TestIntakeWears: what an Intake keeps of VRFs that are gone has an end.
func TestIntakeWears(t *testing.T) {
	t.Parallel()
	feeds := NewFeeds(redAnd)
	in := NewIntake(redAnd, nil, nil, feeds, NewMarkers(), nil)
	in.Sync()
	before, n := redAnd, 0
	for is := true; is; n++ {
		if n > 2*wornAt {
			t.Fatal("it never has to be made anew")
		}
		after := append(slices.Clone(redAnd), VRF{Name: fmt.Sprint("v", n), RD: 9, ImportRTs: []rib.RT{1}})
		_, is = changed(in, feeds, before, after)
		before = after
	}
	if n < wornAt {
		t.Errorf("it has to be made anew after %d changes", n)
	}
}

// TestIntakeChangesAtRandom: whatever VRFs come and go while paths do, each feed has what a new Intake
// would give it.
func TestIntakeChangesAtRandom(t *testing.T) {
	t.Parallel()
	for seed := range uint64(50) {
		r := rand.New(rand.NewPCG(seed, 1))
		vrfs := func() (list []VRF) {
			for i := range 6 {
				if r.IntN(2) == 0 {
					list = append(list, VRF{Name: fmt.Sprint("v", i), RD: rib.RD(i + 1), ImportRTs: []rib.RT{rib.RT(i % 4), rib.RT(4 + i%3)}})
				}
			}
			return list
		}
		before := vrfs()
		feeds := NewFeeds(before)
		in := NewIntake(before, nil, nil, feeds, NewMarkers(), nil)
		in.Sync()
		server := make(map[Destination][]rib.Path)
		update := func() {
			prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, byte(r.IntN(8))}), 16)
			d, paths := Destination{RD: 5, Prefix: prefix}, []rib.Path(nil)
			for id := range uint32(r.IntN(3)) {
				paths = append(paths, vpnPath(prefix, id+1, rib.RT(r.IntN(8)), rib.RT(r.IntN(8))))
			}
			server[d] = paths
			take(in, d, paths...)
		}
		for range 40 {
			update()
			after := vrfs()
			come, is := changed(in, feeds, before, after)
			if !is {
				t.Fatal("it does not go on")
			}
			update()
			for d, paths := range server {
				take(in, d, paths...)
			}
			in.Complete(come)
			before = after
			want := NewFeeds(after)
			fresh := NewIntake(after, nil, nil, want, NewMarkers(), nil)
			for d, paths := range server {
				take(fresh, d, paths...)
			}
			for _, v := range after {
				for d := range server {
					got, want := ids(feedOf(t, feeds, v.Name), d.Prefix), ids(feedOf(t, want, v.Name), d.Prefix)
					if !slices.Equal(got, want) {
						t.Fatalf("seed %d: %s has paths %v of %s, want %v", seed, v.Name, got, d.Prefix, want)
					}
				}
			}
		}
	}
}
