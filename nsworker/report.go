package nsworker

import (
	"fmt"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// tell reports the VRF's state where it differs from what was told last.
func (s *session) tell() {
	st := s.status()
	if st == s.told {
		return
	}
	s.told = st
	s.report(st)
}

func (s *session) status() vrf.WorkerStatus {
	prefixes, waiting := s.feed.Len()
	st := vrf.WorkerStatus{Table: s.resolver.view.Where.Table, State: vrf.Syncing, Totals: s.totals, Fights: s.fight.fights()}
	for f := range rib.Families {
		st.Counts[f] = s.countsOf(f)
	}
	if s.read && waiting == 0 && s.due.waiting == 0 && len(s.extra) == 0 && len(s.importDue) == 0 {
		s.synced = true
	}
	st.Progress = s.progress(prefixes, waiting)
	// A route that nobody spoke of since the start may be an earlier tenant's: with
	// one of them the VRF is not ready.
	if !s.synced || s.inState(rib.Stale) > 0 {
		return st
	}
	st.State = vrf.Ready
	if st.Reason = s.trouble(); st.Reason != "" {
		st.State = vrf.Degraded
	}
	return st
}

// trouble counts what is not as it should be.
func (s *session) trouble() string {
	var parts []string
	for _, state := range []rib.State{rib.Failed, rib.Conflict, rib.OverQuota, rib.Unresolved} {
		if n := s.inState(state); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	fights := s.fight.fights()
	if n := fights.Routes; n > 0 {
		parts = append(parts, fmt.Sprintf("another program keeps changing %s of ours", plural(n, "route")))
	}
	if n := fights.Nexthops; n > 0 {
		parts = append(parts, fmt.Sprintf("another program keeps changing %s of ours", plural(n, "nexthop object")))
	}
	if n := fights.Strangers; n > 0 {
		parts = append(parts, fmt.Sprintf("another program keeps adding %s under our protocol", plural(n, "route")))
	}
	if s.resync.failures > 0 {
		parts = append(parts, "the table cannot be read")
	}
	if s.announceFailures > 0 {
		parts = append(parts, "announcements are not taken by BGP")
	}
	return strings.Join(parts, ", ")
}

// inState counts the entries of both families that are in a state.
func (s *session) inState(state rib.State) int {
	return s.counts[rib.IPv4][state] + s.counts[rib.IPv6][state]
}

// ownImports counts the prefixes whose best path is the VRF's own import.
func (s *session) ownImports() int {
	n := 0
	for _, e := range s.entries.All {
		if e.used() && e.left == ownImport && e.state == rib.Filtered {
			n++
		}
	}
	return n
}

func (s *session) countsOf(f rib.Family) vrf.Counts {
	n := &s.counts[f]
	paths, _ := s.feed.LenOf(f)
	imported := s.announced6
	if f == rib.IPv4 {
		imported = len(s.announced) - s.announced6
	}
	return vrf.Counts{
		Paths: paths, Imported: imported, Installed: n[rib.Installed], Filtered: n[rib.Filtered], Unresolved: n[rib.Unresolved],
		Conflict: n[rib.Conflict], OverQuota: n[rib.OverQuota], Failed: n[rib.Failed], Stale: n[rib.Stale],
		Foreign: s.resolver.view.FIB.Count(f),
	}
}

// tally counts the kernel's answer to one change of a route.
func (s *session) tally(c rib.Change, err error) {
	s.totals.Writes[rib.FamilyOf(c.Route.Prefix)].Wrote(c.Op, err)
}
