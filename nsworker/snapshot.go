package nsworker

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// snapshot is what a query takes with it out of the loop: everything in it is
// immutable, so that what is in it is printed while the worker goes on.
type snapshot struct {
	name      string // of the VRF in BGP
	view      rib.View
	mine      *rib.OwnPrefixes
	protocol  uint8
	metric    uint32
	exporting *rib.Exporting
	importing *rib.Importing
}

// listedAtOnce is how many exported routes a query takes out of the loop at a time:
// half a millisecond's work, in which nothing else is done for the VRF.
const listedAtOnce = 1024

// row is one exported route of a snapshot.
type row struct {
	prefix netip.Prefix
	state  rib.State
	reason string
	fwd    *nexthop.Forwarding // in the table, or wanted there; nil: neither
	hops   []rib.Hop
	leaked bool // through another VRF
}

// Routes implements vrf.Worker.
func (w *Worker) Routes(ctx context.Context, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) error {
	var snap snapshot
	there := false
	if err := w.ask(ctx, func(s *tableSync) {
		if there = s != nil; there {
			snap = s.snapshot()
		}
	}); err != nil || !there {
		return err
	}
	if q.Direction == vrf.Import {
		snap.imports(q, yield)
		return nil
	}
	batch := make([]netip.Prefix, 0, listedAtOnce)
	var rows []row
	for prefix := range w.feed.Sorted(q.Within) {
		if batch = append(batch, prefix); len(batch) < listedAtOnce {
			continue
		}
		more, err := w.exports(ctx, batch, &rows, q, yield)
		if err != nil || !more {
			return err
		}
		batch = batch[:0]
	}
	more, err := w.exports(ctx, batch, &rows, q, yield)
	if err != nil || !more {
		return err
	}
	w.refused(snap.name, q, yield)
	return nil
}

// refused calls yield with what neighbours announced and BGP did not take, where it has
// no other path: it is nowhere else.
func (w *Worker) refused(name string, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) {
	list := w.deps.BGP.Refused(name, netip.Prefix{})
	slices.SortFunc(list, func(a, b rib.Refusal) int { return comparePrefixes(a.Prefix, b.Prefix) })
	for i, r := range list {
		if i > 0 && list[i-1].Prefix == r.Prefix || !q.Wants(r.Prefix, rib.Filtered) || len(w.feed.Lookup(r.Prefix)) > 0 {
			continue
		}
		st := rib.RouteStatus{
			Prefix: r.Prefix, State: rib.Filtered, Reason: r.Neighbour + " announced it, and it was not taken: " + r.Reason,
			Route: rib.Route{Prefix: r.Prefix, Kind: rib.KindUnicast},
		}
		if peer, err := netip.ParseAddr(r.Neighbour); err == nil { // else it is named by its interface
			st.Best.Attrs = &rib.Attrs{Via: &rib.Via{Peer: peer}}
		}
		if !yield(st) {
			return
		}
	}
}

// exports calls yield with the exported routes of some prefixes, and tells whether to
// go on. It uses the room of rows.
func (w *Worker) exports(ctx context.Context, prefixes []netip.Prefix, rows *[]row, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) (more bool, err error) {
	var snap snapshot
	var away error
	if err := w.ask(ctx, func(s *tableSync) {
		if s == nil {
			away = w.pending()
			return
		}
		snap, *rows = s.snapshot(), s.rows((*rows)[:0], prefixes, q)
	}); err != nil {
		return false, err
	}
	return away == nil && snap.exports(w.feed, *rows, yield), away
}

func (s *tableSync) snapshot() snapshot {
	return snapshot{
		name: s.spec.Of(), view: s.sets.Resolver.View, mine: s.routes.own, protocol: s.spec.Protocol,
		metric: s.spec.Export.Metric, exporting: s.routes.exporting, importing: s.importing,
	}
}

// rows appends what there is now of some prefixes, as far as it is asked for.
func (s *tableSync) rows(buf []row, prefixes []netip.Prefix, q vrf.RouteQuery) []row {
	for _, prefix := range prefixes {
		slot, held := s.feed.Find(prefix)
		if !held {
			continue
		}
		e := s.routes.Find(slot)
		if e == nil {
			continue
		}
		if r, ok := s.row(slot, e); ok && q.Wants(prefix, r.state) {
			r.prefix = prefix
			buf = append(buf, r)
		}
	}
	return buf
}

// row is the row, but for its prefix, of an entry; false: there is none to show.
func (s *tableSync) row(slot rib.Slot, e *route) (row, bool) {
	if e.Note.state == 0 && e.Have != nil && e.Want == nil { // on its way out
		return row{}, false
	}
	r := row{state: e.Note.state, reason: s.reason(slot, e), fwd: e.Have}
	if r.fwd == nil {
		r.fwd = s.routes.Comes(e)
	}
	if r.fwd != nil {
		r.hops = e.Want.HopsOf(r.fwd)
	}
	r.leaked = e.Want.Leaks() || slices.ContainsFunc(r.hops, func(h rib.Hop) bool { return h.OnLink })
	switch e.Note.state {
	case rib.Unresolved:
		r.reason = e.Want.Reason
	case rib.Stale:
		r.reason = "from an earlier run; BGP has not spoken of it yet"
	case 0:
		r.state, r.reason = rib.Failed, "not written to the kernel yet"
	}
	return r, true
}

// exports calls yield with the routes of rows, and tells whether to go on.
func (s snapshot) exports(feed *rib.Feed, rows []row, yield func(rib.RouteStatus) bool) bool {
	var buf []rib.Path
	for _, r := range rows {
		st := rib.RouteStatus{Prefix: r.prefix, State: r.state, Reason: r.reason, Leaked: r.leaked}
		if r.fwd != nil {
			st.Route = r.fwd.Route(r.prefix, s.protocol)
			st.Route.Hops = r.hops
			st.Devices = s.devices(r.hops)
		} else {
			st.Route = rib.Route{Prefix: r.prefix, Metric: s.metric, Protocol: s.protocol, Kind: rib.KindUnicast}
		}
		if paths := feed.Lookup(r.prefix); len(paths) > 0 {
			buf = rib.Decide(s.exporting, rib.Candidates{Prefix: r.prefix, Paths: paths, Own: s.mine, Room: buf}, nil).Chosen
			st.Best, st.Paths = buf[0], len(buf)
			st.Leaked = st.Leaked || slices.ContainsFunc(buf, func(p rib.Path) bool { return p.LeaksInto(s.name) })
			if r.state == rib.Unresolved && st.Best.Label != 0 && st.Best.Attrs.Source == "" {
				// Not of the target's: it is shared by paths with other labels.
				st.Reason = fmt.Sprintf("%s, and forwarding by its MPLS label, %d, is not supported", r.reason, st.Best.Label)
			}
		}
		if !yield(st) {
			return false
		}
	}
	return true
}

func (s snapshot) devices(hops []rib.Hop) []string {
	names := make([]string, len(hops))
	for i, h := range hops {
		if l, ok := s.view.Links[h.Ifindex]; ok {
			names[i] = l.Name
		}
	}
	return names
}

// comparePrefixes orders IPv4 before IPv6, then by address, then short to long.
func comparePrefixes(a, b netip.Prefix) int {
	if c := cmp.Compare(a.Addr().BitLen(), b.Addr().BitLen()); c != 0 {
		return c
	}
	if c := a.Addr().Compare(b.Addr()); c != 0 {
		return c
	}
	return cmp.Compare(a.Bits(), b.Bits())
}
