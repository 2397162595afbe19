package nsworker

import (
	"cmp"
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
	leaks     []rib.LeakRule
	view      rib.View
	mine      *rib.OwnPrefixes
	protocol  uint8
	metric    uint32
	exporting *rib.Exporting
	importing *rib.Importing
	onlooker  onlooker
	taken     rib.Taken
}

// row is one exported route of a snapshot.
type row struct {
	prefix netip.Prefix
	state  rib.State
	reason string
	fwd    *nexthop.Forwarding // in the table, or wanted there; nil: neither
	hops   []rib.Hop
	leaked bool             // through another VRF
	barred []nexthop.Member // by which the kernel takes no route for the prefix
}

// snapshotOf is called by the loop's goroutine.
func snapshotOf(s *tableSync) snapshot {
	return snapshot{
		name: s.spec.Of(), leaks: s.spec.Leaks, view: *s.view(), mine: s.routes.own, protocol: s.spec.Protocol,
		metric: s.spec.Export.Metric, exporting: s.routes.exporting.LookingOn(), importing: s.importing.LookingOn(),
		onlooker: s.onlooker(),
		taken:    takenOf(s.spec, s.importing, *s.view()),
	}
}

// rows appends what there is now of some prefixes, as far as it is asked for.
func (b *books) rows(buf []row, prefixes []netip.Prefix, q vrf.RouteQuery) []row {
	for _, prefix := range prefixes {
		slot, held := b.routes.feed.Find(prefix)
		if !held {
			continue
		}
		e := b.routes.Find(slot)
		if e == nil {
			continue
		}
		if r, ok := b.row(slot, e); ok && q.Wants(prefix, r.state) {
			r.prefix = prefix
			buf = append(buf, r)
		}
	}
	return buf
}

// row is the row, but for its prefix, of an entry; false: there is none to show.
func (b *books) row(slot rib.Slot, e *route) (row, bool) {
	if e.Note.state == 0 && e.Have != nil && e.Want == nil { // on its way out
		return row{}, false
	}
	r := row{state: e.Note.state, reason: b.reason(slot, e), barred: b.routes.barred.by(slot)}
	r.fwd, r.hops = b.leads(e)
	// Of a route that nobody wants no one knows any more whether another VRF leaked it: it says onlink then.
	r.leaked = e.Want.Leaks() || e.Want == nil && slices.ContainsFunc(r.hops, func(h rib.Hop) bool { return h.OnLink })
	if e.Note.state == 0 {
		r.state, r.reason = rib.Failed, "not written to the kernel yet"
	}
	return r, true
}

// leads is where the route of an entry leads that is in the table, or wanted there; nil: there is
// none.
func (b *books) leads(e *route) (fwd *nexthop.Forwarding, hops []rib.Hop) {
	if fwd = e.Have; fwd == nil {
		fwd = b.routes.Comes(e)
	}
	if fwd != nil {
		hops = e.Want.HopsOf(fwd)
	}
	return fwd, hops
}

// exports calls yield with the routes of rows, and tells whether to go on.
func (s snapshot) exports(feed *rib.Feed, rows []row, yield func(rib.RouteStatus) bool) bool {
	var buf, judged []rib.Path
	ways, exit := s.onlooker.pathWays(), s.onlooker.exit(s.view.Links)
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
			ways.barring(rib.FamilyOf(r.prefix), r.barred)
			c := rib.Candidates{Prefix: r.prefix, Paths: paths, Reach: ways.reach, Own: s.mine, Taken: s.taken, Room: buf, Judged: judged}
			v := rib.Decide(s.exporting, &c, nil)
			buf, judged = v.Chosen, c.Judged
			if r.fwd == nil {
				st.Route.Metric = v.Metric
			}
			st.Best, st.Paths, st.Backup = buf[0], len(buf), v.Backup
			st.OverCore, st.BackupOverCore = overCore(s.onlooker.spec, &st.Best), overCore(s.onlooker.spec, &st.Backup)
			st.Leaked = st.Leaked || slices.ContainsFunc(buf, func(p rib.Path) bool { return p.LeaksInto(s.name) })
			if r.state == rib.Installed {
				st.Reason = besideReason(st.Reason, byWhichLeak(st.Best))
			}
			if r.state == rib.Unresolved && st.Best.Label != 0 && st.Best.Attrs.Source == "" && !st.OverCore {
				// Not the set's reason: a set is shared by paths with other labels.
				st.Reason = fmt.Sprintf("%s, and forwarding by its MPLS label, %d, is not supported", r.reason, st.Best.Label)
			}
		}
		st.Encaps = s.onlooker.encaps(s.view.Links, exit, r.hops, buf)
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

// byWhichLeak says of a route whose best path came in by a rule where that is from.
func byWhichLeak(best rib.Path) string {
	if best.Attrs == nil || !best.Attrs.ByRule {
		return ""
	}
	return fmt.Sprintf("leaked from VRF %q", best.Attrs.Source)
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
