package api

import (
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	v1 "github.com/vrfredist/vrfredist/api/v1"
	"github.com/vrfredist/vrfredist/vrf"
)

func TestPolicies(t *testing.T) {
	f := newFake()
	f.policies = []vrf.Policy{
		{Name: "a/own", Rules: []vrf.PolicyRule{{Title: "default", Action: "reject", Matched: 3}}},
		{Name: "b", Uses: []vrf.PolicyUse{{VRF: "red", Place: "export.policy"}}, Rules: []vrf.PolicyRule{
			{Title: "rule 1 (x)", Conditions: []string{"med = 7"}, Changes: []string{"set_med = 8"}, Action: "next", Matched: 1 << 40}, {Title: "default", Action: "accept"},
		}},
	}
	client := v1.NewRedistributionClient(serve(t, f))
	all, err := client.ListPolicies(t.Context(), &v1.ListPoliciesRequest{})
	if err != nil || len(all.GetPolicies()) != 2 {
		t.Fatalf("%v, %v", all, err)
	}
	one, err := client.GetPolicy(t.Context(), &v1.GetPolicyRequest{Name: "b"})
	if err != nil {
		t.Fatal(err)
	}
	p := one.GetPolicy()
	if r := p.GetRules()[0]; p.GetName() != "b" || p.GetUses()[0].GetVrf() != "red" || p.GetUses()[0].GetPlace() != "export.policy" ||
		r.GetTitle() != "rule 1 (x)" || r.GetMatched() != 1<<40 || r.GetAction() != "next" || r.GetConditions()[0] != "med = 7" || r.GetChanges()[0] != "set_med = 8" {
		t.Errorf("%v", p)
	}
	for name, want := range map[string]codes.Code{"": codes.InvalidArgument, "nobody": codes.NotFound} {
		if _, err := client.GetPolicy(t.Context(), &v1.GetPolicyRequest{Name: name}); status.Code(err) != want || !strings.Contains(err.Error(), "vrfredist policy") {
			t.Errorf("%q: %v", name, err)
		}
	}
}
