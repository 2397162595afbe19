package api

import (
	"context"
	"errors"
	"net/netip"
	"strings"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/rib"
)

// ExplainRoute walks a prefix through every step.
func (s *Server) ExplainRoute(ctx context.Context, r *vrfredistv1.ExplainRouteRequest) (*vrfredistv1.ExplainRouteResponse, error) {
	name := vrfName(r.GetVrf())
	prefix, longest, err := parseTarget(r.GetTarget())
	if err != nil {
		return nil, err
	}
	if _, ok := s.view(ctx).Get(name); !ok {
		return nil, s.view(ctx).notFound(name)
	}
	x, err := s.view(ctx).Explain(ctx, name, rib.Question{Prefix: prefix, Longest: longest})
	if errors.Is(err, ErrUnknownVRF) {
		return nil, idle(name, "no route is on its way")
	}
	if err != nil {
		return nil, s.view(ctx).failed(name, err)
	}
	return &vrfredistv1.ExplainRouteResponse{
		Vrf: name, Prefix: x.Prefix.String(), StoppedBy: x.StoppedBy, Verdict: x.Verdict,
		Export: walkMessage(x.Export), Import: walkMessage(x.Import),
	}, nil
}

// parseTarget reads a prefix, or an address as that of a host.
func parseTarget(text string) (p netip.Prefix, longest bool, err error) {
	if text == "" {
		return p, false, invalid("target", "is empty; give a prefix or an address, as in 10.1.0.0/16")
	}
	if !strings.Contains(text, "/") {
		addr, err := netip.ParseAddr(text)
		if err != nil || addr.Zone() != "" {
			return p, false, invalid("target", "%q is neither a prefix nor an address; write for example 10.1.0.0/16, or 10.1.2.3 for the route that covers it", text)
		}
		addr = addr.Unmap()
		return netip.PrefixFrom(addr, addr.BitLen()), true, nil
	}
	p, err = netip.ParsePrefix(text)
	switch {
	case err != nil:
		return p, false, invalid("target", "%q is no prefix; write for example 10.1.0.0/16", text)
	case p != p.Masked():
		return p, false, invalid("target", "%q has bits behind its length; write %s for the prefix, or %s for the route that covers this address", text, p.Masked(), p.Addr())
	}
	return p, false, nil
}

func walkMessage(w rib.Walk) *vrfredistv1.Walk {
	m := &vrfredistv1.Walk{StoppedBy: w.StoppedBy, Verdict: w.Verdict}
	for _, s := range w.Steps {
		m.Steps = append(m.Steps, &vrfredistv1.Step{Name: s.Name, Outcome: s.Outcome.String(), Text: s.Text, Details: s.Details})
	}
	return m
}
