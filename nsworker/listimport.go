package nsworker

import (
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// importStatus is one kernel route as the import side sees it, of a prefix of which in is
// announced.
func importStatus(r rib.JudgedRoute, in rib.Import) rib.RouteStatus {
	st := rib.RouteStatus{Prefix: r.Route.Prefix, State: rib.Filtered, Reason: r.Reason.String(), Route: r.Route}
	if r.Reason.Cause == rib.Accepted {
		st.State, st.MED = rib.Installed, in.Announcement.MED
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
	for prefix := range s.view.Foreign.All() {
		if q.Within == nil || q.Within(prefix) {
			prefixes = append(prefixes, prefix)
		}
	}
	slices.SortFunc(prefixes, comparePrefixes)
	var t rib.Trace
	for _, prefix := range prefixes {
		in, _ := rib.DecideImport(s.importing, s.view, prefix, &t)
		for _, r := range t.Routes {
			st := importStatus(r, in)
			st.Devices = s.devices(r.Route.Hops)
			if q.Wants(prefix, st.State) && !yield(st) {
				return
			}
		}
	}
}
