package conf

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/osrg/gobgp/v3/pkg/config/oc"

	"github.com/vrfredist/vrfredist/rib"
)

// TestRuleNames: a file cannot have a policy of the rules' names.
func TestRuleNames(t *testing.T) {
	taken := goodConf()
	taken["policy-definitions"].([]any)[0].(obj)["name"] = "vrfredist/out"
	if err := Check(toJSON(t, taken)); err == nil || !strings.Contains(err.Error(), "names that begin with vrfredist/") {
		t.Errorf("a policy of our name: %v", err)
	}
}

// rulesOf returns what a configuration's rules come to: each statement's name with the
// neighbours of its set.
func rulesOf(t *testing.T, conf obj, extras rib.Extras) map[string]string {
	t.Helper()
	c := readConf(t, conf, extras)
	sets := make(map[string][]string)
	for _, s := range c.Set.DefinedSets.NeighborSets {
		sets[s.NeighborSetName] = s.NeighborInfoList
	}
	out := make(map[string]string)
	for _, p := range c.Set.PolicyDefinitions {
		for _, s := range p.Statements {
			to := s.Conditions.MatchNeighborSet
			text := strings.Join(sets[to.NeighborSet], " ")
			if to.MatchSetOptions == oc.MATCH_SET_OPTIONS_RESTRICTED_TYPE_INVERT {
				text = "not " + text
			} else if text == "" && to.NeighborSet != "" {
				t.Errorf("statement %s has an empty set, which GoBGP takes for all neighbours", s.Name)
			}
			out[strings.TrimPrefix(s.Name, ruleName)] = text
		}
	}
	return out
}

// ruleSet is a configuration, and what its rules come to.
type ruleSet struct {
	conf   obj
	extras rib.Extras
	want   map[string]string
}

