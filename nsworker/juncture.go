package nsworker

import (
	"net/netip"
	"slices"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// junctures are the prefixes of a rehearsal: what our routes of each are in tables now, and what they
// would be.
type junctures struct {
	left []*shelf   // of which all routes go
	have *shelf     // what the table has now; nil: there is none
	sync *tableSync // what it would have; nil: nothing
}

// shelf are our routes of a reading of a table, by prefix.
type shelf struct {
	list   *rib.RouteList
	places []int32
	next   int // of places
	links  rib.Links
	where  rib.Binding
}

func newShelf(list *rib.RouteList, protocol uint8, links rib.Links, where rib.Binding) *shelf {
	return &shelf{list: list, places: list.ByPrefix(func(r *rib.Route) bool { return r.Own(protocol) }), links: links, where: where}
}

// at is the prefix of the next route; false: there is none.
func (s *shelf) at() (p netip.Prefix, more bool) {
	if s == nil || s.next == len(s.places) {
		return p, false
	}
	return s.list.Prefix(int(s.places[s.next])), true
}

// take appends the routes of a prefix, where they are the next ones. Of two with the same key, which
// IPv4 has after an append, the last one counts.
func (s *shelf) take(buf []rib.Route, prefix netip.Prefix) []rib.Route {
	for p, more := s.at(); more && p == prefix; p, more = s.at() {
		r := s.list.At(int(s.places[s.next]))
		buf = slices.DeleteFunc(buf, func(o rib.Route) bool { return o.Metric == r.Metric })
		buf = append(buf, r)
		s.next++
	}
	return buf
}

// juncture is what there is of one prefix. It is good until the next one.
type juncture struct {
	left  []line // what goes from tables that are left
	have  []rib.Route
	want  []rib.Route // the route, and that by its backup
	shelf *shelf      // of have, and of want
}

// line is one change of a route.
type line struct {
	op    vrf.PlanOp
	route rib.Route
	of    *shelf
}

// all yields each prefix of ours that there is, or would be, IPv4 before IPv6, then by address, then
// short to long.
func (js *junctures) all(yield func(*juncture) bool) {
	for _, s := range js.left {
		s.next = 0
	}
	j := &juncture{shelf: js.have}
	if js.have != nil {
		js.have.next = 0
		for prefix := range js.sync.feed.Sorted(nil) {
			for p, is := js.least(); is && comparePrefixes(p, prefix) < 0; p, is = js.least() {
				if !yield(js.of(j, p)) {
					return
				}
			}
			if !yield(js.of(j, prefix)) {
				return
			}
		}
	}
	for p, is := js.least(); is; p, is = js.least() {
		if !yield(js.of(j, p)) {
			return
		}
	}
}

// least is the first prefix of those that are left in the tables of now.
func (js *junctures) least() (least netip.Prefix, is bool) {
	least, is = js.have.at()
	for _, s := range js.left {
		if p, more := s.at(); more && (!is || comparePrefixes(p, least) < 0) {
			least, is = p, true
		}
	}
	return least, is
}

// of has j be a prefix.
func (js *junctures) of(j *juncture, prefix netip.Prefix) *juncture {
	j.left, j.have, j.want = j.left[:0], j.have[:0], j.want[:0]
	for _, s := range js.left {
		j.have = s.take(j.have[:0], prefix)
		for _, r := range j.have {
			j.left = append(j.left, line{vrf.PlanRemove, r, s})
		}
	}
	j.have = j.have[:0]
	if js.have != nil {
		j.have = js.have.take(j.have, prefix)
		j.want = js.wanted(j.want, prefix)
	}
	return j
}

// wanted appends the routes that the table would have for a prefix.
func (js *junctures) wanted(buf []rib.Route, prefix netip.Prefix) []rib.Route {
	s := js.sync
	slot, held := s.feed.Find(prefix)
	if !held {
		return buf
	}
	if e := s.routes.Find(slot); e != nil && (e.Note.state == rib.Installed || e.Note.state == rib.Stale) {
		if fwd, hops := s.leads(e); fwd != nil {
			r := fwd.Route(prefix, s.spec.Protocol)
			r.Hops = hops
			buf = append(buf, r)
		}
	}
	if r := s.routes.backups.route(slot, prefix); r != nil {
		buf = append(buf, *r)
	}
	return buf
}

// was returns the route that the table has with the key of another; nil: there is none.
func (j *juncture) was(r *rib.Route) *rib.Route {
	for i := range j.have {
		if j.have[i].Metric == r.Metric {
			return &j.have[i]
		}
	}
	return nil
}

// goes tells whether nothing takes the key of a route that the table has.
func (j *juncture) goes(r *rib.Route) bool {
	return !slices.ContainsFunc(j.want, func(w rib.Route) bool { return w.Metric == r.Metric })
}

// counts adds what becomes of the prefix.
func (j *juncture) counts(c *vrf.PlanCounts) {
	c.Removed += len(j.left)
	for i := range j.want {
		switch was := j.was(&j.want[i]); {
		case was == nil:
			c.Added++
		case sameLook(*was, j.want[i]):
			c.Kept++
		default:
			c.Changed++
		}
	}
	for i := range j.have {
		if j.goes(&j.have[i]) {
			c.Removed++
		}
	}
}

// lines appends the changes of the prefix: what goes before what comes.
func (j *juncture) lines(buf []line) []line {
	buf = append(buf, j.left...)
	for i := range j.want {
		if was := j.was(&j.want[i]); was != nil && !sameLook(*was, j.want[i]) {
			buf = append(buf, line{vrf.PlanRemove, *was, j.shelf})
		}
	}
	for i := range j.have {
		if j.goes(&j.have[i]) {
			buf = append(buf, line{vrf.PlanRemove, j.have[i], j.shelf})
		}
	}
	for i := range j.want {
		if was := j.was(&j.want[i]); was == nil || !sameLook(*was, j.want[i]) {
			buf = append(buf, line{vrf.PlanAdd, j.want[i], j.shelf})
		}
	}
	return buf
}
