package config

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/vrf"
)

const appliedHead = `[global.config]
as = 65000
router-id = "192.0.2.1"
[[vrfs]]
config = {name = "red", rd = "65000:1"}
[[neighbors]]
config = {neighbor-address = "192.0.2.2", peer-as = 65001, vrf = "red", netns = "ns"}
transport = {config = {local-address = "192.0.2.1"}}
`

// appliedBGP is GoBGP's schema as far as policies are in it.
func appliedBGP() BGP {
	bgp := sessionsBGP()
	lists := map[string]any{"config": map[string]any{"import-policy-list": nil, "export-policy-list": nil}}
	for _, list := range []string{"neighbors", "peer-groups"} {
		bgp.Schema[list].([]any)[0].(map[string]any)["apply-policy"] = lists
	}
	bgp.Schema["global"].(map[string]any)["apply-policy"] = lists
	bgp.Schema["policy-definitions"] = []any{map[string]any{"name": nil}}
	return bgp
}

// TestPoliciesOfListsAreTranslated: a list names both kinds of policies, each in its
// direction, and GoBGP gets its own.
func TestPoliciesOfListsAreTranslated(t *testing.T) {
	t.Parallel()
	text := appliedHead + `apply-policy = {config = {import-policy-list = ["theirs", "ours"], Export_Policy_List = "ours"}}
[[policy-definitions]]
name = "theirs"
[[netlink.policies]]
name = "ours"
default = "reject"
[[netlink.policies.rules]]
prefixes = ["10.0.0.0/8 le 24"]
neighbors = ["192.0.2.2@red"]
prepend_as = 2
action = "accept"
`
	c, err := Parse("f.toml", []byte(text), appliedBGP())
	if err != nil {
		t.Fatal(err)
	}
	var got struct {
		Neighbors []struct {
			Apply struct {
				Config map[string]any
			} `json:"apply-policy"`
		}
		Definitions []struct {
			Name       string
			Statements []any
		} `json:"policy-definitions"`
	}
	if err := json.Unmarshal(c.BGP, &got); err != nil {
		t.Fatal(err)
	}
	if lists := fmt.Sprint(got.Neighbors[0].Apply.Config); lists != "map[export-policy-list:ours (out) import-policy-list:[theirs ours (in)]]" {
		t.Errorf("GoBGP's lists are %s", lists)
	}
	var names []string
	for _, d := range got.Definitions {
		names = append(names, fmt.Sprint(d.Name, " ", len(d.Statements)))
	}
	slices.Sort(names)
	if want := []string{"ours (in) 2", "ours (out) 2", "theirs 0"}; !slices.Equal(names, want) {
		t.Errorf("GoBGP's policies are %q, want %q", names, want)
	}
	for _, want := range []string{`"as":"last-as"`, `"as":"65000"`, `"masklength-range":"8..24"`, c.Neighbors[0].Alias.String() + "/32", `"route-disposition":"reject-route"`} {
		if !strings.Contains(string(c.BGP), want) {
			t.Errorf("GoBGP gets no %s: %s", want, c.BGP)
		}
	}
}

