package nsworker

import "github.com/vrfredist/vrfredist/rib"

// quota gives an entry that is wanted a place, or marks it over the quota; one that is
// wanted no longer gives its place back, which admit gives to another.
func (r *routes) quota(slot rib.Slot, e *route, wanted bool) {
	switch n := &e.Note; {
	case wanted && !n.counts && r.wanted >= r.spec.Export.Quota() && e.Have == nil: // those there stay
		r.setState(slot, e, rib.OverQuota)
		r.over[slot] = struct{}{}
		return
	case wanted && !n.counts:
		n.counts = true
		r.wanted++
	case !wanted && n.counts:
		n.counts = false
		r.wanted--
	}
	if e.Note.state == rib.OverQuota {
		r.setState(slot, e, 0)
	}
}

// admit marks as many of the prefixes that the quota kept out as there are places.
func (r *routes) admit() {
	free := r.spec.Export.Quota() - r.wanted
	for slot := range r.over {
		if free--; free < 0 {
			return
		}
		r.Mark(slot, r.Find(slot))
	}
}

// setState moves an entry to a state, and keeps the counts.
func (r *routes) setState(slot rib.Slot, e *route, state rib.State) {
	was := e.Note.state
	if was == state {
		return
	}
	switch was {
	case rib.Failed:
		r.Accepted(slot)
	case rib.OverQuota:
		delete(r.over, slot)
	}
	counts := &r.counts[e.Family()]
	counts[was]--
	counts[state]++
	e.Note.state = state
	ownRoutes{r}.changed(slot)
	if r.tellState != nil {
		r.tellState(slot, e)
	}
}

// inState counts the entries of both families that are in a state.
func (r *routes) inState(state rib.State) int {
	return r.counts[rib.IPv4][state] + r.counts[rib.IPv6][state]
}

// ownImports counts the prefixes whose best path is the VRF's own import.
func (r *routes) ownImports() int {
	n := 0
	for _, e := range r.All {
		if e.Note.out == rib.OwnImport && e.Note.state == rib.Filtered {
			n++
		}
	}
	return n
}

// isStale tells whether the entry of a slot is of an earlier run.
func (r *routes) isStale(slot rib.Slot) bool {
	e := r.Find(slot)
	return e != nil && e.Note.state == rib.Stale
}

// dropStale has the standing routes of a family go that BGP has not spoken of, and returns how
// many they are. What BGP has another way for is moved to it.
func (r *routes) dropStale(of rib.Family) (n int) {
	for slot, e := range r.All {
		if e.Note.state == rib.Stale && e.Is(of) {
			if e.Want == nil {
				n++
			}
			r.setState(slot, e, 0)
			r.MarkAnew(slot, e) // a policy may reject all paths that there are
		}
	}
	r.backups.sweep(of)
	return n
}

// unbar has every nexthop count again.
func (r *routes) unbar() {
	for slot := range r.barred {
		if e := r.Find(slot); e != nil {
			r.MarkAnew(slot, e)
		}
	}
	clear(r.barred)
}
