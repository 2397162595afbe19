package rib

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
)

// Selection is how the best path is chosen where an operator wants it otherwise than RFC
// 4271 has it: GoBGP's route-selection-options. It belongs to the whole router.
type Selection struct {
	AlwaysCompareMED        bool // MED is compared between neighbouring ASes too
	IgnoreASPathLength      bool
	ExternalCompareRouterID bool // of two eBGP paths the older one is not preferred
}

// String names what is set, as GoBGP's configuration does; "none": nothing is.
func (by Selection) String() string {
	var set []string
	for _, option := range []struct {
		on   bool
		name string
	}{
		{by.AlwaysCompareMED, "always-compare-med"},
		{by.IgnoreASPathLength, "ignore-as-path-length"},
		{by.ExternalCompareRouterID, "external-compare-router-id"},
	} {
		if option.on {
			set = append(set, option.name)
		}
	}
	return cmp.Or(strings.Join(set, ", "), "none")
}

// Select returns the paths of a prefix that are used: the best one first,
// then those that are as good up to and including eBGP over iBGP and have other
// nexthops, at most maxPaths in all (0 is read as 1). It does not depend on the
// order of paths. The result is written over buf, which must not overlap paths;
// nothing is allocated where buf is large enough.
//
// The order is that of RFC 4271 section 9.1, with LLGR-stale paths last (RFC
// 9494) and the tie-break of RFC 4456 section 9. It goes by elimination, as the
// RFC words it: MED compares only paths of one neighbouring AS, so comparing in
// pairs is not transitive, and its winner would depend on who meets first.
// There is no step for the interior cost, which GoBGP does not have either.
//
// Where several paths may be used, their age does not say which ones are, nor their order
// behind the best one: a restart makes other paths the older ones.
func Select(buf []Path, paths []Path, maxPaths int) []Path {
	return selectOf(buf, paths, maxPaths, Selection{}, nil)
}

// selectOf is Select for a policy: of the paths that are as good as the best one only such
// as carry what it asks for, so that the others take nobody's place among maxPaths. The
// best one stays, and Decide judges it.
func selectOf(buf []Path, paths []Path, maxPaths int, by Selection, policy *ExportPolicy) []Path {
	return selectIn(append(buf[:0], paths...), maxPaths, by, policy)
}

// selectIn is selectOf in place.
func selectIn(rest []Path, maxPaths int, by Selection, policy *ExportPolicy) []Path {
	if len(rest) < 2 {
		return rest
	}
	rest = keepBest(rest, by.beforeMED)
	rest = by.keepLowestMED(rest)
	rest = keepBest(rest, external)
	best := rest[0]
	for _, p := range rest[1:] {
		if c, _ := by.tieBreak(&p, &best); c < 0 {
			best = p
		}
	}
	if maxPaths <= 1 {
		rest[0] = best
		return rest[:1]
	}
	if policy != nil && policy.match(best.Attrs) { // or else it stops them all
		rest = slices.DeleteFunc(rest, func(p Path) bool { return !policy.match(p.Attrs) })
	}
	slices.SortFunc(rest, func(a, b Path) int { c, _ := identity(&a, &b); return c })
	rest = distinct(rest, maxPaths)
	// The best one first, where its nexthop is among them.
	if i := slices.IndexFunc(rest, func(p Path) bool { return sameNexthop(p.Attrs, best.Attrs) }); i >= 0 {
		copy(rest[1:], rest[:i])
		rest[0] = best
	}
	return rest
}

// behind names the step of the decision process by which best, which Select chose among
// all, leaves other behind: "" where nothing tells them apart. MED is not transitive: with
// three paths or more it may be another one than best that has the lower MED.
func (by Selection) behind(best, other *Path, all []Path) string {
	if c, step := by.beforeMED(best, other); c != 0 {
		return step
	}
	for i := range all {
		if c, _ := by.beforeMED(best, &all[i]); c == 0 && by.lower(other, all[i:i+1]) {
			return "MED"
		}
	}
	if c, step := external(best, other); c != 0 {
		return step
	}
	_, step := by.tieBreak(best, other)
	return step
}

// keepBest keeps, in place, the paths that no other beats.
func keepBest(paths []Path, compare func(a, b *Path) (int, string)) []Path {
	kept := 1
	for i := 1; i < len(paths); i++ {
		c, _ := compare(&paths[i], &paths[0])
		if c > 0 {
			continue
		}
		if c < 0 {
			kept = 0
		}
		paths[kept] = paths[i]
		kept++
	}
	return paths[:kept]
}

