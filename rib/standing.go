package rib

import "net/netip"

// Of a route of another program and one of ours for the same prefix the kernel forwards by that
// with the lower metric, and what it forwards by is what counts on both sides: a floating
// static, whose metric is above ours, is no reason to take BGP's route out, and is not told to
// BGP while ours stands. Each side looks at the kernel's table and not at what the other side
// decided, so that neither follows its own tail.

// Standing says under which metric a route of ours stands in the kernel's table for a prefix. A
// nil Standing knows of none.
type Standing func(netip.Prefix) (metric uint32, stands bool)

// outranks tells whether a route of ours forwards before another program's.
func (s Standing) outranks(r *Route) bool {
	if s == nil {
		return false
	}
	metric, stands := s(r.Prefix)
	return stands && metric < r.Metric
}

// Taken says under which metric a VRF has the route that its import policy takes for a prefix,
// whatever stands beside it. A nil Taken is of a VRF whose table is not known.
type Taken func(netip.Prefix) (metric uint32, is bool)

// TakenOf is that of a VRF's view.
func TakenOf(x *Importing, v View) Taken {
	return func(prefix netip.Prefix) (metric uint32, is bool) {
		all := x.find(nil, v, prefix)
		got := x.pick(all, v, nil, false, nil)
		if got.at < 0 {
			return 0, false
		}
		return all[got.at].route.Metric, true
	}
}

// imported tells whether a path is what the VRF told BGP itself.
func (x *Exporting) imported(a *Attrs) bool { return a.Imported && a.Source == x.of }

// outranks tells whether the kernel would forward by a route of ours with a metric, and not by
// the one that the VRF imports: that one has a higher metric, or is there no more.
func (x *Exporting) outranks(c *Candidates, ours uint32) bool {
	if c.Taken == nil {
		return false
	}
	metric, is := c.Taken(c.Prefix)
	return !is || metric > ours
}
