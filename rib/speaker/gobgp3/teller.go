package gobgp3

import (
	"slices"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// What neighbours are told of prefixes with flagged paths is told from here: of many
// prefixes at once, which GoBGP then packs, and with flagged paths in neither of the two
// lists by which GoBGP sees what changed.

const (
	// toldAtOnce is of how many prefixes neighbours are told in one turn of the loop, at
	// most: with many neighbours, above all in VRFs, for which GoBGP compiles regular
	// expressions, it takes longer, and it is fewer, but no fewer than toldAtLeast.
	toldAtOnce  = 200
	toldAtLeast = 10
	// tellingTakes is how long it may take.
	tellingTakes = 10 * time.Millisecond
)

// batch is of how many prefixes neighbours are told in the next turn.
type batch int

// took adapts it to how long the last turn took for n of them.
func (a *batch) took(n int, d time.Duration) {
	switch {
	case d > tellingTakes:
		*a = max(toldAtLeast, *a/2)
	case d < tellingTakes/4 && n >= int(*a):
		*a = min(toldAtOnce, *a*2)
	}
}

// tellOwed tells the neighbours what is owed to them, as far as one turn goes, and returns
// whether there is more.
func (f *flags) tellOwed() (more bool) {
	if len(f.owed) == 0 {
		return false
	}
	began := time.Now()
	some := f.owed[:min(len(f.owed), int(f.batch))]
	byFamily := make(map[bgp.RouteFamily][]*bgpUpdate)
	for _, at := range some {
		if u := f.settle(at); u != nil {
			byFamily[at.family] = append(byFamily[at.family], u)
		}
	}
	if f.owed = f.owed[len(some):]; len(f.owed) == 0 {
		f.owed = nil
	}
	for _, updates := range byFamily {
		f.tell(updates)
	}
	f.batch.took(len(some), time.Since(began))
	return len(f.owed) > 0
}

// settle returns what neighbours are to be told of a place, and takes them to be told it;
// nil: nothing. A place without flagged paths is held no longer.
func (f *flags) settle(at place) *bgpUpdate {
	held := f.held[at.family]
	told, is := held[at.key]
	if !is {
		return nil
	}
	valid, flagged := f.valid(at)
	best := bestOf(valid)
	if flagged {
		held[at.key] = best
	} else {
		delete(held, at.key)
	}
	if best == told {
		return nil
	}
	u := &bgpUpdate{KnownPathList: slices.Clone(valid)} // GoBGP changes its list in place
	if told != nil {
		u.OldKnownPathList = []*bgpPath{told}
	}
	return u
}

// owe notes a held place, where something is to be told or it need not be held any more.
func (f *flags) owe(at place) {
	valid, flagged := f.valid(at)
	if !flagged || bestOf(valid) != f.held[at.family][at.key] {
		f.owed = append(f.owed, at)
	}
}

// valid are the paths of a place without the flag, as a part of GoBGP's own list. flagged
// tells whether there are others.
func (f *flags) valid(at place) (paths []*bgpPath, flagged bool) {
	d := f.rib().Tables[at.family].destinations[at.key]
	if d == nil {
		return nil, false
	}
	d.putFlaggedLast()
	n := len(d.knownPathList)
	for n > 0 && d.knownPathList[n-1].IsNexthopInvalid {
		n--
	}
	return d.knownPathList[:n:n], n < len(d.knownPathList)
}

// tell tells the neighbours of changes of one family; nothing, where there are none.
func (f *flags) tell(updates []*bgpUpdate) {
	var some *bgpPath // GoBGP takes the family from it
	for _, u := range updates {
		if some = bestOf(u.KnownPathList); some == nil {
			some = bestOf(u.OldKnownPathList)
		}
		if some != nil {
			break
		}
	}
	if some == nil {
		return
	}
	f.hush.set(false)
	f.telling = true
	defer func() { f.telling = false }()
	// No path comes or goes by that; but the watch has to see which one is the best now, for
	// the VRFs into which that one does not lead (leavers).
	f.changes.foretelling(func() { serverTellNeighbors(f.server(), f.rib(), nil, some, updates, true) })
	f.replaced.take()
}

// without is what neighbours are to be told of a change of our own that was made to
// GoBGP's table: the change itself, where flagged paths have nothing to do with it.
func (f *flags) without(u *bgpUpdate) *bgpUpdate {
	if !f.armed || len(u.KnownPathList)+len(u.OldKnownPathList) == 0 {
		return u
	}
	nlri := slices.Concat(u.KnownPathList, u.OldKnownPathList)[0].origin().nlri
	family := bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI())
	held, is := f.held[family]
	if !is {
		return u
	}
	at := place{family, tableKey(f.rib().Tables[family], nlri)}
	if _, is = held[at.key]; !is {
		if len(u.KnownPathList) == 0 || !f.isWithheld(u.KnownPathList[0], family) {
			return u
		}
		held[at.key] = bestOf(u.OldKnownPathList)
	}
	if d := f.rib().Tables[family].destinations[at.key]; d != nil {
		f.align(d, family)
	}
	if told := f.settle(at); told != nil {
		return told
	}
	return &bgpUpdate{}
}
