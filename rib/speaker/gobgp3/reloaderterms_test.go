package gobgp3

import (
	"net/netip"
	"slices"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestReloadTerms: a reload of terms alone is told, by a reload as by a plan.
func TestReloadTerms(t *testing.T) {
	conf := baseConf(nil, []any{neighborConf("127.0.0.2", 65001, freePort(t), "ipv4-unicast")})
	terms := rib.DefaultTerms()
	s := run(t, Options{Config: toJSON(t, conf), Extras: rib.Extras{Terms: map[string]rib.Terms{"127.0.0.2": terms, "group:g": terms}}})
	terms.AcceptRTs, terms.EnforceFirstAS = []rib.RT{rt(t, "65000:1")}, false
	terms.AcceptMartians = []netip.Prefix{prefix("240.0.0.0/4")}
	next := rib.Extras{Terms: map[string]rib.Terms{"127.0.0.2": terms, "group:g": terms}}
	keys := "accept_route_targets: none -> 65000:1, enforce_first_as: true -> false, accept_martians: none -> 240.0.0.0/4"

	p, err := s.Preview(toJSON(t, conf), next)
	if err != nil {
		t.Fatal(err)
	}
	if len(p.Neighbors) != 1 || p.Neighbors[0].Address != "127.0.0.2" || len(p.Neighbors[0].Keys) != 3 || p.Neighbors[0].Restarts {
		t.Errorf("the plan has %v", p.Neighbors)
	}
	if !slices.Contains(p.Others, "peer group g: "+keys) {
		t.Errorf("the plan has %v", p.Others)
	}
	changes, err := s.Reload(t.Context(), toJSON(t, conf), next)
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"neighbour 127.0.0.2: " + keys, "peer group g: " + keys}; !slices.Equal(changes, want) {
		t.Errorf("changes %q, want %q", changes, want)
	}
	if got := s.inForce().TermsOf("127.0.0.2", ""); got.EnforceFirstAS {
		t.Error("the new terms are not in force")
	}
}
