package speaker

import (
	"reflect"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// Intake takes the best paths and the End-of-RIB markers of a BGP server, in their one
// order, into the feeds of the VRFs that import them. It begins with a snapshot of all
// that the server has, which ends with Sync. It has one user at a time.
type Intake struct {
	index   *index
	markers *Markers
	awaited map[*rib.Feed][]Marker // of the feeds that are not converged yet
	feeds   []*rib.Feed

	// The paths of one destination, gathered until another destination, or the end of
	// a list that belongs together, comes.
	pending []candidate
	at      Destination
	open    bool

	synced   bool                     // the snapshot is complete
	replaces bool                     // there was an Intake before: feeds may hold more than there is
	global   map[Destination]struct{} // of the snapshot, where replaces: the index has no global paths
}

// NewIntake makes an Intake for VRFs and neighbours. left, which may be nil, is told of
// a VRF that a destination has left which still has paths: its route targets are others.
func NewIntake(vrfs []VRF, neighbours []Neighbour, feeds *Feeds, markers *Markers, left func(vrf string)) *Intake {
	byVRF := feeds.byVRF()
	in := &Intake{
		index:   newIndex(vrfs, byVRF),
		markers: markers,
		awaited: awaited(vrfs, neighbours, byVRF),
		global:  make(map[Destination]struct{}),
	}
	in.index.left = left
	for f := range in.awaited {
		in.feeds = append(in.feeds, f)
	}
	return in
}

// Replace says that the feeds have paths of an earlier Intake: until Sync, paths that a
// feed has already are left alone there, so that its reader is not set to work, and Sync
// takes out the others. It is called before the first path.
func (in *Intake) Replace() { in.replaces = true }

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

// Flush hands the gathered paths to the feeds.
func (in *Intake) Flush() {
	if !in.open {
		return
	}
	tellApart(in.pending)
	set := setter(func(f *rib.Feed, d Destination, paths []rib.Path) { f.Set(d.Prefix, d.RD, paths) })
	if in.replaces && !in.synced {
		set = setChanged
		if in.at.RD == 0 {
			in.global[in.at] = struct{}{}
		}
	}
	in.index.put(in.at, in.pending, set)
	clear(in.pending)
	in.pending, in.open = in.pending[:0], false
}

// tellApart makes the ids of a destination's paths distinct. A server's own identifiers
// are, and stay with a path; where there is none the position has to do.
func tellApart(paths []candidate) {
	for i := range paths {
		for j := range i {
			if paths[j].path.ID == paths[i].path.ID {
				for n := range paths {
					paths[n].path.ID = uint32(n + 1)
				}
				return
			}
		}
	}
}

// setChanged leaves a feed alone that has the same paths already.
func setChanged(f *rib.Feed, d Destination, paths []rib.Path) {
	var have []rib.Path
	for _, p := range f.Lookup(d.Prefix) {
		if p.RD == d.RD {
			have = append(have, p)
		}
	}
	if !slices.EqualFunc(have, paths, func(a, b rib.Path) bool { return reflect.DeepEqual(a, b) }) {
		f.Set(d.Prefix, d.RD, paths)
	}
}

// Sync ends the snapshot: it sweeps paths that are not in it out of the feeds, and tells
// the feeds of which all markers have come. It returns false where it was called before.
func (in *Intake) Sync() bool {
	if in.synced {
		return false
	}
	in.synced = true
	if in.replaces {
		in.sweep()
	}
	in.global = nil
	in.converge()
	return true
}

func (in *Intake) sweep() {
	for _, f := range in.index.global {
		f.Retain(func(p rib.Path) bool {
			_, there := in.global[Destination{p.RD, p.Prefix}]
			return there
		})
	}
	for _, f := range in.feeds {
		if !slices.Contains(in.index.global, f) {
			f.Retain(func(p rib.Path) bool { return in.index.at[Destination{p.RD, p.Prefix}].feeds(f) })
		}
	}
}

// EndOfRIB takes in a marker. Before Sync it counts, and no feed is told.
func (in *Intake) EndOfRIB(m Marker) {
	in.markers.add(m)
	if in.synced {
		in.converge()
	}
}

// converge tells the feeds for which all awaited markers have come.
func (in *Intake) converge() {
	for f, list := range in.awaited {
		done := true
		for of := range rib.Families {
			if in.markers.all(list, of) {
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
