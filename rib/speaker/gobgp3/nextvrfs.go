package gobgp3

import (
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// nextVRFs are GoBGP's VRFs as the next configuration has them, and those of other clients; and
// moved are those whose neighbours are told by others of their import targets than now: they are
// made anew, or screened, or not any more.
func nextVRFs(now *screens, next *conf.Config, anew map[string]bool, advertising map[string]rib.Advertising) (all map[string]*bgpVRF, moved map[string]bool, err error) {
	all, moved = make(map[string]*bgpVRF), make(map[string]bool)
	for name, v := range now.rib().Vrfs {
		if moved[name] = anew[name]; !moved[name] {
			same := *v
			all[name] = &same
		}
	}
	marks := next.Marks()
	for _, c := range next.Set.Vrfs {
		v, stays := all[c.Config.Name]
		if !stays {
			v = &bgpVRF{Name: c.Config.Name}
			if v.Rd, err = bgp.ParseRouteDistinguisher(c.Config.Rd); err != nil {
				return nil, nil, err
			}
			if v.ImportRt, err = targetsOf(c.Config.ImportRtList); err != nil {
				return nil, nil, err
			}
			if v.ExportRt, err = targetsOf(c.Config.ExportRtList); err != nil {
				return nil, nil, err
			}
			all[c.Config.Name] = v
		}
		v.mark(marks[v.Name], false)
		v.mark(marks[v.Name], true)
		v.ExportRt = slices.Clip(v.ExportRt)
	}
	for name, v := range all {
		is := !moved[name] && now.has(name)
		wants := advertising[name].PassesOn && next.IsScreened(name)
		switch {
		case wants && !is:
			v.screen(name, all)
		case is && !wants:
			v.unscreen(now.of[name].wanted)
		}
		if moved[name] = moved[name] || is != wants; !moved[name] {
			delete(moved, name)
		}
	}
	return all, moved, nil
}

func targetsOf(list []string) (out []bgp.ExtendedCommunityInterface, err error) {
	for _, text := range list {
		rt, err := bgp.ParseRouteTarget(text)
		if err != nil {
			return nil, err
		}
		out = append(out, rt)
	}
	return out, nil
}

// marksOf are the marks among a VRF's export targets.
func marksOf(v *bgpVRF) (marks []rib.RT) {
	for _, target := range v.ExportRt {
		if rt, _ := decodeRT(target); isMark(target) {
			marks = append(marks, rt)
		}
	}
	slices.Sort(marks)
	return marks
}
