package speakertest_test

import (
	"errors"
	"net/netip"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/speakertest"
)

const (
	rtRed  = rib.RT(1)
	rtBlue = rib.RT(2)
)

var one = netip.MustParsePrefix("10.1.0.0/16")

func twoVRFs(neighbours ...speaker.Neighbour) *speakertest.Speaker {
	return speakertest.New([]speaker.VRF{
		{Name: "red", RD: 11, ImportRTs: []rib.RT{rtRed}, ExportRTs: []rib.RT{rtRed}},
		{Name: "blue", RD: 12, ImportRTs: []rib.RT{rtRed, rtBlue}, ExportRTs: []rib.RT{rtBlue}},
	}, neighbours...)
}

// path of a neighbour, in the VPN table where it has route targets.
func path(id uint32, rts ...rib.RT) rib.Path {
	p := rib.Path{Prefix: one, ID: id, Attrs: &rib.Attrs{
		Via: &rib.Via{Peer: netip.MustParseAddr("192.0.2.1")}, Tags: &rib.Tags{RTs: rts}, LocalPref: speaker.DefaultLocalPref,
	}}
	if len(rts) > 0 {
		p.RD = 99
	}
	return p
}

// has is how many paths of the prefix each feed has: of Default, red and blue.
func has(t *testing.T, s *speakertest.Speaker) (n [3]int) {
	t.Helper()
	for i, vrf := range []string{speaker.Default, "red", "blue"} {
		f, err := s.Feed(vrf)
		if err != nil {
			t.Fatal(err)
		}
		n[i] = len(f.Lookup(one))
	}
	return n
}

// TestPathsGoWhereTheirTargetsLead: into the VRFs that import them, and out of those that
// they do not meet any more.
func TestPathsGoWhereTheirTargetsLead(t *testing.T) {
	t.Parallel()
	s := twoVRFs()
	vpn := speaker.Destination{RD: 99, Prefix: one}
	for _, step := range []struct {
		do   func()
		want [3]int
	}{
		{func() { s.Learn(path(1)) }, [3]int{1, 0, 0}},
		{func() { s.Learn(path(1, rtRed)) }, [3]int{1, 1, 1}},
		{func() { s.Learn(path(1, rtBlue)) }, [3]int{1, 0, 1}},
		{func() { s.Withdraw(vpn) }, [3]int{1, 0, 0}},
		{func() { s.Withdraw(speaker.Destination{Prefix: one}) }, [3]int{}},
	} {
		if step.do(); has(t, s) != step.want {
			t.Errorf("the feeds have %v paths, want %v", has(t, s), step.want)
		}
	}
}

// TestAnnouncements: they come back as paths of their VRF, and a server that refuses them
// leaves all as it was.
func TestAnnouncements(t *testing.T) {
	t.Parallel()
	s, ctx := twoVRFs(), t.Context()
	add := []rib.AnnounceChange{{Announcement: rib.Announcement{Prefix: one, MED: 5}}}
	refused := errors.New("refused")
	s.Fail(refused)
	if err := s.Announce(ctx, "red", add); !errors.Is(err, refused) || len(s.Announced("red")) != 0 || has(t, s) != [3]int{} {
		t.Errorf("%v, announced %v, the feeds have %v", err, s.Announced("red"), has(t, s))
	}
	if err := s.Announce(ctx, "red", add); err != nil || len(s.Announced("red")) != 1 || has(t, s) != [3]int{0, 1, 1} {
		t.Errorf("%v, announced %v, the feeds have %v", err, s.Announced("red"), has(t, s))
	}
	f, _ := s.Feed("blue")
	if p := f.Lookup(one)[0]; !p.Attrs.Imported || p.Attrs.Source != "red" || p.RD != 11 || p.Attrs.MED != 5 {
		t.Errorf("it came back as %+v, %+v", p, p.Attrs)
	}
	if list, err := s.Candidates(ctx, "blue", one); err != nil || len(list) != 1 {
		t.Errorf("candidates %v, %v", list, err)
	}
	if err := s.Announce(ctx, "green", add); err == nil {
		t.Error("a VRF that there is not announced")
	}
	add[0].Withdraw = true
	if err := s.Announce(ctx, "red", add); err != nil || len(s.Announced("red")) != 0 || has(t, s) != [3]int{} {
		t.Errorf("%v, announced %v, the feeds have %v", err, s.Announced("red"), has(t, s))
	}
	s.Mute(refused)
	if _, err := s.Candidates(ctx, "red", one); !errors.Is(err, refused) {
		t.Errorf("candidates: %v", err)
	}
}

// TestConvergence: each feed waits for those who feed it.
func TestConvergence(t *testing.T) {
	t.Parallel()
	vpn4 := speaker.Family{Of: rib.IPv4, VPN: true}
	s := twoVRFs(speaker.Neighbour{Address: "192.0.2.1", Families: []speaker.Family{{Of: rib.IPv4}, vpn4}},
		speaker.Neighbour{Address: "192.0.2.2", VRF: "blue", Families: []speaker.Family{{Of: rib.IPv4}}},
		speaker.Neighbour{Address: "192.0.2.3", Down: true, Families: []speaker.Family{{Of: rib.IPv4}}})
	converged := func() (is [3]bool) {
		for i, vrf := range []string{speaker.Default, "red", "blue"} {
			f, _ := s.Feed(vrf)
			is[i] = f.Converged(rib.IPv4)
		}
		return is
	}
	for _, step := range []struct {
		marker speaker.Marker
		want   [3]bool
	}{
		{speaker.Marker{Neighbour: "192.0.2.1", Family: speaker.Family{Of: rib.IPv4}}, [3]bool{true, false, false}},
		{speaker.Marker{Neighbour: "192.0.2.1", Family: vpn4}, [3]bool{true, true, false}},
		{speaker.Marker{Neighbour: "192.0.2.2", Family: speaker.Family{Of: rib.IPv4}}, [3]bool{true, true, true}},
	} {
		if s.EndOfRIB(step.marker); converged() != step.want {
			t.Errorf("after %+v converged are %v, want %v", step.marker, converged(), step.want)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	s := twoVRFs()
	s.Refuse("red", rib.Refusal{Prefix: one, Neighbour: "192.0.2.1", Reason: "too long"})
	other := netip.MustParsePrefix("10.2.0.0/16")
	if len(s.Refused("red", one)) != 1 || len(s.Refused("red", netip.Prefix{})) != 1 || len(s.Refused("red", other))+len(s.Refused("blue", one)) != 0 {
		t.Errorf("%v", s.Refused("red", netip.Prefix{}))
	}
}
