package gobgp3

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/reload"
)

// GoBGP takes the route targets of a VRF when it is added, and has no way to change them: deleted and
// added again, the VRF would lose its sessions. They are fields that GoBGP reads whenever it needs
// them. So they are changed in its loop, and what it has made of those of before is put right: what
// it told the VRF's neighbours, what it tells other routers that the VRF wants (RFC 4684), and, some
// routes in each turn, what goes out of the VRF.

// Retarget implements reload.VRFs.
func (k *keeper) Retarget(name string, imports, exports []string) error {
	in, out, err := bothTargets(imports, exports)
	if err != nil {
		return err
	}
	return k.inLoop(func() error {
		v := k.rib().Vrfs[name]
		if v == nil {
			return fmt.Errorf("BGP has no VRF %q any more", name)
		}
		wants := membershipsOf(k.loop, k.screens)
		wants.add(in)
		wants.tell(k.loop) // before GoBGP's neighbours forget what they are to send
		k.screens.around(name, func() {
			screened := k.screens.has(name)
			k.screens.take(name)
			if _, held := k.out.held[name]; held {
				k.out.held[name] = out
				v.retarget(in, v.ExportRt)
			} else {
				v.retarget(in, out)
			}
			if screened {
				k.screens.put(name, v)
			}
		})
		membershipsOf(k.loop, k.screens).takeBack(k.loop, wants)
		return nil
	})
}

// retarget gives a VRF other targets, beside the one that it has for leaks, and its marks.
func (v *bgpVRF) retarget(imports, exports []bgp.ExtendedCommunityInterface) {
	beside := func(list, of []bgp.ExtendedCommunityInterface, is func(bgp.ExtendedCommunityInterface) bool) []bgp.ExtendedCommunityInterface {
		list = slices.Clone(list)
		for _, c := range of {
			if is(c) && !slices.Contains(list, c) {
				list = append(list, c)
			}
		}
		return slices.Clip(list) // see mark
	}
	v.ImportRt, v.ExportRt = beside(imports, v.ImportRt, isHomeTarget), beside(exports, v.ExportRt, isMark)
}

// retargetAll has what goes out of VRFs that have other route targets go out with those, and ends
// that they import by those of before.
func retargetAll(ctx context.Context, f *feeder, by *reload.Reconciler, c *conf.Config) error {
	all := by.Retargeted
	if len(all) == 0 {
		return nil
	}
	meanwhile, both := *c, false
	meanwhile.VRFs = slices.Clone(c.VRFs)
	for i := range meanwhile.VRFs {
		v := &meanwhile.VRFs[i]
		also, err := conf.ParseRTs(all[v.Name].Also)
		if err != nil {
			return err
		}
		both = both || len(also) > 0
		v.ImportRTs = slices.Concat(v.ImportRTs, also)
	}
	var errs []error
	if both { // nor are its own routes away from its own table
		errs = append(errs, f.rewatchBy(ctx, &meanwhile))
	}
	errs = append(errs, redressAll(ctx, f.keeper.changes, all, by.ReannounceOf))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if t := all[name]; len(t.Also) > 0 {
			errs = append(errs, f.keeper.Retarget(name, t.Imports, t.Exports))
		}
	}
	return errors.Join(errs...)
}

// hearersOf are the neighbours, by the addresses that GoBGP has them under, for whom a route may come
// or go with the targets of VRFs: those in VRFs that import one of them, and PEs that ask for some
// alone (RFC 4684). GoBGP tells them nothing of a route that has come to be none of theirs.
func hearersOf(l *loop, all map[string]reload.Retargeted) (names []string, err error) {
	var targets importTargets
	for _, t := range all {
		list, err := targetsOf(slices.Concat(t.Were, t.Exports))
		if err != nil {
			return nil, err
		}
		targets.of = append(targets.of, importsOf(&bgpVRF{ImportRt: list}).of...)
	}
	if len(targets.of) == 0 {
		return nil, nil
	}
	err = l.inLoop(func() error {
		for name, p := range l.peers() {
			var hears bool
			p.read(func(n *oc.Neighbor, _ bgp.FSMState) {
				if v := l.rib().Vrfs[n.Config.Vrf]; v != nil {
					hears = targets.takeOne(v.ImportRt)
					return
				}
				_, hears = (*p.families.in(p.fsm))[bgp.RF_RTC_UC]
			})
			if hears {
				names = append(names, name)
			}
		}
		return nil
	})
	return names, err
}
