package nsworker

import (
	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// viaWays are the nexthops of the paths that share a Via: one, or where a path says itself what
// packets for it are put into, one by each label. Mostly there is one label.
type viaWays struct {
	way     *nexthop.Way
	first   *nexthop.Way // by label
	label   uint32
	byLabel map[uint32]*nexthop.Way // by other labels
}

// each yields them, and tells whether it is to go on.
func (v *viaWays) each(yield func(*nexthop.Way) bool) bool {
	if v == nil {
		return true
	}
	if v.way != nil && !yield(v.way) {
		return false
	}
	if v.first != nil && !yield(v.first) {
		return false
	}
	for _, way := range v.byLabel {
		if !yield(way) {
			return false
		}
	}
	return true
}

// at is where the nexthop of a path is.
func (v *viaWays) at(p *rib.Path, labelled bool) *nexthop.Way {
	switch {
	case v == nil:
		return nil
	case labelled && v.label == p.Label && v.first != nil:
		return v.first
	case labelled:
		return v.byLabel[p.Label]
	}
	return v.way
}

// put keeps the nexthop of a path.
func (v *viaWays) put(p *rib.Path, labelled bool, way *nexthop.Way) {
	switch {
	case !labelled:
		v.way = way
		return
	case v.first == nil || v.label == p.Label:
		v.first, v.label = way, p.Label
		return
	}
	if v.byLabel == nil {
		v.byLabel = make(map[uint32]*nexthop.Way)
	}
	v.byLabel[p.Label] = way
}
