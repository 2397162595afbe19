package api

import (
	"context"
	"errors"
	"fmt"
	"math"
	"path"
	"slices"
	"strings"
	"unicode"

	"google.golang.org/protobuf/proto"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// changes are the requests that change the state of VRFs, each in its caller's line.
type changes struct {
	views
	lines lines
}

// EnableRedistribution turns import or export on for a VRF.
func (s *changes) EnableRedistribution(ctx context.Context, r *vrfredistv1.EnableRedistributionRequest) (*vrfredistv1.EnableRedistributionResponse, error) {
	d, change, err := enabling(r)
	if err != nil {
		return nil, err
	}
	name := vrfName(r.GetVrf())
	if err := s.redistribute(ctx, name, d, r, change); err != nil {
		return nil, err
	}
	return &vrfredistv1.EnableRedistributionResponse{}, nil
}

// redistribute makes a request's change when it is its caller's turn.
func (s *changes) redistribute(ctx context.Context, name string, d vrf.Direction, request proto.Message, change func(*vrf.Spec)) error {
	what, err := proto.MarshalOptions{Deterministic: true}.Marshal(request)
	if err != nil {
		return err
	}
	most := mostWaiting
	if grantOf(ctx).Admin() {
		most = math.MaxInt // an administrator may have as many as it has calls
	}
	return s.lines.do(ctx, callerOf(ctx), fmt.Sprintf("%T %s", request, what), most, func() error {
		// A change that has begun is made: other calls may wait for it.
		ctx := context.WithoutCancel(ctx)
		return s.view(ctx).failed(name, s.view(ctx).Redistribute(ctx, name, d, change))
	})
}

// enabling validates a request and returns its direction and its change. The settings
// without a field in it (metric, quota, MED, protocols) stay as the VRF's configuration
// has them.
func enabling(r *vrfredistv1.EnableRedistributionRequest) (vrf.Direction, func(*vrf.Spec), error) {
	communities, err := exportFilter(r)
	if err != nil {
		return 0, nil, err
	}
	if len(r.GetInterfaces()) == 0 {
		return vrf.Export, func(s *vrf.Spec) {
			s.Export.Enabled = true
			s.Export.Community = communities.Community
			s.Export.CommunityList = communities.CommunityList
			s.Export.LargeCommunities = communities.LargeCommunities
		}, nil
	}
	if len(communities.Community)+len(communities.CommunityList)+len(communities.LargeCommunities) > 0 {
		return 0, nil, invalid("interfaces", "interfaces choose what is imported and communities what is exported; "+
			"send one request for the import with interfaces, and one for the export with communities")
	}
	for _, pattern := range r.GetInterfaces() {
		if why := badPattern(pattern); why != nil {
			return 0, nil, invalid("interfaces", "%q: %v", pattern, why)
		}
	}
	interfaces := slices.Clone(r.GetInterfaces())
	return vrf.Import, func(s *vrf.Spec) {
		s.Import.Enabled = true
		s.Import.Interfaces = interfaces
	}, nil
}

func exportFilter(r *vrfredistv1.EnableRedistributionRequest) (p rib.ExportPolicy, err error) {
	if name := r.GetCommunityName(); name != "" {
		c, err := rib.ParseCommunity(name)
		if err != nil {
			return p, invalid("community_name", "%v", err)
		}
		p.Community = []rib.Community{c}
	}
	for _, text := range r.GetCommunityList() {
		c, err := rib.ParseCommunity(text)
		if err != nil {
			return p, invalid("community_list", "%v", err)
		}
		p.CommunityList = append(p.CommunityList, c)
	}
	for _, text := range r.GetLargeCommunityList() {
		c, err := rib.ParseLargeCommunity(text)
		if err != nil {
			return p, invalid("large_community_list", "%v", err)
		}
		p.LargeCommunities = append(p.LargeCommunities, c)
	}
	return p, nil
}

// badPattern says why no interface can ever match a pattern.
func badPattern(pattern string) error {
	_, err := path.Match(pattern, "")
	switch {
	case pattern == "":
		return errors.New("is empty; write the name of an interface, or a pattern as in eth*")
	case err != nil:
		return errors.New("is no pattern; write an interface's name with *, ? or a closed [a-z], as in eth[0-3]")
	case strings.Contains(pattern, "/"), strings.ContainsFunc(pattern, unicode.IsSpace):
		return errors.New("matches no interface, because no name has white space or a slash; give each pattern as a value of its own")
	}
	return nil
}

// DisableRedistribution turns one direction off for a VRF.
func (s *changes) DisableRedistribution(ctx context.Context, r *vrfredistv1.DisableRedistributionRequest) (*vrfredistv1.DisableRedistributionResponse, error) {
	d, err := direction(r.GetDirection())
	if err != nil {
		return nil, err
	}
	name := vrfName(r.GetVrf())
	err = s.redistribute(ctx, name, d, r, func(spec *vrf.Spec) {
		if d == vrf.Import {
			spec.Import.Enabled = false
		} else {
			spec.Export.Enabled = false
		}
	})
	if err != nil {
		return nil, err
	}
	return &vrfredistv1.DisableRedistributionResponse{}, nil
}

// GetRedistribution says what is redistributed for a VRF.
func (s *changes) GetRedistribution(ctx context.Context, r *vrfredistv1.GetRedistributionRequest) (*vrfredistv1.GetRedistributionResponse, error) {
	name := vrfName(r.GetVrf())
	st, ok := s.view(ctx).Get(name)
	if !ok {
		return nil, s.view(ctx).notFound(name)
	}
	return &vrfredistv1.GetRedistributionResponse{Import: importInfo(st.Spec), Export: exportInfo(st.Spec)}, nil
}

// importInfo and exportInfo leave out the settings of a direction that is off.
func importInfo(s vrf.Spec) *vrfredistv1.RedistributionInfo {
	info := &vrfredistv1.RedistributionInfo{Enabled: s.Import.Enabled, Vrf: s.Name}
	if info.Enabled {
		info.Interfaces = s.Import.Interfaces
	}
	return info
}

func exportInfo(s vrf.Spec) *vrfredistv1.RedistributionInfo {
	info := &vrfredistv1.RedistributionInfo{Enabled: s.Export.Enabled, Vrf: s.Name}
	if !info.Enabled {
		return info
	}
	for _, c := range s.Export.Community {
		info.CommunityName = c.String()
	}
	info.CommunityList = texts(s.Export.CommunityList)
	info.LargeCommunityList = texts(s.Export.LargeCommunities)
	return info
}

func vrfName(name string) string {
	if name == "" {
		return vrf.Default
	}
	return name
}

func direction(d vrfredistv1.Direction) (vrf.Direction, error) {
	switch d {
	case vrfredistv1.Direction_DIRECTION_IMPORT:
		return vrf.Import, nil
	case vrfredistv1.Direction_DIRECTION_EXPORT:
		return vrf.Export, nil
	case vrfredistv1.Direction_DIRECTION_UNSPECIFIED:
		return 0, invalid("direction", "is not given; send DIRECTION_IMPORT or DIRECTION_EXPORT")
	}
	return 0, invalid("direction", "%d is none; send DIRECTION_IMPORT (1) or DIRECTION_EXPORT (2)", d)
}

func texts[T interface{ String() string }](list []T) []string {
	var out []string
	for _, v := range list {
		out = append(out, v.String())
	}
	return out
}
