package api

import (
	"context"
	"errors"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/rib"
)

// questions are answered by looking into the daemon: at a prefix, or at its host.
type questions struct{ views }

// ExplainRoute walks a prefix through every step.
func (s *questions) ExplainRoute(ctx context.Context, r *vrfredistv1.ExplainRouteRequest) (*vrfredistv1.ExplainRouteResponse, error) {
	name := vrfName(r.GetVrf())
	prefix, longest, err := rib.ParseDestination(r.GetTarget())
	if err != nil {
		return nil, invalid("target", "%v", err)
	}
	st, ok := s.view(ctx).Get(name)
	if !ok {
		return nil, s.view(ctx).notFound(name)
	}
	x, err := s.view(ctx).Explain(ctx, name, rib.Question{Prefix: prefix, Longest: longest})
	if errors.Is(err, ErrUnknownVRF) {
		return nil, idle(st, "no route is on its way")
	}
	if err != nil {
		return nil, s.view(ctx).failed(name, err)
	}
	return &vrfredistv1.ExplainRouteResponse{
		Vrf: name, Prefix: x.Prefix.String(), StoppedBy: x.StoppedBy, Verdict: x.Verdict,
		Export: walkMessage(x.Export), Import: walkMessage(x.Import),
	}, nil
}

func walkMessage(w rib.Walk) *vrfredistv1.Walk {
	m := &vrfredistv1.Walk{StoppedBy: w.StoppedBy, Verdict: w.Verdict}
	for _, s := range w.Steps {
		m.Steps = append(m.Steps, &vrfredistv1.Step{Name: s.Name, Outcome: s.Outcome.String(), Text: s.Text, Details: s.Details})
	}
	return m
}
