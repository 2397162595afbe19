package conf

import (
	"encoding/json"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// TestPlace: what GoBGP is given in place of neighbours on links.
func TestPlace(t *testing.T) {
	family := obj{"config": obj{"afi-safi-name": "ipv6-unicast"}}
	groups := []any{
		obj{"config": obj{"peer-group-name": "g"}, "afi-safis": []any{family}, "transport": obj{"config": obj{"local-address": "fe80::5%e9"}}},
	}
	member := obj{"config": obj{"neighbor-interface": "e9", "peer-group": "g"}}
	for name, tc := range map[string]struct {
		neighbor obj
		want     string // GoBGP's part of it
	}{
		"an address":           {obj{"config": obj{"neighbor-address": "192.0.2.2"}}, `{"config":{"neighbor-address":"192.0.2.2"}}`},
		"an address on a link": {obj{"config": obj{"neighbor-address": "fe80::7%e9"}}, `{"config":{"neighbor-address":"fe80::7%e9"},"transport":{"config":{"local-address":"::"}}}`},
		"an interface": {byInterface("e9", nil),
			`{"afi-safis":[{"config":{"afi-safi-name":"ipv4-unicast"}},{"config":{"afi-safi-name":"ipv6-unicast"}}],"config":{"neighbor-address":"fe80::1%e9","peer-as":65009},"transport":{"config":{"local-address":"::"}}}`},
		"an interface, with all that is to be said": {byInterface("e9", obj{"afi-safis": []any{family}, "transport": obj{"config": obj{"local-address": "fe80::5%e9", "passive-mode": true}}}),
			`{"afi-safis":[{"config":{"afi-safi-name":"ipv6-unicast"}}],"config":{"neighbor-address":"fe80::1%e9","peer-as":65009},"transport":{"config":{"local-address":"fe80::5%e9","passive-mode":true}}}`},
		"our end without its link": {obj{"config": obj{"neighbor-address": "fe80::7%e9"}, "transport": obj{"config": obj{"local-address": "fe80::5"}}},
			`{"config":{"neighbor-address":"fe80::7%e9"},"transport":{"config":{"local-address":"fe80::5%e9"}}}`},
		"an interface, and a group's word": {member, `{"config":{"neighbor-address":"fe80::1%e9","peer-group":"g"}}`},
	} {
		t.Run(name, func(t *testing.T) {
			c := baseConf(nil, []any{tc.neighbor})
			c["peer-groups"] = groups
			placed, _, err := place(toJSON(t, c), func(string, func(netip.Addr) bool) (netip.Addr, string) { return netip.MustParseAddr("fe80::1"), "" })
			if err != nil {
				t.Fatal(err)
			}
			var got struct{ Neighbors []json.RawMessage }
			if err := json.Unmarshal(placed, &got); err != nil || len(got.Neighbors) != 1 || string(got.Neighbors[0]) != tc.want {
				t.Errorf("it is %s (%v), want %s", got.Neighbors, err, tc.want)
			}
		})
	}
}

// TestNoInterfaceIsNeededToCheck: what is right is right on every host.
func TestNoInterfaceIsNeededToCheck(t *testing.T) {
	c := baseConf(nil, []any{byInterface("e9", nil), byInterface("e8", nil), obj{"config": obj{"neighbor-address": "fe80::7%e7", "peer-as": 65009}}})
	if err := Check(toJSON(t, c)); err != nil {
		t.Error(err)
	}
	set(c, "many", "neighbors", "config", "peer-as")
	if err := Check(toJSON(t, c)); err == nil || !strings.Contains(err.Error(), "neighbors[0].config.peer-as") {
		t.Errorf("the rest of it is not judged: %v", err)
	}
}

// TestTwoWithOneAddress: GoBGP judges routes by an address without its link, so of two
// neighbours that have the same one and policies of their own the second waits.
func TestTwoWithOneAddress(t *testing.T) {
	same := func(string, func(netip.Addr) bool) (netip.Addr, string) { return netip.MustParseAddr("fe80::1"), "" }
	policy := func(list string) obj {
		return obj{"apply-policy": obj{"config": obj{"import-policy-list": []string{list}}}}
	}
	for name, tc := range map[string]struct {
		first, second obj
		waits         bool
	}{
		"none":                 {byInterface("e8", nil), byInterface("e9", nil), false},
		"the same":             {byInterface("e8", policy("a")), byInterface("e9", policy("a")), false},
		"others":               {byInterface("e8", policy("a")), byInterface("e9", policy("b")), true},
		"one has some":         {byInterface("e8", nil), byInterface("e9", policy("b")), true},
		"by its address":       {set(neighborConf("fe80::1%e8", 65001, 179), []string{"a"}, "apply-policy", "config", "import-policy-list"), byInterface("e9", policy("b")), true},
		"another address":      {set(neighborConf("fe80::2%e8", 65001, 179), []string{"a"}, "apply-policy", "config", "import-policy-list"), byInterface("e9", policy("b")), false},
		"a group's, and alike": {byInterface("e8", policy("g")), byInterface("e9", obj{"config": obj{"neighbor-interface": "e9", "peer-group": "g"}}), false},
	} {
		c := baseConf(nil, []any{tc.first, tc.second})
		c["peer-groups"] = []any{obj{"config": obj{"peer-group-name": "g"}, "apply-policy": obj{"config": obj{"import-policy-list": []string{"g"}}}}}
		_, u, err := place(toJSON(t, c), same)
		if err != nil || (len(u.Waiting) == 1) != tc.waits {
			t.Errorf("%s: %+v wait, %v; want %v", name, u.Waiting, err, tc.waits)
		}
		for _, w := range u.Waiting {
			if w.Interface != "e9" || !strings.Contains(w.Reason, "%e8 has the same address on another link and another apply-policy") {
				t.Errorf("%s: %s waits: %s", name, w.Interface, w.Reason)
			}
		}
	}
}

// TestAppliedByInterface: the policies of a neighbour that is named by an interface are for
// the address that it has now.
func TestAppliedByInterface(t *testing.T) {
	c := goodConf()
	c["neighbors"] = []any{byInterface("e9", obj{"apply-policy": obj{"config": obj{"export-policy-list": []string{"pol"}, "default-export-policy": "reject-route"}}})}
	for _, addr := range []string{"fe80::9", "fe80::10"} {
		read, err := Read(toJSON(t, c), rib.Extras{}, func(string, func(netip.Addr) bool) (netip.Addr, string) { return netip.MustParseAddr(addr), "" })
		if err != nil {
			t.Fatal(err)
		}
		list := read.Set.Global.ApplyPolicy.Config.ExportPolicyList
		if want := `vrfredist/out ["pol"] or reject`; len(list) != 2 || list[1] != want {
			t.Fatalf("the export policies are %q, want %q last", list, want)
		}
		for _, s := range read.Set.DefinedSets.NeighborSets {
			if s.NeighborSetName == list[1] && !slices.Equal(s.NeighborInfoList, []string{addr + "/128"}) {
				t.Errorf("they are for %q, want %s", s.NeighborInfoList, addr)
			}
		}
		before := NewJudging(&read.Set)
		if before.Out(netip.MustParseAddr(addr), nil) == before.Out(netip.MustParseAddr("fe80::8"), nil) {
			t.Errorf("%s is judged as others are", addr)
		}
	}
}
