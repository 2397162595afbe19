package nsworker

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// differ gathers what a rehearsal came to.
type differ struct {
	out vrf.PlannedTable
	junctures
}

func (d *differ) note(format string, args ...any) {
	d.out.Notes = append(d.out.Notes, fmt.Sprintf(format, args...))
}

// leave takes out every route of a VRF that ends, or moves away.
func (d *differ) leave(l leaving) {
	if l.err != nil {
		d.note("which of its routes go from %s cannot be known: %s", l.spec.Binding, absence(l.err))
		return
	}
	d.left = append(d.left, newShelf(&l.table.Routes, l.spec.Protocol, l.table.Links, l.spec.Binding))
}

// stay compares what of ours is in the table with what would be.
func (d *differ) stay(s *tableSync, have *rib.RouteList) {
	d.sync = s
	d.have = newShelf(have, s.spec.Protocol, s.view().Links, s.spec.Binding)
}

// count counts the changes.
func (d *differ) count() {
	for j := range d.all {
		j.counts(&d.out.Counts)
	}
}

// list yields the changes, which are made as they are listed.
func (d *differ) list(yield func(vrf.PlannedRoute) bool) {
	var lines []line
	for j := range d.all {
		lines = j.lines(lines[:0])
		for _, l := range lines {
			l.route.NexthopID = 0 // the route says where it leads by itself
			if !yield(vrf.PlannedRoute{Op: l.op, Prefix: l.route.Prefix, Text: flat(l.route.Format(l.of.links)), Where: l.of.where}) {
				return
			}
		}
	}
}

// sameLook tells whether `ip route` would show the same. Whether a gateway is
// onlink does not show of a nexthop object.
func sameLook(a, b rib.Route) bool { return a.Metric == b.Metric && rib.SameWays(a, b) }

// announcements compares what is announced with what would be. anew says that
// all of it would be withdrawn, and announced again.
func (d *differ) announcements(have, want []rib.Announcement, anew bool) {
	was := make(map[netip.Prefix]rib.Announcement, len(have))
	for _, a := range have {
		was[a.Prefix] = a
	}
	add := func(op vrf.PlanOp, a rib.Announcement) {
		d.out.Announcements = append(d.out.Announcements, vrf.PlannedAnnouncement{Op: op, Announcement: a})
	}
	for _, a := range want {
		old, there := was[a.Prefix]
		delete(was, a.Prefix)
		switch {
		case !there:
			d.out.Counts.Announced++
			add(vrf.PlanAdd, a)
		case anew || !(*announcements)(nil).Same(&old, &a):
			d.out.Counts.Reannounced++
			add(vrf.PlanChange, a)
		}
	}
	for _, a := range was {
		d.out.Counts.Withdrawn++
		add(vrf.PlanRemove, a)
	}
	slices.SortFunc(d.out.Announcements, func(a, b vrf.PlannedAnnouncement) int {
		return comparePrefixes(a.Announcement.Prefix, b.Announcement.Prefix)
	})
}

// told says of how many prefixes neighbours would be told no more, and of how many anew.
func (d *differ) told(was, is vrf.Spec, paths Candidates, by *rib.RPKI) {
	before, after := tellingOf(was), tellingOf(is)
	if before == after {
		return
	}
	less, more := 0, 0
	for _, list := range paths.All {
		switch a, b := before.tells(list, by), after.tells(list, by); {
		case a && !b:
			less++
		case b && !a:
			more++
		}
	}
	if less > 0 {
		d.note("neighbours would be told no more of %s that the policy of the export rejects; with advertise_rejected = true they would be", vrf.CountOf(less, "prefix"))
	}
	if more > 0 {
		d.note("neighbours would be told of %s that they are not told of now", vrf.CountOf(more, "prefix"))
	}
}

// byPolicy says how many of the routes that are filtered a policy rejects.
func (*differ) byPolicy(b *books, of int) string {
	n := 0
	for _, e := range b.routes.All {
		if e.Note.state == rib.Filtered && e.Note.out == rib.PolicyRejects {
			n++
		}
	}
	switch n {
	case 0:
		return ""
	case of:
		return ", by a policy"
	}
	return fmt.Sprintf(", %d of them by a policy", n)
}

// remarks says what would keep routes out, and what was a matter of chance.
func (d *differ) remarks(s *tableSync) {
	for _, state := range []rib.State{rib.Filtered, rib.Unresolved, rib.Conflict, rib.OverQuota} {
		n := s.routes.inState(state)
		if state == rib.Filtered {
			n -= s.routes.ownImports() // which no filter keeps out: the table has them
		}
		if n == 0 {
			continue
		}
		switch state {
		case rib.Filtered:
			d.note("%s of BGP would be filtered%s", plural(n, "route"), d.byPolicy(s.books, n))
		case rib.Unresolved:
			d.note("%s of BGP would be unresolved: the nexthop cannot be reached in this VRF", plural(n, "route"))
		case rib.Conflict:
			d.note("%s of BGP would be in conflict with another program's", plural(n, "route"))
		case rib.OverQuota:
			d.note("%s of BGP would be over the quota (max_routes); which ones are left out is decided by who comes first, and cannot be known before", plural(n, "route"))
		}
	}
	if n := s.routes.inState(rib.Stale); n > 0 {
		d.note("%s of an earlier run stay until every neighbour has sent its routes, or for sweep_delay", plural(n, "route"))
	}
}

// leaving is a table from which a VRF's routes go.
type leaving struct {
	spec  vrf.Spec
	where rib.Where
	table rib.Table
	err   error
}
