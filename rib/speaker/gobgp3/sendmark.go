package gobgp3

import (
	"errors"
	"fmt"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// GoBGP puts a VRF's export targets on whatever comes from its neighbours and from clients of
// the API, and we do so with what it announces. So the mark by which policies know what goes out
// of a VRF (conf.Config.Marks) is one of these. It is not in the configuration that GoBGP
// gets, of which the file alone says the targets.

// sendMark is a mark as GoBGP has it.
func sendMark(rt rib.RT) bgp.ExtendedCommunityInterface {
	return bgp.NewTwoOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, 0, uint32(rt), true)
}

// isMark tells whether a target is such a mark, or one of how what goes out is carried.
func isMark(c bgp.ExtendedCommunityInterface) bool {
	rt, is := decodeRT(c)
	return is && (rib.IsSendMark(rt) || rib.IsCarriageMark(rt))
}

// mark gives a VRF the marks that it lacks, or with off takes the others away, and tells whether
// there were any. The list gets no room for more: GoBGP gives it to paths that have no extended
// communities, and appends to what a path has (SetExtCommunities in internal/pkg/table/path.go).
// Marks of how it is carried are changed for other ones in one step, when it gets those.
func (v *bgpVRF) mark(marks []rib.RT, off bool) (changed bool) {
	list := make([]bgp.ExtendedCommunityInterface, 0, len(v.ExportRt)+len(marks))
	carried := slices.ContainsFunc(marks, rib.IsCarriageMark)
	var has []rib.RT
	for _, target := range v.ExportRt {
		rt, _ := decodeRT(target)
		stays := off == (carried && rib.IsCarriageMark(rt))
		if isMark(target) && !stays && !slices.Contains(marks, rt) {
			changed = true
			continue
		}
		list, has = append(list, target), append(has, rt)
	}
	for _, rt := range marks {
		if !off && !slices.Contains(has, rt) {
			list, changed = append(list, sendMark(rt)), true
		}
	}
	if changed {
		v.ExportRt = slices.Clip(list)
	}
	return changed
}

// again has what the neighbours of VRFs sent taken in again, and what those announce.
func again(c *changes, changed map[string]bool, announce func() error) error {
	var errs []error
	var names []string
	if err := c.inLoop(func() error {
		for name, p := range c.peers() {
			if changed[p.vrf()] {
				names = append(names, name)
			}
		}
		return nil
	}); err != nil {
		return err
	}
	slices.Sort(names)
	for _, name := range names {
		if err := c.rejudge(name); err != nil {
			errs = append(errs, fmt.Errorf("give the routes of neighbour %s the targets of now: %w", name, err))
		}
	}
	return errors.Join(append(errs, announce())...)
}
