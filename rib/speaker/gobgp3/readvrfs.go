package gobgp3

import (
	"fmt"
	"slices"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/apiutil"
)

// ReadVRFs implements reload.VRFs. It does what GoBGP's ListVrf does, which writes all out in its loop:
// of thousands of VRFs that takes milliseconds, in which no route gets through.
func (k *keeper) ReadVRFs() ([]*api.Vrf, error) {
	var all []bgpVRF
	err := k.inLoop(func() error {
		all = make([]bgpVRF, 0, len(k.rib().Vrfs))
		for _, v := range k.rib().Vrfs {
			same := *v
			same.ImportRt, same.ExportRt = slices.Clone(v.ImportRt), slices.Clone(v.ExportRt)
			all = append(all, same)
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	list := make([]*api.Vrf, len(all))
	for i := range all {
		if list[i], err = listed(&all[i]); err != nil {
			return nil, fmt.Errorf("VRF %q: %w", all[i].Name, err)
		}
	}
	return list, nil
}

// listed is a VRF as GoBGP's API has it.
func listed(v *bgpVRF) (out *api.Vrf, err error) {
	out = &api.Vrf{Name: v.Name, Id: v.Id}
	if out.Rd, err = apiutil.MarshalRD(v.Rd); err != nil {
		return nil, err
	}
	if out.ImportRt, err = apiutil.MarshalRTs(v.ImportRt); err != nil {
		return nil, err
	}
	out.ExportRt, err = apiutil.MarshalRTs(v.ExportRt)
	return out, err
}
