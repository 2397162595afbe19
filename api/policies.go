package api

import (
	"context"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	vrfredistv1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

// ListPolicies returns the policies that the caller may see.
func (s *states) ListPolicies(ctx context.Context, _ *vrfredistv1.ListPoliciesRequest) (*vrfredistv1.ListPoliciesResponse, error) {
	out := new(vrfredistv1.ListPoliciesResponse)
	for _, p := range s.view(ctx).Policies() {
		out.Policies = append(out.Policies, policyMessage(&p))
	}
	return out, nil
}

// GetPolicy returns one policy.
func (s *states) GetPolicy(ctx context.Context, r *vrfredistv1.GetPolicyRequest) (*vrfredistv1.GetPolicyResponse, error) {
	if r.GetName() == "" {
		return nil, invalid("name", "is empty: name a policy, as `vrfredist policy` lists them")
	}
	for _, p := range s.view(ctx).Policies() {
		if p.Name == r.GetName() {
			return &vrfredistv1.GetPolicyResponse{Policy: policyMessage(&p)}, nil
		}
	}
	return nil, status.Errorf(codes.NotFound, "there is no policy %q; `vrfredist policy` lists those that there are", r.GetName())
}

func policyMessage(p *vrf.Policy) *vrfredistv1.Policy {
	m := &vrfredistv1.Policy{Name: p.Name}
	for _, r := range p.Rules {
		m.Rules = append(m.Rules, &vrfredistv1.PolicyRule{
			Title: r.Title, Conditions: r.Conditions, Changes: r.Changes, Action: r.Action, Matched: r.Matched,
		})
	}
	for _, u := range p.Uses {
		m.Uses = append(m.Uses, &vrfredistv1.PolicyUse{Vrf: u.VRF, Place: u.Place, Uncounted: u.Uncounted})
	}
	return m
}
