package nsworker

import (
	"fmt"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// tell reports the VRF's state where it differs from what was told last.
func (s *tableSync) tell() { s.tellStatus(s.status(false)) }

func (s *tableSync) tellStatus(st vrf.Status) {
	if t := s.told; st.State == t.State && st.Reason == t.Reason && st.Table == t.Table && st.Counts == t.Counts && st.Totals == t.Totals && st.Fights == t.Fights && st.Progress == t.Progress {
		return
	}
	s.told = st
	s.report(st)
}

// status is what to report; reading says that the table is being read.
func (s *tableSync) status(reading bool) vrf.Status {
	prefixes, waiting := s.feed.Len()
	st := vrf.Status{Table: s.sets.Resolver.View.Where.Table, State: vrf.Syncing, Totals: s.totalsNow(), Fights: s.fights(), Counts: vrf.Counts{
		Paths:      prefixes,
		Imported:   s.announced.total(),
		Installed:  s.routes.inState(rib.Installed),
		Filtered:   s.routes.inState(rib.Filtered),
		Unresolved: s.routes.inState(rib.Unresolved),
		Conflict:   s.routes.inState(rib.Conflict),
		OverQuota:  s.routes.inState(rib.OverQuota),
		Failed:     s.routes.inState(rib.Failed),
		Stale:      s.routes.inState(rib.Stale),
		Foreign:    s.sets.Resolver.View.Foreign.Len(),
		IPv6:       s.countIPv6(),
	}}
	if s.phase == catchUp && waiting == 0 && s.routes.idle() && s.announced.Idle() {
		s.phase = inStep
	}
	st.Progress = s.progress(prefixes, waiting, reading)
	// A route that nobody spoke of since the start may be an earlier tenant's: with
	// one of them the VRF is not ready.
	if !s.phase.synced() || s.routes.inState(rib.Stale) > 0 {
		return st
	}
	st.State = vrf.Ready
	if st.Reason = s.trouble(); st.Reason != "" {
		st.State = vrf.Degraded
	}
	return st
}

// trouble counts what is not as it should be.
func (s *tableSync) trouble() string {
	var parts []string
	for _, state := range []rib.State{rib.Failed, rib.Conflict, rib.OverQuota, rib.Unresolved} {
		if n := s.routes.inState(state); n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	fights := s.fights()
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
	if s.announced.failed > 0 {
		parts = append(parts, "announcements are not taken by BGP")
	}
	return strings.Join(parts, ", ")
}

// fights counts what is left alone.
func (s *tableSync) fights() vrf.Fights {
	return vrf.Fights{Routes: s.routes.AllLeftAlone(), Strangers: s.routes.surplus.contest.Len(), Nexthops: s.sets.Objects.LeftAlone()}
}

// totalsNow are the worker's totals, with what its ledgers count.
func (s *tableSync) totalsNow() vrf.Totals {
	t := s.totals
	for f := range rib.Families {
		for d := range s.drifts.Found[f] {
			t.Found[d] += s.drifts.Found[f][d]
			t.Mended[d] += s.drifts.Mended[f][d]
		}
	}
	t.Found6, t.Mended6 = s.drifts.Found[rib.IPv6], s.drifts.Mended[rib.IPv6]
	return t
}

func (s *tableSync) countIPv6() vrf.FamilyCounts {
	n := &s.routes.counts[rib.IPv6]
	paths, _ := s.feed.LenOf(rib.IPv6)
	return vrf.FamilyCounts{
		Paths: paths, Imported: s.announced.counts[rib.IPv6], Installed: n[rib.Installed], Filtered: n[rib.Filtered], Unresolved: n[rib.Unresolved],
		Conflict: n[rib.Conflict], OverQuota: n[rib.OverQuota], Failed: n[rib.Failed], Stale: n[rib.Stale],
		Foreign: s.sets.Resolver.View.Foreign.Count(rib.IPv6),
	}
}

// tally counts the kernel's answer to one change of a route.
func (s *tableSync) tally(c rib.Change, err error) {
	s.totals.Wrote(c.Op, err)
	if rib.FamilyOf(c.Route.Prefix) == rib.IPv6 {
		s.totals.IPv6.Wrote(c.Op, err)
	}
}
