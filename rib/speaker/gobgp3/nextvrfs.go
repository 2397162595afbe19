package gobgp3

import (
	"slices"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// nextVRFs are GoBGP's VRFs as the next configuration has them, and those of other clients; and
// moved are those whose neighbours are told by others of their import targets than now: they are
// made anew, have other ones, or are screened, or not any more.
func nextVRFs(now *screens, out *outgoing, next *conf.Config, is *reload.Effects, advertising map[string]rib.Advertising) (all map[string]*bgpVRF, moved map[string]bool, err error) {
	all, moved = make(map[string]*bgpVRF), make(map[string]bool)
	for name, v := range now.rib().Vrfs {
		if moved[name] = is.Anew[name] || is.Retargeted[name]; is.Anew[name] {
			continue
		}
		same := *v
		if all[name] = &same; moved[name] && now.has(name) {
			same.unscreen(now.of[name].wanted)
		}
	}
	dresses := out.dresses(next)
	for _, c := range next.Set.Vrfs {
		v, stays := all[c.Config.Name]
		if !stays {
			v = &bgpVRF{Name: c.Config.Name}
			if v.Rd, err = bgp.ParseRouteDistinguisher(c.Config.Rd); err != nil {
				return nil, nil, err
			}
			all[c.Config.Name] = v
		}
		if !stays || is.Retargeted[v.Name] {
			imports, exports, err := bothTargets(c.Config.ImportRtList, c.Config.ExportRtList)
			if err != nil {
				return nil, nil, err
			}
			v.retarget(imports, exports)
		}
		d := dresses[v.Name]
		v.mark(d.marks, false)
		v.mark(d.marks, true)
		v.ExportRt = slices.Clip(v.ExportRt)
		if d.label != 0 || v.MplsLabel == out.labels[v.Name] {
			v.MplsLabel = d.label
		}
	}
	for name, v := range all {
		screened := !moved[name] && now.has(name)
		wants := advertising[name].PassesOn && next.IsScreened(name)
		switch {
		case wants && !screened:
			v.screen(name, all)
		case screened && !wants:
			v.unscreen(now.of[name].wanted)
		}
		if moved[name] = moved[name] || screened != wants; !moved[name] {
			delete(moved, name)
		}
	}
	return all, moved, nil
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
