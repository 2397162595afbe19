package nsworker

import (
	"errors"
	"fmt"
	"strings"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// tell reports the VRF's state where it differs from what was told last.
func (s *session) tell() {
	st := s.status()
	if t := s.told; st.State == t.State && st.Reason == t.Reason && st.Table == t.Table && st.Counts == t.Counts && st.Totals == t.Totals {
		return
	}
	s.told = st
	s.report(st)
}

func (s *session) status() vrf.Status {
	prefixes, waiting := s.feed.Len()
	st := vrf.Status{Table: s.resolver.view.Where.Table, State: vrf.Syncing, Totals: s.totals, Counts: vrf.Counts{
		Paths:      prefixes,
		Imported:   len(s.announced),
		Installed:  s.counts[rib.Installed],
		Filtered:   s.counts[rib.Filtered],
		Unresolved: s.counts[rib.Unresolved],
		Conflict:   s.counts[rib.Conflict],
		OverQuota:  s.counts[rib.OverQuota],
		Failed:     s.counts[rib.Failed],
		Stale:      s.counts[rib.Stale],
		Foreign:    s.resolver.view.FIB.Len(),
	}}
	if s.read && waiting == 0 && len(s.due) == 0 && len(s.extra) == 0 && len(s.importDue) == 0 {
		s.synced = true
	}
	// A route that nobody spoke of since the start may be an earlier tenant's: with
	// one of them the VRF is not ready.
	if !s.synced || s.counts[rib.Stale] > 0 {
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
		if n := s.counts[state]; n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n, state))
		}
	}
	if s.resync.failures > 0 {
		parts = append(parts, "the table cannot be read")
	}
	if s.announceFailures > 0 {
		parts = append(parts, "announcements are not taken by BGP")
	}
	return strings.Join(parts, ", ")
}

// tally counts the kernel's answer to one change of a route.
func (s *session) tally(op rib.Op, err error) {
	switch {
	case errors.Is(err, rib.ErrExists):
		s.totals.Conflicts++
	case err != nil:
		s.totals.Refused++
	case op == rib.OpAdd:
		s.totals.Added++
	case op == rib.OpReplace:
		s.totals.Replaced++
	case op == rib.OpDelete:
		s.totals.Deleted++
	}
}
