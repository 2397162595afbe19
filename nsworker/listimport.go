package nsworker

import (
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// importStatus is one kernel route as the import side sees it.
func importStatus(r rib.Route, in rib.Import, announced bool, reason string) rib.RouteStatus {
	st := rib.RouteStatus{Prefix: r.Prefix, State: rib.Filtered, Reason: reason, Route: r}
	if announced {
		st.State, st.Reason, st.MED = rib.Installed, "", in.Announcement.MED
		for _, c := range in.Announcement.Communities {
			st.Comms = append(st.Comms, c.String())
		}
		for _, c := range in.Announcement.Large {
			st.Comms = append(st.Comms, c.String())
		}
	}
	return st
}

// imports reports every foreign route of the table, with what keeps it out of
// BGP where something does.
func (s snapshot) imports(q vrf.RouteQuery, yield func(rib.RouteStatus) bool) {
	prefixes := make([]netip.Prefix, 0, 64)
	for prefix := range s.view.FIB.All() {
		if q.Within == nil || q.Within(prefix) {
			prefixes = append(prefixes, prefix)
		}
	}
	slices.SortFunc(prefixes, comparePrefixes)
	for _, prefix := range prefixes {
		in, _, ok := rib.ImportOne(s.view, s.policy, s.protocol, prefix)
		for _, r := range s.view.FIB.Get(prefix) {
			taken := ok && r.Key() == in.Route.Key() && r.Protocol == in.Route.Protocol
			reason := ""
			if !taken {
				reason = s.leftOut(r)
			}
			st := importStatus(r, in, taken, reason)
			st.Devices = s.devices(r.Hops)
			if q.Wants(prefix, st.State) && !yield(st) {
				return
			}
		}
	}
}

func (s snapshot) leftOut(r rib.Route) string {
	if !s.policy.Enabled {
		return "import is off for this VRF"
	}
	if reason := s.policy.Reject(r, s.view, s.protocol); reason != "" {
		return reason
	}
	return "another route of this prefix has a lower metric"
}
