// Package speakertest has a speaker that a test feeds by hand, so that whatever takes
// its routes from a speaker, or announces through it, can be tested without a BGP server.
//
// It is made of the parts of package speaker that every speaker is made of, so it keeps
// their promises: a path goes into the feeds of the VRFs whose import route targets it
// meets and leaves those that it does not meet any more; the announcement of a VRF comes
// back as a path of that VRF, marked as imported, into each VRF that imports its targets;
// a feed converges when all neighbours of New have sent their End-of-RIB. What it does
// not promise is BGP: it chooses among the paths of a destination by rib.Select, and a
// path stands until the test withdraws it.
//
// A Speaker owns all its state, under one lock, and is safe for concurrent use. Begin
// with New and Learn.
package speakertest

import (
	"cmp"
	"context"
	"net/netip"
	"slices"
	"sync"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// Speaker is a speaker that is fed by hand.
type Speaker struct {
	feeds     *speaker.Feeds
	announcer *speaker.Announcer
	vrfs      []speaker.VRF
	// neighbours and markers are those of each intake.
	neighbours []speaker.Neighbour
	markers    *speaker.Markers

	mu       sync.Mutex
	intake   *speaker.Intake                      // guarded by mu
	learned  map[speaker.Destination][]rib.Path   // guarded by mu
	injected map[string]map[netip.Prefix]rib.Path // guarded by mu; by VRF
	refused  map[string][]rib.Refusal             // guarded by mu; by VRF
	failing  []error                              // guarded by mu; of the next injections
	silent   error                                // guarded by mu; of questions for candidates
	// unreached is guarded by mu.
	unreached map[string]map[rib.PathNexthop]struct{}
}

// New returns a speaker with VRFs, beside Default, and the neighbours whose End-of-RIB
// their feeds wait for. It has no routes.
func New(vrfs []speaker.VRF, neighbours ...speaker.Neighbour) *Speaker {
	s := &Speaker{
		feeds: speaker.NewFeeds(vrfs), vrfs: vrfs, neighbours: neighbours, markers: speaker.NewMarkers(),
		learned: make(map[speaker.Destination][]rib.Path), injected: make(map[string]map[netip.Prefix]rib.Path),
		refused: make(map[string][]rib.Refusal), unreached: make(map[string]map[rib.PathNexthop]struct{}),
	}
	s.announcer = speaker.NewAnnouncer(injector{s}, s.feeds)
	s.intake = speaker.NewIntake(vrfs, nil, neighbours, s.feeds, s.markers, nil)
	s.intake.Sync()
	return s
}

// Feed returns the mailbox of a VRF.
func (s *Speaker) Feed(vrf string) (*rib.Feed, error) { return s.feeds.Feed(vrf) }

// Announced returns what is announced for a VRF, by prefix.
func (s *Speaker) Announced(vrf string) []rib.Announcement { return s.announcer.Announced(vrf) }

// Announce makes changes to what a VRF announces.
func (s *Speaker) Announce(ctx context.Context, vrf string, changes []rib.AnnounceChange) error {
	return s.announcer.Announce(ctx, vrf, changes)
}

// Confirmed does nothing: it has no neighbours to tell.
func (s *Speaker) Confirmed(string, bool, []rib.Confirmation) {}

// Takes has no PE to tell.
func (s *Speaker) Takes(_ string, _ rib.Carried, told func()) { told() }

// Chose takes in what a VRF chose, of which others leak.
func (s *Speaker) Chose(vrf string, list []rib.Choice) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intake.Chose(vrf, list)
}

// Leak has VRFs leak from others by rules, instead of those of before.
func (s *Speaker) Leak(rules map[string][]rib.LeakRule) {
	s.mu.Lock()
	defer s.mu.Unlock()
	before := s.intake
	s.intake = speaker.NewIntake(s.vrfs, rules, s.neighbours, s.feeds, s.markers, nil)
	s.intake.Replace(before)
	for d := range s.learned {
		s.feed(d)
	}
	for _, ours := range s.injected {
		for _, p := range ours {
			s.feed(speaker.Destination{RD: p.RD, Prefix: p.Prefix})
		}
	}
	s.intake.Sync()
}

// Offers returns nothing: whatever it learns it has.
func (s *Speaker) Offers(context.Context, string, netip.Prefix) ([]rib.Offer, error) { return nil, nil }

// Telling returns nothing: it has no neighbours to tell.
func (s *Speaker) Telling(string, netip.Prefix) (rib.Telling, error) { return rib.Telling{}, nil }