// ruleSets are who is in which set. Whoever is in none is outside.
func ruleSets() map[string]ruleSet {
	confederation := func(c obj) obj {
		return set(c, obj{"enabled": true, "identifier": 100, "member-as-list": []int{65010}}, "global", "confederation", "config")
	}
	group := func(name string, as int, families ...string) obj {
		g := neighborConf("", as, 179, families...)
		g["config"] = obj{"peer-group-name": name, "peer-as": as}
		return g
	}
	dynamic := func(prefix, group string) any {
		return obj{"config": obj{"prefix": prefix, "peer-group": group}}
	}
	self := rib.DefaultTerms()
	self.NextHopSelf = true
	red := vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:2"})
	return map[string]ruleSet{
		"nobody": {baseConf(nil, nil), rib.Extras{}, map[string]string{"outside": "not "}},
		"eBGP and iBGP": {
			baseConf(nil, []any{neighborConf("127.0.0.2", 65001, 179), neighborConf("127.0.0.3", 65000, 179), neighborConf("fe80::2%lo", 65000, 179)}), rib.Extras{},
			map[string]string{"outside": "not 127.0.0.3/32 fe80::2/128", "inside": ""},
		},
		"local-as": {
			baseConf(nil, []any{set(neighborConf("127.0.0.2", 65001, 179), 65001, "config", "local-as"), set(neighborConf("127.0.0.3", 65000, 179), 65001, "config", "local-as")}), rib.Extras{},
			map[string]string{"outside": "not 127.0.0.2/32", "inside": ""},
		},
		"one address on two links, of two ASes": {
			baseConf(nil, []any{neighborConf("fe80::2%lo", 65000, 179), neighborConf("fe80::2%eth9", 65001, 179)}), rib.Extras{},
			map[string]string{"outside": "not "},
		},
		"a confederation": {
			confederation(baseConf(nil, []any{neighborConf("127.0.0.2", 65001, 179), neighborConf("127.0.0.3", 65000, 179), neighborConf("127.0.0.4", 65010, 179)})), rib.Extras{},
			map[string]string{"outside": "not 127.0.0.3/32 127.0.0.4/32", "members": "127.0.0.4/32", "inside": ""},
		},
		"a confederation without neighbours of our AS": {
			confederation(baseConf(nil, []any{neighborConf("127.0.0.4", 65010, 179)})), rib.Extras{},
			map[string]string{"outside": "not 127.0.0.4/32", "members": "127.0.0.4/32", "inside": ""},
		},
		"dynamic neighbours of our AS, with another in their prefix": {
			obj{
				"global":            baseConf(nil, nil)["global"],
				"peer-groups":       []any{group("in", 65000), group("out", 65001), group("any", 0)},
				"dynamic-neighbors": []any{dynamic("10.0.0.0/29", "in"), dynamic("10.0.0.6/31", "out"), dynamic("10.1.0.0/16", "any")},
				"neighbors":         []any{neighborConf("10.0.0.1", 65001, 179), neighborConf("10.0.0.7", 65000, 179)},
			}, rib.Extras{},
			map[string]string{"outside": "not 10.0.0.0/32 10.0.0.2/31 10.0.0.4/31 10.0.0.7/32", "inside": ""},
		},
		"next-hop-self": {
			obj{
				"global":            baseConf(nil, nil)["global"],
				"peer-groups":       []any{group("in", 65001)},
				"dynamic-neighbors": []any{dynamic("10.0.0.0/30", "in")},
				"neighbors":         []any{neighborConf("10.0.0.1", 65001, 179), neighborConf("127.0.0.2", 65001, 179)},
			},
			rib.Extras{Terms: map[string]rib.Terms{"group:in": self, "10.0.0.1": rib.DefaultTerms(), "127.0.0.2": self}},
			map[string]string{"outside": "not ", "next-hop-self": "10.0.0.0/32 10.0.0.2/31 127.0.0.2/32"},
		},
		"a PE": {
			baseConf([]any{red}, []any{neighborConf("127.0.0.2", 65000, 179, allFamilies...), neighborConf("127.0.0.3", 65000, 179, "ipv4-unicast"), inVRF(neighborConf("127.0.0.4", 65001, 179, "ipv4-unicast"), "red")}), rib.Extras{},
			map[string]string{"outside": "not 127.0.0.2/32 127.0.0.3/32", "inside": "", "vpn-next-hop": "127.0.0.2/32"},
		},
		"a PE that has VPN routes of another AS too": {
			baseConf([]any{red}, []any{neighborConf("127.0.0.2", 65000, 179, allFamilies...), neighborConf("127.0.0.3", 65009, 179, allFamilies...), inVRF(neighborConf("127.0.0.4", 65001, 179, "ipv4-unicast"), "red")}), rib.Extras{},
			map[string]string{"outside": "not 127.0.0.2/32", "inside": "", "vpn-next-hop": "127.0.0.2/32", "customers": "127.0.0.4/32"},
		},
		"blackholes": {
			baseConf([]any{red}, []any{neighborConf("127.0.0.2", 65000, 179, allFamilies...), neighborConf("127.0.0.3", 65001, 179), inVRF(neighborConf("127.0.0.4", 65001, 179, "ipv4-unicast"), "red"), inVRF(neighborConf("127.0.0.5", 65000, 179, "ipv4-unicast"), "red")}),
			rib.Extras{KeptBlackholes: []string{"default", "red"}},
			map[string]string{
				"outside": "not 127.0.0.2/32 127.0.0.5/32", "inside": "",
				"blackhole, default": "not 127.0.0.2/32 127.0.0.4/32 127.0.0.5/32", "blackhole, VPN routes of red": "not 127.0.0.2/32 127.0.0.4/32 127.0.0.5/32",
				"blackhole, red": "127.0.0.4/32", "customers": "127.0.0.4/32 127.0.0.5/32", "vpn-next-hop": "127.0.0.2/32",
			},
		},
	}
}

func TestRuleSets(t *testing.T) {
	for name, x := range ruleSets() {
		t.Run(name, func(t *testing.T) {
			got := rulesOf(t, x.conf, x.extras)
			if fmt.Sprint(got) != fmt.Sprint(x.want) {
				t.Errorf("got  %v\nwant %v", got, x.want)
			}
		})
	}
}

func TestWithout(t *testing.T) {
	t.Parallel()
	p := func(list ...string) (out []netip.Prefix) {
		for _, s := range list {
			out = append(out, netip.MustParsePrefix(s))
		}
		return out
	}
	for _, x := range []struct {
		from, want []netip.Prefix
		hole       string
	}{
		{p("10.0.0.0/8"), p("10.0.0.0/8"), "11.0.0.0/8"},
		{p("10.0.0.0/8"), nil, "10.0.0.0/8"},
		{p("10.0.0.0/9"), p("10.0.0.0/9"), "10.0.0.0/8"}, // the longer one is its own
		{p("10.0.0.0/30"), p("10.0.0.0/32", "10.0.0.2/31"), "10.0.0.1/32"},
		{p("0.0.0.0/0"), p("128.0.0.0/1"), "0.0.0.0/1"},
		{p("2001:db8::/126"), p("2001:db8::/127", "2001:db8::2/128"), "2001:db8::3/128"},
	} {
		if got := without(x.from, netip.MustParsePrefix(x.hole)); !slices.Equal(got, x.want) {
			t.Errorf("%v without %s: %v, want %v", x.from, x.hole, got, x.want)
		}
	}
}
