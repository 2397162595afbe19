package nsworker

import (
	"cmp"
	"fmt"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// snapshot is what a query takes with it out of the loop: everything in it is
// immutable, so that a long list is printed while the worker goes on.
type snapshot struct {
	name     string // of the VRF in BGP
	view     rib.View
	policy   rib.ImportPolicy
	protocol uint8
	metric   uint32
	maxPaths int
	member   func(rib.Link) bool
	rows     []row
}

// row is one exported route of a snapshot.
type row struct {
	prefix netip.Prefix
	state  rib.State
	reason string
	fwd    *forwarding // in the table, or wanted there; nil: neither
	hops   []rib.Hop
	leaked bool // through another VRF
}

func (s *session) snapshot(q vrf.RouteQuery) snapshot {
	out := snapshot{
		name: s.spec.Of(), view: s.resolver.view, policy: s.spec.Import, protocol: s.spec.Protocol,
		metric: s.spec.Export.Metric, maxPaths: s.spec.Export.MaxPaths, member: s.member(),
	}
	if q.Direction != vrf.Export {
		return out
	}
	for slot, e := range s.entries.All {
		if !e.used() {
			continue
		}
		state, prefix := e.state, s.feed.Prefix(slot)
		if state == 0 {
			if e.have != nil && e.target == nil {
				continue // on its way out
			}
			state = rib.Failed
		}
		if !q.Wants(prefix, state) {
			continue
		}
		r := row{prefix: prefix, state: state, reason: s.reason(slot, e), fwd: e.have}
		if r.fwd == nil {
			r.fwd = e.want()
		}
		if r.fwd != nil {
			r.hops = r.fwd.hops
			if e.target != nil && r.fwd.group != 0 && r.fwd.group == e.target.group {
				r.hops = e.target.hops
			}
		}
		r.leaked = e.target.leaks() || slices.ContainsFunc(r.hops, func(h rib.Hop) bool { return h.OnLink })
		switch e.state {
		case rib.Unresolved:
			r.reason = e.target.reason
		case rib.Stale:
			r.reason = "from an earlier run; BGP has not spoken of it yet"
		case 0:
			r.reason = "not written to the kernel yet"
		}
		out.rows = append(out.rows, r)
	}
	return out
}

func (s snapshot) each(feed *rib.Feed, q vrf.RouteQuery, yield func(rib.RouteStatus) bool) {
	if q.Direction == vrf.Import {
		s.imports(q, yield)
		return
	}
	slices.SortFunc(s.rows, func(a, b row) int { return comparePrefixes(a.prefix, b.prefix) })
	var buf []rib.Path
	for _, r := range s.rows {
		st := rib.RouteStatus{Prefix: r.prefix, State: r.state, Reason: r.reason, Leaked: r.leaked}
		if r.fwd != nil {
			st.Route = r.fwd.route(r.prefix, s.protocol)
			st.Route.Hops = r.hops
			st.Devices = s.devices(r.hops)
		} else {
			st.Route = rib.Route{Prefix: r.prefix, Metric: s.metric, Protocol: s.protocol, Kind: rib.KindUnicast}
		}
		if paths := feed.Lookup(r.prefix); len(paths) > 0 {
			buf = rib.Select(buf[:0], paths, s.maxPaths)
			st.Best, st.Paths = buf[0], len(buf)
			st.Leaked = st.Leaked || slices.ContainsFunc(buf, func(p rib.Path) bool { return p.LeaksInto(s.name) })
			if r.state == rib.Unresolved && st.Best.Label != 0 && st.Best.Attrs.Source == "" {
				// Not of the target's: it is shared by paths with other labels.
				st.Reason = fmt.Sprintf("%s, and forwarding by its MPLS label, %d, is not supported", r.reason, st.Best.Label)
			}
		}
		if !yield(st) {
			return
		}
	}
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