// Candidates returns every path of a prefix: of the global table for Default, else those
// with an RD, whatever their route targets; or the error of Mute.
func (s *Speaker) Candidates(_ context.Context, vrf string, prefix netip.Prefix) ([]rib.Path, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.silent != nil {
		return nil, s.silent
	}
	global := vrf == speaker.Default
	var list []rib.Path
	for d, paths := range s.learned {
		if d.Prefix == prefix && (d.RD == 0) == global {
			list = append(list, paths...)
		}
	}
	for name, ours := range s.injected {
		if p, is := ours[prefix]; is && (name == speaker.Default) == global {
			list = append(list, p)
		}
	}
	slices.SortStableFunc(list, func(a, b rib.Path) int { return cmp.Compare(a.RD, b.RD) })
	return list, nil
}

// Refused returns what Refuse was given for a VRF, of a prefix; of no prefix: all.
func (s *Speaker) Refused(vrf string, prefix netip.Prefix) (list []rib.Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, r := range s.refused[vrf] {
		if !prefix.IsValid() || r.Prefix == prefix {
			list = append(list, r)
		}
	}
	return list
}

// Learn makes these paths all paths of their destinations that neighbours have sent.
func (s *Speaker) Learn(paths ...rib.Path) {
	s.mu.Lock()
	defer s.mu.Unlock()
	fresh := make(map[speaker.Destination][]rib.Path)
	for _, p := range paths {
		d := speaker.DestinationOf(&p)
		fresh[d] = append(fresh[d], p)
	}
	for d, list := range fresh {
		s.learned[d] = list
		s.feed(d)
	}
}

// Withdraw takes the paths of destinations away that neighbours have sent.
func (s *Speaker) Withdraw(destinations ...speaker.Destination) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, d := range destinations {
		delete(s.learned, d)
		s.feed(d)
	}
}

// EndOfRIB is a neighbour's marker for a family.
func (s *Speaker) EndOfRIB(m speaker.Marker) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.intake.EndOfRIB(m)
}

// Refuse adds to what is refused of a VRF's neighbours.
func (s *Speaker) Refuse(vrf string, list ...rib.Refusal) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.refused[vrf] = append(s.refused[vrf], list...)
}

// Fail has the next announcements fail, one with each error, as a server that refuses
// them: all is as it was.
func (s *Speaker) Fail(errs ...error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.failing = append(s.failing, errs...)
}

// Mute has Candidates fail until it is called with nil.
func (s *Speaker) Mute(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.silent = err
}

// feed puts the best path of a destination into the feeds. The caller holds mu.
func (s *Speaker) feed(d speaker.Destination) {
	s.intake.Begin(d)
	if paths := s.paths(d); len(paths) > 0 {
		for _, p := range rib.Select(nil, paths, 1) {
			var to *speaker.Importers
			if d.RD != 0 {
				to = s.intake.Importers(p.Attrs.RTs)
			}
			s.intake.Add(p, to)
		}
	}
	s.intake.Flush()
}

// paths are all paths of a destination. The caller holds mu.
func (s *Speaker) paths(d speaker.Destination) []rib.Path {
	list := slices.Clone(s.learned[d])
	for _, ours := range s.injected {
		if p, is := ours[d.Prefix]; is && p.RD == d.RD {
			list = append(list, p)
		}
	}
	return list
}

// injector takes announcements as a server does.
type injector struct{ s *Speaker }

// Inject implements speaker.Injector.
func (in injector) Inject(vrf string, changes []rib.AnnounceChange) error {
	in.s.mu.Lock()
	defer in.s.mu.Unlock()
	if len(in.s.failing) > 0 {
		err := in.s.failing[0]
		in.s.failing = in.s.failing[1:]
		return err
	}
	ours := in.s.injected[vrf]
	if ours == nil {
		ours = make(map[netip.Prefix]rib.Path)
		in.s.injected[vrf] = ours
	}
	v, _ := speaker.FindVRF(in.s.vrfs, vrf)
	for _, c := range changes {
		if c.Withdraw {
			delete(ours, c.Prefix)
		} else {
			ours[c.Prefix] = speaker.Announced(v, vrf, c.Announcement)
		}
		in.s.feed(speaker.Destination{RD: v.RD, Prefix: c.Prefix})
	}
	return nil
}

// Injected implements speaker.Injector.
func (in injector) Injected(_ context.Context, vrf string, want []rib.Announcement) (map[netip.Prefix]bool, error) {
	in.s.mu.Lock()
	defer in.s.mu.Unlock()
	there := make(map[netip.Prefix]bool)
	for _, a := range want {
		if _, is := in.s.injected[vrf][a.Prefix]; is {
			there[a.Prefix] = true
		}
	}
	return there, nil
}

// Unreached is heeded by no one here: all paths are told.
func (s *Speaker) Unreached(vrf string, of map[rib.PathNexthop]struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.unreached[vrf] = of
}

// NotReached is what Unreached was last told of a VRF.
func (s *Speaker) NotReached(vrf string) map[rib.PathNexthop]struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.unreached[vrf]
}