// TestWhatGoBGPCannotBeTold is refused at the rule, with the line that has GoBGP judge by it.
func TestWhatGoBGPCannotBeTold(t *testing.T) {
	t.Parallel()
	for rule, want := range map[string]string{
		`local_pref = ">= 100"`:                        "rules[0].local_pref: GoBGP does not compare",
		`not_med = "5"`:                                "rules[0].not_med: GoBGP does not compare",
		`ext_communities = ["soo:65000:1"]`:            "rules[0].ext_communities",
		`not_communities_all = ["65001:1", "65001:2"]`: "rules[0].not_communities_all: GoBGP cannot say",
		"communities = [\"65001:1\", \"65001:3\"]\nnot_communities = [\"65001:2\"]": "rules[0].not_communities: GoBGP compares communities with one list",
		"as_path = [\"^65001_\"]\norigin_as = [65002]":                              "rules[0].origin_as: GoBGP compares the AS path with one list",
		`nexthops = ["fe80::2%eth0"]`:                                               "rules[0].nexthops: GoBGP knows no links",
		`as_path_length = "100-200"`:                                                "rules[0].as_path_length: GoBGP compares the length with one number",
		`set_local_pref = 0`:                                                        "rules[0].set_local_pref: GoBGP takes 0 for none",
		"communities = [\"65001:1\"]\nremove_communities = [\"65001:1\"]\nadd_communities = [\"65001:2\"]": "rules[0].remove_communities: GoBGP removes communities in one rule",
		`protocols = ["static"]`:    "rules[0].protocols: means nothing in a neighbour's import policy, where line 9 uses this policy",
		`set_metric = 5`:            "rules[0].set_metric: means nothing in a neighbour's import policy",
		`set_nexthop = "self"`:      "rules[0].set_nexthop: means nothing in a neighbour's import policy",
		`communities = ["65001:1"]`: "",
	} {
		text := appliedHead + "apply-policy = {config = {import-policy-list = [\"ours\"]}}\n[[netlink.policies]]\nname = \"ours\"\ndefault = \"reject\"\n[[netlink.policies.rules]]\naction = \"accept\"\n" + rule + "\n"
		_, err := Parse("f.toml", []byte(text), appliedBGP())
		if want == "" && err != nil || want != "" && (err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "line 9")) {
			t.Errorf("%s\nsays %v\nwant %q", rule, err, want)
		}
	}
}

// TestAPolicyThatDecidesAllIsTheLast: what a list names behind it is never asked.
func TestAPolicyThatDecidesAllIsTheLast(t *testing.T) {
	t.Parallel()
	text := appliedHead + "apply-policy = {config = {import-policy-list = [\"ours\", \"theirs\"]}}\n[[policy-definitions]]\nname = \"theirs\"\n[[netlink.policies]]\nname = \"ours\"\ndefault = \"accept\"\n[[netlink.policies.rules]]\naction = \"reject\"\nfamilies = [\"ipv6\"]\n"
	_, err := Parse("f.toml", []byte(text), appliedBGP())
	if err == nil || !strings.Contains(err.Error(), `f.toml:9: neighbors[0].apply-policy.config.import-policy-list[1]: is never asked: policy "ours" before it decides every route`) {
		t.Error(err)
	}
}

// TestListsThatUsePolicies: whose lists name a policy is known, for what is shown of it.
func TestListsThatUsePolicies(t *testing.T) {
	t.Parallel()
	const lists = `apply-policy = {config = {import-policy-list = ["ours"]}}
`
	text := appliedHead + lists + `[[neighbors]]
config = {neighbor-address = "192.0.2.9", peer-as = 65001}
apply-policy = {config = {export-policy-list = ["ours"]}}
[[peer-groups]]
config = {peer-group-name = "many"}
` + lists + `[global.apply-policy.config]
import-policy-list = ["ours"]
[[netlink.policies]]
name = "ours"
default = "reject"
[[netlink.policies.rules]]
action = "accept"
[[netlink.vrfs]]
name = "red"
[netlink.vrfs.bgp]
send = "ours"
`
	c, err := Parse("f.toml", []byte(text), appliedBGP())
	if err != nil {
		t.Fatal(err)
	}
	want := []vrf.PolicyUse{
		{VRF: "", Place: "import-policy-list of [global]", Uncounted: vrf.JudgedByBGP},
		{VRF: "red", Place: "import-policy-list of neighbor 192.0.2.2", Uncounted: vrf.JudgedByBGP},
		{VRF: "default", Place: "export-policy-list of neighbor 192.0.2.9", Uncounted: vrf.JudgedByBGP},
		{VRF: "", Place: "import-policy-list of peer group many", Uncounted: vrf.JudgedByBGP},
		{VRF: "red", Place: "bgp.send", Uncounted: vrf.JudgedByBGP},
	}
	if got := c.Applied["ours"]; !slices.Equal(got, want) {
		t.Errorf("uses %v, want %v", got, want)
	}
}
