package api

import (
	"context"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
)

// Diagnose says what stands in the way of the daemon on its host.
func (s *questions) Diagnose(ctx context.Context, _ *vrfredistv1.DiagnoseRequest) (*vrfredistv1.DiagnoseResponse, error) {
	findings, err := s.view(ctx).Diagnose(ctx)
	if err != nil {
		return nil, s.view(ctx).failed("look at the host", err)
	}
	out := &vrfredistv1.DiagnoseResponse{}
	for _, f := range findings {
		out.Findings = append(out.Findings, &vrfredistv1.Finding{
			Level: f.Level.String(), Check: f.Check, Subject: f.Subject, What: f.What, Why: f.Why, Mend: f.Mend,
		})
	}
	return out, nil
}
