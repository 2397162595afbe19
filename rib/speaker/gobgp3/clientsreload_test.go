package gobgp3

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestClientsHearNothingBetween: where a reload changes what is taken of one client of our route
// server and what another is told, the other never hears what neither configuration has it told.
func TestClientsHearNothingBetween(t *testing.T) {
	for _, more := range [][]string{nil, {"secondary-route"}} {
		t.Run(strings.Join(more, ""), func(t *testing.T) {
			x := newServed(t, more...)
			x.reloads("p's is not taken", x.conf(nil, obj{"import-policy-list": []string{"no1"}}, nil))
			x.reload(t, x.conf(nil, nil, obj{"export-policy-list": []string{"no1"}}))
			x.p.send(x.p.some(false, true, 0, 1)...)
			var heard []string // GoBGP tells those with secondary-route again of what is as it was
			eventually(t, "r hears of a withdrawal", func() bool {
				for _, lines := range x.r.heard() {
					heard = append(heard, lines...)
				}
				return slices.Contains(heard, "- of 10.0.0.0/24")
			})
			for _, l := range heard {
				if strings.HasSuffix(l, " of 10.0.1.0/24") || strings.HasSuffix(l, " of 2001:db8:1::/48") {
					t.Errorf("p's is taken, r is not told: it hears %s", l)
				}
			}
		})
	}
}

// TestSecondaryRouteByPolicy: a client of our route server with `secondary-route` has the next path where
// a reload has its policies reject the best one, and the best one again without them, as foretold.
func TestSecondaryRouteByPolicy(t *testing.T) {
	x := newServed(t, "secondary-route")
	x.comesTrue("q sends what p sends", map[string][]string{x.p.addr: {"+10.0.1.0/24"}}, func() { x.q.send(x.q.some(false, false, 1, 1)...) })
	notByP := x.conf(nil, nil, obj{"export-policy-list": []string{"not by p"}})
	notByP["defined-sets"].(obj)["bgp-defined-sets"] = obj{"as-path-sets": []any{obj{"as-path-set-name": "by p", "as-path-list": []string{"^65001_"}}}}
	notByP["policy-definitions"] = append(notByP["policy-definitions"].([]any), obj{"name": "not by p", "statements": []any{obj{
		"name": "not by p", "conditions": obj{"bgp-conditions": obj{"match-as-path-set": obj{"as-path-set": "by p"}}},
		"actions": obj{"route-disposition": "reject-route"},
	}}})
	has := func(when, want string) {
		t.Helper()
		if got := x.has[x.r]["10.0.1.0/24"]; got != want {
			t.Errorf("%s: r has 10.0.1.0/24 of %q, want %q", when, got, want)
		}
	}
	has("at first", "65001")
	if n := x.reloads("r has none by p", notByP); n != 12 {
		t.Errorf("%d changes are foretold, want 12", n)
	}
	has("none by p", "65002")
	x.reloads("r has all", x.conf(nil, nil, nil))
	has("all", "65001")
}

// TestAdvertisedToClients: what a client of our route server is told is listed as it has it.
func TestAdvertisedToClients(t *testing.T) {
	for _, more := range [][]string{nil, {"secondary-route"}} {
		t.Run(strings.Join(more, ""), func(t *testing.T) {
			x := newServed(t, more...)
			x.comesTrue("q sends what p sends", map[string][]string{x.p.addr: {"+10.0.1.0/24"}}, func() { x.q.send(x.q.some(false, false, 1, 1)...) })
			x.reloads("p's is not taken, r is told less", x.conf(nil, obj{"import-policy-list": []string{"no1"}}, obj{"export-policy-list": []string{"no2"}}))
			for _, h := range []*hostile{x.p, x.q, x.r} {
				listed := make(map[string]string)
				if err := x.NeighborRoutes(t.Context(), h.addr, true, nil, func(r rib.NeighborRoute) bool {
					listed[r.Prefix] = strings.Trim(fmt.Sprint(r.Path.Attrs.ASPath), "[]")
					return true
				}); err != nil {
					t.Fatal(err)
				}
				if !maps.Equal(listed, x.has[h]) {
					t.Errorf("%s has %v, listed is %v", h.addr, x.has[h], listed)
				}
			}
		})
	}
}
