package gobgp3

import (
	"net/netip"
	"slices"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

func TestTermsOf(t *testing.T) {
	static, link, group := rib.DefaultTerms(), rib.DefaultTerms(), rib.DefaultTerms()
	static.NextHopSelf, link.StaleTime, group.AnyRT = true, time.Minute, true
	c, err := readConf(toJSON(t, goodConf()), rib.Extras{Terms: map[string]rib.Terms{
		"192.0.2.1": static, "eth1": link, rib.TermsOfGroup("customers"): group,
	}})
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct {
		address, group string
		want           rib.Terms
	}{
		{"192.0.2.1", "", static},
		{"192.0.2.1", "customers", static}, // its own have the group's in them
		{"fe80::1%eth1", "", link},         // unnumbered
		{"fe80::1%eth2", "", rib.DefaultTerms()},
		{"10.0.0.9", "customers", group}, // dynamic
		{"10.0.0.9", "others", rib.DefaultTerms()},
		{"10.0.0.9", "", rib.DefaultTerms()},
	} {
		if got := c.termsOf(x.address, x.group); len(termChanges(got, x.want)) > 0 {
			t.Errorf("%s in %q: %v, want %v", x.address, x.group, got, x.want)
		}
	}
}

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
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := s.conf.termsOf("127.0.0.2", ""); got.EnforceFirstAS {
		t.Error("the new terms are not in force")
	}
}
