package nsworker

import (
	"github.com/vrfredist/vrfredist/nsworker/nexthop"
	"github.com/vrfredist/vrfredist/rib"
)

// theirs is how packets of VRFs that leak get to other PEs, as it was when paths of theirs were
// looked at.
type theirs map[string]rib.Carriage

// of is how packets of a VRF get to other PEs.
func (t theirs) of(vrf string, views nexthop.Views) *rib.Carriage {
	is, known := t[vrf]
	if !known {
		is, _ = carriageNow(vrf, views)
		t[vrf] = is
	}
	return &is
}

// haveMoved tells whether one of them has another encapsulation than before.
func (t theirs) haveMoved(views nexthop.Views) bool {
	for vrf, was := range t {
		if is, there := carriageNow(vrf, views); there && is != was {
			return true
		}
	}
	return false
}

// carriageNow is how packets of another VRF get to other PEs; false: it has no table.
func carriageNow(vrf string, views nexthop.Views) (rib.Carriage, bool) {
	if views == nil {
		return rib.Carriage{}, false
	}
	v, is := views.View(vrf)
	return v.Carriage, is
}
