package api

import (
	"context"
	"slices"
	"strings"

	"github.com/vrfredist/vrfredist/api/access"
	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// settings say what is configured.
type settings struct{ views }

// GetConfig returns the configuration that is in force, as far as the caller may see it.
func (s *settings) GetConfig(ctx context.Context, r *vrfredistv1.GetConfigRequest) (*vrfredistv1.GetConfigResponse, error) {
	view, name := s.view(ctx), r.GetVrf()
	if _, ok := view.Get(name); name != "" && !ok {
		return nil, view.notFound(name)
	}
	c, err := view.InForce(ctx)
	if err != nil {
		return nil, view.failed(name, err)
	}
	if name != "" {
		c = c.Of(name)
	}
	out := &vrfredistv1.GetConfigResponse{File: c.File}
	for _, section := range c.Sections {
		m := &vrfredistv1.ConfigSection{Header: section.Header, Name: section.Name}
		for _, v := range section.Values {
			m.Values = append(m.Values, &vrfredistv1.ConfigValue{
				Key: v.Key, Value: v.Value, Source: string(v.Origin), Line: uint32(v.Line), Secret: v.Secret,
			})
		}
		out.Sections = append(out.Sections, m)
	}
	return out, nil
}

// InForce implements Backend. Who sees some VRFs alone gets what is about these, and nothing that
// names another one.
func (v view) InForce(ctx context.Context) (vrf.InForce, error) {
	c, err := v.Backend.InForce(ctx)
	if err != nil || v.grant.SeesAll() {
		return c, err
	}
	c = c.Only(func(s vrf.ConfigSection) bool { return confinedSection(s, v.grant) })
	for i := range c.Sections {
		s := &c.Sections[i]
		s.Values = slices.DeleteFunc(slices.Clone(s.Values), func(value vrf.ConfigValue) bool {
			return !confinedValue(s.Name, value, v.grant)
		})
	}
	return c, nil
}

// confinedSection tells whether a section is about VRFs that a caller sees alone.
func confinedSection(s vrf.ConfigSection, g access.Grant) bool {
	switch {
	case strings.Contains(s.Name, ".bgp.leaks["): // each names another VRF
		return false
	case s.Shared:
		return s.Name == "global.config" || s.Name == "netlink"
	case s.VRF != "":
		return g.Sees(s.VRF)
	case strings.HasPrefix(s.Name, "netlink.policies["):
		of, _, is := strings.Cut(strings.TrimPrefix(s.Name, "netlink.policies["), "/")
		return is && g.Sees(of)
	case strings.HasPrefix(s.Name, "peer-groups["):
		return len(s.UsedBy) > 0 && !slices.ContainsFunc(s.UsedBy, func(name string) bool { return !g.Sees(name) })
	}
	return false
}

// confinedValue tells whether a value of such a section names no other VRF, and says nothing of
// the router that a VRF's own users need not know.
func confinedValue(section string, v vrf.ConfigValue, g access.Grant) bool {
	if section == "global.config" {
		return v.Key == "as" || v.Key == "router-id"
	}
	if v.Key == "leak_from" {
		return false
	}
	of, _, is := strings.Cut(strings.Trim(v.Value, `"`), "/") // a policy of another VRF's
	return !is || g.Sees(of) || !slices.Contains([]string{"policy", "receive", "send"}, v.Key)
}
