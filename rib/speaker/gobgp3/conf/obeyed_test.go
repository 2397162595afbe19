package conf

import (
	"strings"
	"testing"
)

// TestObeyed: what GoBGP reads of policies and does not go by is refused with what to write
// instead, and so is what would have it drop all policies.
func TestObeyed(t *testing.T) {
	const statement = "policy-definitions[0].statements[0]."
	at := func(v any, keys ...string) func(obj) {
		return func(c obj) { set(c, v, append([]string{"policy-definitions", "statements"}, keys...)...) }
	}
	applied := func(of string, v any, keys ...string) func(obj) {
		return func(c obj) { set(c, v, append([]string{of}, keys...)...) }
	}
	for name, tc := range map[string]struct {
		change func(obj)
		want   []string // parts of the error; none: it is fine
	}{
		"nothing":                  {func(obj) {}, nil},
		"call-policy":              {at("pol", "conditions", "call-policy"), []string{statement + "conditions.call-policy", "write the statements of that policy here"}},
		"a tag":                    {at("t", "conditions", "match-tag-set", "tag-set"), []string{statement + "conditions.match-tag-set.tag-set", "match that"}},
		"a protocol":               {at("STATIC", "conditions", "install-protocol-eq"), []string{statement + "conditions.install-protocol-eq"}},
		"a MED":                    {at(5, "conditions", "bgp-conditions", "med-eq"), []string{statement + "conditions.bgp-conditions.med-eq"}},
		"a preference":             {at(5, "conditions", "bgp-conditions", "local-pref-eq"), []string{"local-pref-eq"}},
		"an origin":                {at("igp", "conditions", "bgp-conditions", "origin-eq"), []string{"origin-eq"}},
		"a tag that is set":        {at("5", "actions", "igp-actions", "set-tag"), []string{"add a community"}},
		"a preference of 0":        {at(0, "actions", "bgp-actions", "set-local-pref"), []string{"write 1 or more"}},
		"a preference of 1":        {at(1, "actions", "bgp-actions", "set-local-pref"), nil},
		"nothing prepended":        {at("65000", "actions", "bgp-actions", "set-as-path-prepend", "as"), []string{"repeat-n: missing"}},
		"no nexthop":               {at([]string{"192.0.2.1", "router"}, "conditions", "bgp-conditions", "next-hop-in-list"), []string{`next-hop-in-list: "router" is no address`}},
		"nexthops":                 {at([]string{"192.0.2.1", "2001:db8::/32"}, "conditions", "bgp-conditions", "next-hop-in-list"), nil},
		"a MED that is none":       {at("five", "actions", "bgp-actions", "set-med"), []string{`set-med: "five" is no MED`}},
		"a MED that is added":      {at("+5", "actions", "bgp-actions", "set-med"), nil},
		"an AS that is none":       {at(obj{"as": "x", "repeat-n": 1}, "actions", "bgp-actions", "set-as-path-prepend"), []string{"set-as-path-prepend.as: x is no AS"}},
		"the last AS":              {at(obj{"as": "last-as", "repeat-n": 1}, "actions", "bgp-actions", "set-as-path-prepend"), nil},
		"an AS":                    {at(obj{"as": "4200000000", "repeat-n": 1}, "actions", "bgp-actions", "set-as-path-prepend"), nil},
		"capitals":                 {at(obj{"options": "REMOVE", "set-community-method": obj{"communities-list": []string{"65001:1"}}}, "actions", "bgp-actions", "set-community"), []string{`set-community.options: "REMOVE" is none of add`}},
		"no operator":              {at(obj{"value": 5}, "conditions", "bgp-conditions", "as-path-length"), []string{"as-path-length.operator: missing"}},
		"an operator":              {at(obj{"value": 5, "operator": "ge"}, "conditions", "bgp-conditions", "as-path-length"), nil},
		"a community that is none": {at(obj{"options": "add", "set-community-method": obj{"communities-list": []string{"x:y"}}}, "actions", "bgp-actions", "set-community"), []string{"its policies cannot be made"}},
		"a neighbour that is none": {func(c obj) {
			set(c, []any{obj{"neighbor-set-name": "n", "neighbor-info-list": []string{"x"}}}, "defined-sets", "neighbor-sets")
		}, []string{"its policies cannot be made", `x`}},
		"two families in a set": {func(c obj) {
			set(c, []any{obj{"prefix-set-name": "ps", "prefix-list": []any{obj{"ip-prefix": "10.0.0.0/8"}, obj{"ip-prefix": "2001:db8::/32"}}}}, "defined-sets", "prefix-sets")
		}, []string{"its policies cannot be made", "multiple families"}},
		"tags":                      {func(c obj) { set(c, []any{obj{"tag-set-name": "t"}}, "defined-sets", "tag-sets") }, []string{"GoBGP has no tags"}},
		"an in policy":              {applied("neighbors", []string{"pol"}, "apply-policy", "config", "in-policy-list"), []string{"neighbors[0].apply-policy.config.in-policy-list", "write import-policy-list"}},
		"a family's policies":       {applied("neighbors", []string{"pol"}, "afi-safis", "apply-policy", "config", "import-policy-list"), []string{"neighbors[0].afi-safis[0].apply-policy", "neighbors[0].apply-policy.config"}},
		"a group's family's":        {applied("peer-groups", []any{obj{"config": obj{"afi-safi-name": "ipv4-unicast"}, "apply-policy": obj{"config": obj{"default-import-policy": "reject-route"}}}}, "afi-safis"), []string{"peer-groups[0].afi-safis[0].apply-policy"}},
		"one policy twice":          {applied("neighbors", []string{"pol", "pol"}, "apply-policy", "config", "export-policy-list"), []string{"neighbors[0].apply-policy.config.export-policy-list", "is named twice"}},
		"one policy twice, for all": {applied("global", []string{"pol", "pol"}, "apply-policy", "config", "import-policy-list"), []string{"global.apply-policy.config.import-policy-list", "is named twice"}},
		"no such policy":            {applied("neighbors", []string{"lop"}, "apply-policy", "config", "export-policy-list"), []string{`there is no policy "lop"`}},
		"a neighbour's policies":    {applied("neighbors", []string{"pol"}, "apply-policy", "config", "export-policy-list"), nil},
	} {
		c := goodConf()
		tc.change(c)
		err := Check(toJSON(t, c))
		if len(tc.want) == 0 && err != nil {
			t.Errorf("%s: %v", name, err)
		}
		for _, want := range tc.want {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nwant %q", name, err, want)
			}
		}
	}
}