// keepLowestMED keeps, in place, the paths with the lowest MED of each
// neighbouring AS.
func (by Selection) keepLowestMED(paths []Path) []Path {
	kept := 0
	for i := range paths {
		p := &paths[i]
		// The lowest of each AS stays in one of the two parts.
		if by.lower(p, paths[:kept]) || by.lower(p, paths[i+1:]) {
			continue
		}
		paths[kept] = *p
		kept++
	}
	return paths[:kept]
}

func (by Selection) lower(p *Path, among []Path) bool {
	for i := range among {
		o := among[i].Attrs
		if o.MED < p.Attrs.MED && (by.AlwaysCompareMED || o.neighbourAS() == p.Attrs.neighbourAS()) {
			return true
		}
	}
	return false
}

// distinct keeps, in place, the first path of each nexthop, at most limit.
func distinct(paths []Path, limit int) []Path {
	kept := 0
	for i := range paths {
		p := &paths[i]
		if kept == limit {
			break
		}
		if !slices.ContainsFunc(paths[:kept], func(o Path) bool { return sameNexthop(o.Attrs, p.Attrs) }) {
			paths[kept] = *p
			kept++
		}
	}
	return paths[:kept]
}

// sameNexthop tells whether two paths lead to the same. Each is looked up in the VRF
// that it comes from, and what a VRF imports has no nexthop: it goes where that VRF
// sends it.
func sameNexthop(a, b *Attrs) bool {
	if a.Source != b.Source || a.Imported != b.Imported {
		return false
	}
	return a.Imported || a.Via == b.Via || a.PathNexthop() == b.PathNexthop()
}

func (by Selection) beforeMED(a, b *Path) (int, string) {
	x, y := a.Attrs, b.Attrs
	if c := yesFirst(!x.GivesWay, !y.GivesWay); c != 0 {
		return c, "leaks in a circle"
	}
	if c := yesFirst(!x.Stale, !y.Stale); c != 0 {
		return c, "LLGR-stale"
	}
	if c := cmp.Compare(y.LocalPref, x.LocalPref); c != 0 {
		return c, "local preference"
	}
	if c := yesFirst(x.local(), y.local()); c != 0 {
		return c, "locally originated"
	}
	if c := cmp.Compare(x.ASPathLen, y.ASPathLen); c != 0 && !by.IgnoreASPathLength {
		return c, "AS-path length"
	}
	if c := cmp.Compare(x.Origin, y.Origin); c != 0 {
		return c, "origin"
	}
	return 0, ""
}

func external(a, b *Path) (int, string) {
	if c := yesFirst(!a.Attrs.IBGP, !b.Attrs.IBGP); c != 0 {
		return c, "eBGP over iBGP"
	}
	return 0, ""
}

func (by Selection) tieBreak(a, b *Path) (int, string) {
	if a.Attrs.ebgp() && b.Attrs.ebgp() && !by.ExternalCompareRouterID {
		if c := cmp.Compare(a.Age, b.Age); c != 0 {
			return c, "oldest"
		}
	}
	return identity(a, b)
}

// identity compares by who sent the paths, which a restart does not change.
func identity(a, b *Path) (int, string) {
	x, y := a.Attrs, b.Attrs
	if c := x.originator().Compare(y.originator()); c != 0 {
		return c, "router ID"
	}
	if c := cmp.Compare(x.ClusterLen, y.ClusterLen); c != 0 {
		return c, "cluster list length"
	}
	if c := x.Peer.Compare(y.Peer); c != 0 {
		return c, "neighbour address"
	}
	if c := cmp.Compare(a.RD, b.RD); c != 0 {
		return c, "route distinguisher"
	}
	if c := cmp.Compare(a.ID, b.ID); c != 0 {
		return c, "path ID"
	}
	return 0, ""
}

func (a *Attrs) local() bool { return !a.Peer.IsValid() }
func (a *Attrs) ebgp() bool  { return !a.IBGP && !a.local() }

// neighbourAS is the AS that MED is compared within (RFC 4271 section 9.1.2.2):
// the first of the path, 0 (our own) where that is empty.
func (a *Attrs) neighbourAS() uint32 {
	if len(a.ASPath) == 0 {
		return 0
	}
	return a.ASPath[0]
}

func (a *Attrs) originator() netip.Addr {
	if a.OriginatorID.IsValid() {
		return a.OriginatorID
	}
	return a.RouterID
}

// yesFirst orders true before false.
func yesFirst(a, b bool) int {
	switch {
	case a == b:
		return 0
	case a:
		return -1
	}
	return 1
}
