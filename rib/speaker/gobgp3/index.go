package gobgp3

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
)

// importer is a feed that takes VPN paths: a VRF's, or a mirror of it.
type importer struct {
	id   uint32
	vrf  string
	feed *rib.Feed
}

// importers is an interned set of importers, in the order of their ids: equal
// sets are one pointer.
type importers struct{ list []importer }

// candidate is a decoded path and the VRFs whose import RTs it meets.
type candidate struct {
	path rib.Path
	to   *importers
}

// index routes paths to feeds. Its cost for a path does not grow with the
// number of VRFs, but with the number of those that import it. It has one user
// at a time, and is made anew when VRFs or their RTs change.
type index struct {
	global []*rib.Feed
	byRT   map[rib.RT][]importer
	sets   map[string]*importers // by the ids in them
	none   *importers
	// at says which VRFs have paths of a destination now: an update with other
	// RTs must leave the VRFs that it no longer meets, and a withdrawal does
	// not repeat the RTs of everything it takes away.
	at  map[key]*importers
	buf []rib.Path // what a feed is given, and copies
	// left is told of a VRF that a destination left which still has paths; nil: nobody.
	left func(vrf string)
}

func newIndex(vrfs []VRF, feeds sinks) *index {
	x := &index{
		global: feeds[Default],
		byRT:   make(map[rib.RT][]importer),
		sets:   make(map[string]*importers),
		none:   &importers{},
		at:     make(map[key]*importers),
	}
	id := uint32(0)
	for _, v := range vrfs {
		for _, f := range feeds[v.Name] {
			for _, rt := range v.ImportRTs {
				x.byRT[rt] = append(x.byRT[rt], importer{id, v.Name, f})
			}
			id++
		}
	}
	return x
}

// match returns the VRFs that import a path with these RTs.
func (x *index) match(rts []rib.RT) *importers {
	var list []importer
	for _, rt := range rts {
		list = append(list, x.byRT[rt]...)
	}
	return x.intern(list)
}

// intern takes list over.
func (x *index) intern(list []importer) *importers {
	if len(list) == 0 {
		return x.none
	}
	slices.SortFunc(list, func(a, b importer) int { return cmp.Compare(a.id, b.id) })
	list = slices.Compact(list)
	name := make([]byte, 0, 4*len(list))
	for _, m := range list {
		name = binary.BigEndian.AppendUint32(name, m.id)
	}
	if s := x.sets[string(name)]; s != nil {
		return s
	}
	s := &importers{slices.Clip(list)}
	x.sets[string(name)] = s
	return s
}

// setter writes one destination's paths into a feed: Feed.Set, or something
// that leaves out what is there already. Neither keeps paths.
type setter func(f *rib.Feed, k key, paths []rib.Path)

// put makes paths all that there is of destination k; none takes it away.
func (x *index) put(k key, paths []candidate, set setter) {
	if k.rd == 0 {
		for _, f := range x.global {
			set(f, k, x.pathsOf(paths, nil))
		}
		return
	}
	now := x.union(paths)
	old := x.at[k]
	if old != nil && old != now {
		for _, m := range old.list {
			if !now.has(m.id) {
				set(m.feed, k, nil)
				if len(paths) > 0 && x.left != nil {
					x.left(m.vrf)
				}
			}
		}
	}
	for _, m := range now.list {
		set(m.feed, k, x.pathsOf(paths, &m))
	}
	if len(now.list) == 0 {
		delete(x.at, k)
	} else {
		x.at[k] = now
	}
}

// union returns the VRFs that take any of the paths.
func (x *index) union(paths []candidate) *importers {
	if len(paths) == 0 {
		return x.none
	}
	same := true
	for _, c := range paths[1:] {
		same = same && c.to == paths[0].to
	}
	if same {
		return paths[0].to
	}
	var list []importer
	for _, c := range paths {
		list = append(list, c.to.list...)
	}
	return x.intern(list)
}

// pathsOf returns the paths that m takes, all where m is nil, until the next
// call.
func (x *index) pathsOf(paths []candidate, m *importer) []rib.Path {
	clear(x.buf)
	x.buf = x.buf[:0]
	for _, c := range paths {
		if m == nil || c.to.has(m.id) {
			x.buf = append(x.buf, c.path)
		}
	}
	return x.buf
}

func (s *importers) has(id uint32) bool {
	if s == nil {
		return false
	}
	_, found := slices.BinarySearchFunc(s.list, id, func(m importer, id uint32) int { return cmp.Compare(m.id, id) })
	return found
}