// TestUndecided: policies whose accepted routes cannot be told from the others are refused
// at the list that names them.
func TestUndecided(t *testing.T) {
	c := goodConf()
	set(c, obj{"options": "remove", "set-community-method": obj{"communities-list": []string{"65001:1"}}}, "policy-definitions", "statements", "actions", "bgp-actions", "set-community")
	set(c, obj{"options": "remove", "set-large-community-method": obj{"communities-list": []string{"65001:1:1"}}}, "policy-definitions", "statements", "actions", "bgp-actions", "set-large-community")
	set(c, obj{"import-policy-list": []string{"pol"}, "default-import-policy": "reject-route"}, "neighbors", "apply-policy", "config")
	if err := Check(toJSON(t, c)); err != nil {
		t.Errorf("without global policies: %v", err)
	}
	set(c, "reject-route", "global", "apply-policy", "config", "default-import-policy")
	err := Check(toJSON(t, c))
	for _, want := range []string{"neighbors[0].apply-policy.config.import-policy-list", "divide that statement"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v\nwant %q", err, want)
		}
	}
}

// TestApartOnLinks: one address on two links with policies of two kinds is refused.
func TestApartOnLinks(t *testing.T) {
	policy := func(n obj, list ...string) any {
		return set(n, obj{"export-policy-list": list}, "apply-policy", "config")
	}
	for name, tc := range map[string]struct {
		second any
		wrong  bool
	}{
		"the same":        {policy(neighborConf("fe80::2%eth1", 65001, 179), "pol"), false},
		"none":            {neighborConf("fe80::2%eth1", 65001, 179), true},
		"another address": {neighborConf("fe80::3%eth1", 65001, 179), false},
	} {
		c := goodConf()
		c["neighbors"] = []any{policy(neighborConf("fe80::2%eth0", 65001, 179), "pol"), tc.second}
		err := Check(toJSON(t, c))
		if tc.wrong != (err != nil) || err != nil && !strings.Contains(err.Error(), "neighbors[1].config.neighbor-address: fe80::2%eth0 has the same address on another link") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
