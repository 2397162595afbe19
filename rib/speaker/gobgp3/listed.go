package gobgp3

import (
	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/apiutil"
)

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
