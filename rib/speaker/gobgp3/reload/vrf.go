package reload

import (
	"slices"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/apiutil"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

// sameDefinition compares VRFs but for their ids.
func sameDefinition(a, b *api.Vrf) bool {
	same := func(a, b []*anypb.Any) bool {
		return slices.EqualFunc(a, b, func(x, y *anypb.Any) bool { return proto.Equal(x, y) })
	}
	return proto.Equal(a.GetRd(), b.GetRd()) && same(a.GetImportRt(), b.GetImportRt()) && same(a.GetExportRt(), b.GetExportRt())
}

// VRFRequest asks GoBGP for a VRF of a configuration.
func VRFRequest(v oc.Vrf) (*api.AddVrfRequest, error) {
	rd, err := bgp.ParseRouteDistinguisher(v.Config.Rd)
	if err != nil {
		return nil, err
	}
	request := &api.AddVrfRequest{Vrf: &api.Vrf{Name: v.Config.Name}}
	if request.Vrf.Rd, err = apiutil.MarshalRD(rd); err != nil {
		return nil, err
	}
	targets := func(list []string) ([]bgp.ExtendedCommunityInterface, error) {
		var rts []bgp.ExtendedCommunityInterface
		for _, text := range list {
			rt, err := bgp.ParseRouteTarget(text)
			if err != nil {
				return nil, err
			}
			rts = append(rts, rt)
		}
		return rts, nil
	}
	imports, err := targets(v.Config.ImportRtList)
	if err != nil {
		return nil, err
	}
	exports, err := targets(v.Config.ExportRtList)
	if err != nil {
		return nil, err
	}
	if request.Vrf.ImportRt, err = apiutil.MarshalRTs(imports); err != nil {
		return nil, err
	}
	request.Vrf.ExportRt, err = apiutil.MarshalRTs(exports)
	return request, err
}
