package speaker

import (
	"cmp"
	"net/netip"
	"reflect"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// Intake takes the paths of a BGP server's destinations, all of each at a time, and its
// End-of-RIB markers, in their one order, into the feeds of the VRFs that import them. It
// begins with all that the server has, which ends with Sync. A feed that has the same paths
// of a destination already is left alone, so that its reader is not set to work. It has one
// user at a time.
type Intake struct {
	index   *index
	markers *Markers
	awaited map[*rib.Feed][]Marker // of the feeds that are not converged yet
	coming  map[*rib.Feed][]Marker // the same of those that are new since Change, until Complete
	feeds   []*rib.Feed

	// The paths of one destination, gathered until another destination, or the end of
	// a list that belongs together, comes.
	pending []candidate
	at      Destination
	open    bool
	hidden  bool // the best path of the destination is one that readers do not hear of

	synced   bool                     // all that the server has has come
	replaces bool                     // there was an Intake before: feeds may hold more than there is
	global   map[Destination]struct{} // before Sync, where replaces: the index has no global paths
}

// NewIntake makes an Intake for VRFs and neighbours. left, which may be nil, is told of
// a VRF that the best path of a destination led into, and now leads into no more: another
// is the best one, with other route targets, or they have changed.
//
// rules has the leaks beside route targets by the VRF that takes.
func NewIntake(vrfs []VRF, rules map[string][]rib.LeakRule, neighbours []Neighbour, feeds *Feeds, markers *Markers, left func(vrf string)) *Intake {
	byVRF := feeds.ByVRF()
	in := &Intake{
		index:   newIndex(vrfs, rules, byVRF),
		markers: markers,
		awaited: awaited(vrfs, vrfs, rules, neighbours, byVRF),
		coming:  make(map[*rib.Feed][]Marker),
		global:  make(map[Destination]struct{}),
	}
	in.index.left = left
	if len(in.index.leaks.from) > 0 {
		own := awaited(vrfs, vrfs, nil, neighbours, byVRF)
		for _, s := range in.index.leaks.from {
			s.awaits = own[s.feed]
		}
	}
	in.index.leaks.ask()
	for f := range in.awaited {
		in.feeds = append(in.feeds, f)
	}
	return in
}

// Replace says that the feeds have paths of an earlier Intake, which takes nothing any more, of
// which Sync takes out those that have not come again. It is called before the first path.
func (in *Intake) Replace(before *Intake) {
	in.replaces = true
	in.index.leaks.follow(&before.index.leaks)
}

// Leaks are how much comes in by each rule beside route targets.
func (in *Intake) Leaks() []LeakCount { return in.index.leaks.counts() }

// Importers returns the VRFs that import a VPN path with these route targets.
func (in *Intake) Importers(rts []rib.RT) *Importers { return in.index.match(rts) }

// Begin hands over the paths that were gathered of another destination, and says that Add
// is about d from here on. A destination without a path is withdrawn.
func (in *Intake) Begin(d Destination) {
	if in.open && d != in.at {
		in.Flush()
	}
	in.open, in.at = true, d
}

// Add gathers a path of the destination, the best one first, and tells whether it is the
// first. to is Importers of its route targets; of a path of the global table, nil.
func (in *Intake) Add(path rib.Path, to *Importers) (first bool) {
	in.pending = append(in.pending, candidate{path, to})
	return len(in.pending) == 1
}

// Hide says that the next path of the destination is for the neighbours of the VRF that has its
// RD alone. If it is the best one, the destination leads into that VRF.
func (in *Intake) Hide() { in.hidden = in.hidden || len(in.pending) == 0 }

// Flush hands the gathered paths to the feeds. A feed has them in the order of their ids,
// whichever is the best now: that a server prefers another one changes nothing for a reader.
func (in *Intake) Flush() {
	if !in.open {
		return
	}
	var best *Importers
	switch {
	case in.at.EVPN: // GoBGP tells no neighbour in a VRF of it
	case in.hidden:
		best = in.index.intern(slices.Clone(in.index.homes[in.at.RD]))
	case len(in.pending) > 0:
		best = in.pending[0].to
	}
	tellApart(in.pending, in.at.EVPN)
	slices.SortFunc(in.pending, func(a, b candidate) int { return cmp.Compare(a.path.ID, b.path.ID) })
	if in.replaces && !in.synced && in.at.RD == 0 {
		in.global[in.at] = struct{}{}
	}
	in.index.put(in.at, in.pending, best)
	clear(in.pending)
	in.pending, in.open, in.hidden = in.pending[:0], false, false
}

// ByEVPN is set in the ids of paths by EVPN, so that these differ from those of VPN paths of the
// same RD and prefix. A server's own are far smaller.
const ByEVPN uint32 = 1 << 31

// tellApart makes the ids of a destination's paths distinct. A server's own identifiers
// are, and stay with a path; where there is none the position has to do.
func tellApart(paths []candidate, evpn bool) {
	if evpn {
		for i := range paths {
			paths[i].path.ID |= ByEVPN
		}
	}
	for i := range paths {
		for j := range i {
			if paths[j].path.ID == paths[i].path.ID {
				for n := range paths {
					paths[n].path.ID = paths[n].path.ID&ByEVPN | uint32(n+1)
				}
				return
			}
		}
	}
}

// set makes paths all paths of a destination in a feed, unless they are that already.
func set(f *rib.Feed, d Destination, paths []rib.Path) {
	n, same := 0, true
	for _, p := range f.Lookup(d.Prefix) {
		if p.RD == d.RD && p.InEVPN() == d.EVPN {
			same = same && n < len(paths) && equal(&p, &paths[n])
			n++
		}
	}
	switch {
	case same && n == len(paths):
	case d.EVPN:
		f.SetEVPN(d.Prefix, d.RD, paths)
	default:
		f.Set(d.Prefix, d.RD, paths)
	}
}

// equal compares two paths of a destination.
func equal(a, b *rib.Path) bool {
	return a.ID == b.ID && a.Label == b.Label && a.Age == b.Age && (a.Attrs == b.Attrs || reflect.DeepEqual(a.Attrs, b.Attrs))
}

// Sync says that all that the server has has come: it sweeps other paths out of the feeds,
// and tells the feeds of which all markers have come. It returns false where it was called before.
func (in *Intake) Sync() bool {
	if in.synced {
		return false
	}
	in.synced, in.index.read = true, true
	if in.replaces {
		in.sweep()
	}
	in.global = nil
	in.index.leaks.prompt(in.markers)
	in.converge()
	return true
}

func (in *Intake) sweep() {
	for _, f := range in.index.global {
		f.Retain(func(p rib.Path) bool {
			d := DestinationOf(&p)
			_, there := in.global[d]
			return there || p.RD != 0 && in.index.at.of(d).feeds(f)
		})
	}
	for _, f := range in.feeds {
		if !slices.Contains(in.index.global, f) {
			f.Retain(func(p rib.Path) bool { return in.index.at.of(DestinationOf(&p)).feeds(f) })
		}
	}
	for _, l := range in.index.leaks.all {
		l.seed()
		if len(l.waiting) > 0 {
			in.index.leaks.room = append(in.index.leaks.room, l)
		}
	}
	in.index.fillAll()
}

// EndOfRIB takes in a marker. Before Sync it counts, and no feed is told.
func (in *Intake) EndOfRIB(m Marker) {
	in.markers.add(m)
	if in.synced {
		in.index.leaks.prompt(in.markers)
		in.converge()
	}
}

// Departure is of a neighbour whose paths go, all or those of some families. The family of
// a path is that in which the server has it: of a neighbour in a VRF, VPN.
type Departure struct {
	Peer  netip.Addr // as in rib.Attrs
	Gone  []Family
	Whole bool // it was told to go, or its session has ended: no path of it is left
}

// Depart takes the paths of a neighbour that goes out of all feeds, ahead of the server's
// word on each destination. The index keeps them until that comes. What was leaked of them stays
// until the worker of their VRF has chosen others.
func (in *Intake) Depart(d Departure) {
	in.Flush()
	for _, f := range in.feeds {
		if d.Whole {
			f.SetDown(d.Peer, true)
		}
		f.Retain(func(p rib.Path) bool {
			return p.Attrs.Peer != d.Peer || p.Attrs.ByRule || !slices.Contains(d.Gone, FamilyOf(&p))
		})
	}
}

// Arrive says that a neighbour's session is up.
func (in *Intake) Arrive(peer netip.Addr) {
	for _, f := range in.feeds {
		f.SetDown(peer, false)
	}
}

// converge tells the feeds for which all awaited markers have come.
func (in *Intake) converge() {
	for f, list := range in.awaited {
		done := true
		for of := range rib.Families {
			if in.markers.all(list, of) && in.index.leaks.saidAll(f, of) {
				f.SetConverged(of, true)
			} else {
				done = false
			}
		}
		if done {
			delete(in.awaited, f)
		}
	}
}
