package nsworker

import (
	"context"
	"net/netip"
	"slices"
	"strconv"
	"strings"

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

// imports reports every route that may be announced, with what keeps it out of BGP where
// something does.
func (w *Worker) imports(ctx context.Context, snap snapshot, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) error {
	prefixes := make([]netip.Prefix, 0, 64)
	if q.Only.IsValid() {
		if snap.importing.Has(snap.view, q.Only) {
			prefixes = append(prefixes, q.Only)
		}
	} else {
		for prefix := range snap.importing.Prefixes(snap.view) {
			if q.Within == nil || q.Within(prefix) {
				prefixes = append(prefixes, prefix)
			}
		}
	}
	slices.SortFunc(prefixes, comparePrefixes)
	for batch := range slices.Chunk(prefixes, listedAtOnce) {
		own, err := w.ownAmong(ctx, batch)
		if err != nil || !snap.imports(batch, own, q, yield) {
			return err
		}
	}
	return nil
}

// ownAmong takes out of the loop which of our routes stand for some prefixes.
func (w *Worker) ownAmong(ctx context.Context, prefixes []netip.Prefix) (rib.Standing, error) {
	own := make(map[netip.Prefix]uint32)
	err := w.ask(ctx, func(s *tableSync) {
		if s == nil {
			return
		}
		for _, p := range prefixes {
			if metric, is := s.standing(p); is {
				own[p] = metric
			}
		}
	})
	return func(p netip.Prefix) (uint32, bool) { metric, is := own[p]; return metric, is }, err
}

// imports reports the routes of some prefixes, and tells whether to go on.
func (s snapshot) imports(prefixes []netip.Prefix, own rib.Standing, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) bool {
	var t rib.Trace
	for _, prefix := range prefixes {
		in, _ := rib.DecideImport(s.importing, s.view, prefix, own, &t)
		for _, r := range t.Routes {
			st := importStatus(r, in)
			if r.Table != 0 {
				st.Reason = strings.TrimPrefix(st.Reason+"; it is in table "+strconv.Itoa(int(r.Table)), "; ")
			}
			st.Devices = s.devices(r.Route.Hops)
			if q.Wants(prefix, st.State) && !yield(st) {
				return false
			}
		}
	}
	return true
}
