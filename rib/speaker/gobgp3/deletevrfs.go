package gobgp3

import (
	"context"
	"fmt"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/vrfredist/vrfredist/rib"
)

// DeleteVRFs implements reload.VRFs. It does what GoBGP's DeleteVrf does, and withdraws the paths that
// GoBGP leaves behind: it withdraws the first local path alone of each prefix, and of a family that it
// does not expect none. GoBGP goes through all paths for each VRF; here it is once for all of them.
func (k *keeper) DeleteVRFs(ctx context.Context, names []string) error {
	var labelled []string
	gone := make(map[rib.RD]bool)
	err := k.inLoop(func() error {
		rds, err := k.deletable(names)
		if err != nil {
			return err
		}
		wanted := membershipsOf(k.loop, k.screens)
		for _, name := range names {
			k.whole.gone.finish(name)
			if v := k.rib().Vrfs[name]; v.MplsLabel != 0 && k.out.labels[name] != v.MplsLabel {
				labelled = append(labelled, name)
				continue
			}
			k.screens.take(name)
			gone[rds[name]] = true
			delete(k.rib().Vrfs, name)
		}
		membershipsOf(k.loop, k.screens).takeBack(k.loop, wanted)
		return nil
	})
	if err == nil {
		err = k.withdrawLocal(gone)
	}
	for _, name := range labelled {
		if err != nil {
			return err
		}
		err = k.deleteLabelled(ctx, name)
	}
	return err
}

// deletable returns the RDs of VRFs, or says why one of them cannot be deleted. It is called in the loop.
func (k *keeper) deletable(names []string) (map[string]rib.RD, error) {
	rds := make(map[string]rib.RD, len(names))
	for _, name := range names {
		v := k.rib().Vrfs[name]
		if v == nil {
			return nil, fmt.Errorf("remove VRF %q: GoBGP has none", name)
		}
		rd, err := decodeRD(v.Rd)
		if err != nil {
			return nil, fmt.Errorf("remove VRF %q: its RD: %w", name, err)
		}
		rds[name] = rd
	}
	for addr, p := range k.peers() {
		if _, going := rds[p.vrf()]; going {
			return nil, fmt.Errorf("remove VRF %q: neighbour %s is in it", p.vrf(), addr)
		}
	}
	return rds, nil
}

// deleteLabelled deletes a VRF that has a label of GoBGP's zebra client, to which GoBGP alone can give
// it back.
func (k *keeper) deleteLabelled(ctx context.Context, name string) error {
	if err := k.inLoop(func() error { k.screens.leave(name); return nil }); err != nil {
		return err // by its import targets GoBGP takes back what it told of them
	}
	return k.withoutPaths(name, func() error { return k.server().DeleteVrf(ctx, &api.DeleteVrfRequest{Name: name}) })
}
