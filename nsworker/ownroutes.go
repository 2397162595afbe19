package nsworker

import (
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// ownRoutes are the entries of routes as nexthops are reached by them.
type ownRoutes struct{ *routes }

// changed takes in that an entry is not what it was, or may not be.
func (o ownRoutes) changed(slot rib.Slot) {
	if o.sets.Recurses() {
		o.sets.Touch(o.feed.Prefix(slot))
	}
}

// Own implements nexthop.OwnRoutes.
func (o ownRoutes) Own(prefix netip.Prefix) (nexthop.OwnRoute, bool) {
	slot, e := o.entryOf(prefix)
	if e == nil {
		return nexthop.OwnRoute{}, false
	}
	of := nexthop.OwnRoute{Metric: o.backups.metricBefore(slot)}
	switch state := e.Note.state; {
	case state == rib.Stale && e.Have != nil && o.adopted.works(e.Have):
		stands := *e.Have
		stands.Hops = e.Want.HopsOf(e.Have)
		of.Metric, of.Stands = stands.Metric, &stands
	case state == rib.Stale, e.Want == nil, state == rib.OverQuota, state == rib.Conflict, state == rib.Failed && e.Have == nil:
		return nexthop.OwnRoute{}, false
	default:
		of.Set = e.Want
	}
	of.Ways = o.waysOf(slot, e, prefix)
	return of, true
}

// waysOf are the nexthops by which an entry may lead, whichever of its paths is chosen.
func (o ownRoutes) waysOf(slot rib.Slot, e *route, prefix netip.Prefix) (ways []*nexthop.Way) {
	if e.Want != nil { // in a rehearsal the feed has no paths
		ways = append(ways, e.Want.Ways...)
		if e.Want.Backup != nil {
			ways = append(ways, e.Want.Backup)
		}
	}
	for _, p := range o.feed.Paths(nil, slot) {
		ways = slices.AppendSeq(ways, o.ways.known(rib.FamilyOf(prefix), p.Attrs.Via))
	}
	return ways
}
