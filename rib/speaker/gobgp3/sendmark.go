package gobgp3

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// GoBGP puts a VRF's export targets on whatever comes from its neighbours and from clients of
// the API, and we do so with what it announces. So the mark by which policies know what goes out
// of a VRF (conf.Config.Marks) is one of these. It is not in the configuration that GoBGP
// gets: with other targets a VRF would be taken out and made anew, and its sessions with it.

// sendMark is a mark as GoBGP has it.
func sendMark(rt rib.RT) bgp.ExtendedCommunityInterface {
	return bgp.NewTwoOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, 0, uint32(rt), true)
}

// isSendMark tells whether a target is such a mark.
func isSendMark(c bgp.ExtendedCommunityInterface) bool {
	rt, is := decodeRT(c)
	return is && rib.IsSendMark(rt)
}

// isMark tells whether a target is that, or the mark of what is carried by EVPN.
func isMark(c bgp.ExtendedCommunityInterface) bool {
	rt, is := decodeRT(c)
	return is && (rib.IsSendMark(rt) || rt == rib.CarriedMark)
}

// mark gives VRFs their marks where they have others, or none; with off it takes those away
// that are no VRF's any more. It returns the VRFs that it changed. The list gets no room
// for more: GoBGP gives it to paths that have no extended communities, and appends to what a path
// has (SetExtCommunities in internal/pkg/table/path.go).
func mark(l *loop, c *conf.Config, off bool) (changed map[string]bool, err error) {
	marks := c.Marks()
	changed = make(map[string]bool)
	err = l.inLoop(func() error {
		for name, v := range l.rib().Vrfs {
			changed[name] = v.mark(marks[name], off)
		}
		return nil
	})
	maps.DeleteFunc(changed, func(_ string, is bool) bool { return !is })
	return changed, err
}

// mark gives a VRF the marks that it lacks, or with off takes the others away, and tells whether
// there were any.
func (v *bgpVRF) mark(marks []rib.RT, off bool) (changed bool) {
	list := make([]bgp.ExtendedCommunityInterface, 0, len(v.ExportRt)+len(marks))
	var has []rib.RT
	for _, target := range v.ExportRt {
		rt, _ := decodeRT(target)
		if isMark(target) && off && !slices.Contains(marks, rt) {
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

// remark is mark, and has what the VRFs announce and what their neighbours sent get the targets
// of now. announce announces again what originates here.
func remark(c *changes, of *conf.Config, off bool, announce func() error) error {
	changed, err := mark(c.loop, of, off)
	if err != nil || len(changed) == 0 {
		return err
	}
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
