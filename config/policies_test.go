package config

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/rib/policy"
)

// inPolicy puts text into the only rule of a policy, on line 16 and following.
func inPolicy(text string) string {
	return inNetlink("[[netlink.policies]]\ndefault = \"accept\"\nname = \"p\"\n[[netlink.policies.rules]]\naction = \"accept\"\n" + text)
}

const policiesFile = head + `[[netlink.policies]]
name = "to-kernel"
default = "reject"
[[netlink.policies.rules]]
name = "customers"
prefixes = ["10.0.0.0/8 le 24", "2001:db8::/32"]
not-communities = ["no-export"]
action = "next"
set_metric = 50
[[netlink.policies.rules]]
as_path = ["^65001_"]
action = "accept"
[[netlink.policies]]
default = "accept"
name = "from-kernel"
rules = [{protocols = ["static", 16], action = "accept", set_communities = []}]
[[netlink.policies]]
default = "accept"
name = "unused"
rules = [{action = "reject"}]
[netlink.import]
enabled = true
vrf = "b"
interface_list = ["*"]
policy = "from-kernel"
[netlink.export]
enabled = true
vrf = "b"
policy = "to-kernel"
[[netlink.vrfs]]
name = "a"
[netlink.vrfs.export]
enabled = true
policy = "to-kernel"
`

func TestPoliciesAreResolved(t *testing.T) {
	t.Parallel()
	c, err := Parse("f.toml", []byte(policiesFile), fakeBGP())
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, p := range c.Policies {
		names = append(names, p.Name())
	}
	if want := []string{"to-kernel", "from-kernel", "unused"}; !cmp.Equal(names, want) {
		t.Fatalf("policies: %v, want %v", names, want)
	}
	a, b := c.VRFs[0], c.VRFs[1]
	if a.Export.Policy != c.Policies[0] || b.Export.Policy != c.Policies[0] || b.Import.Policy != c.Policies[1] || a.Import.Policy != nil {
		t.Errorf("a: %v, %v; b: %v, %v", a.Import.Policy, a.Export.Policy, b.Import.Policy, b.Export.Policy)
	}
	const text = `name = "to-kernel"
default = "reject"

[[rules]]
name = "customers"
prefixes = ["10.0.0.0/8 le 24", "2001:db8::/32"]
not_communities = ["no-export"]
set_metric = 50
action = "next"

[[rules]]
as_path = ["^65001_"]
action = "accept"
`
	if got := c.Policies[0].Text(); got != text {
		t.Errorf("the policy is\n%s\nwant\n%s", got, text)
	}
	again, err := Parse("f.toml", []byte(strings.ReplaceAll(policiesFile, "\n[", "\n\n[")), fakeBGP())
	if err != nil || again.VRFs[0].Export.Policy != a.Export.Policy {
		t.Errorf("read again, with other lines, it is another policy: %v", err)
	}
	other, err := Parse("f.toml", []byte(strings.Replace(policiesFile, "le 24", "le 25", 1)), fakeBGP())
	if err != nil || other.VRFs[0].Export.Policy == a.Export.Policy {
		t.Errorf("a changed policy is the same one: %v", err)
	}
	if d := a.Differences(other.VRFs[0]); len(d) != 1 || !strings.HasPrefix(d[0], "export.policy: to-kernel (2 rules, ") {
		t.Errorf("the difference is told as %q", d)
	}
}

// TestPolicyTextIsAConfiguration: what `policy NAME` prints may be written into a file, and is
// the same policy then, whichever key a rule has.
func TestPolicyTextIsAConfiguration(t *testing.T) {
	t.Parallel()
	keys := 0
	for _, row := range readReference(t)["netlink.policies.rules"] {
		if row.key == "action" {
			continue
		}
		for _, m := range literals.FindAllStringSubmatch(row.values, -1) {
			keys++
			text := "action = \"accept\"\n" + row.key + " = " + strings.ReplaceAll(m[1], "tenant-a", "a") + "\n"
			if row.key == "weight_from_bandwidth" {
				text += "med = 1\n" // false is as good as none
			}
			checkText(t, text)
		}
	}
	checkText(t, "action = \"accept\"\nname = \"a \\\"b\\\" \\\\ ü\"\nas_path = [\"[\\u0001\\u007f\\n\\U000E0001]\", '\\{_65001_\\}']\n")
	if keys < 60 {
		t.Errorf("only %d values were tried", keys)
	}
}

// checkText reads a policy of one rule, and what it is printed as.
func checkText(t *testing.T, rule string) {
	t.Helper()
	c, err := Parse("f.toml", []byte(inNetlink("[[netlink.policies]]\ndefault = \"accept\"\nname = \"p\"\n[[netlink.policies.rules]]\n"+rule)), fakeBGP())
	if err != nil {
		t.Errorf("%s: %v", rule, err)
		return
	}
	text := strings.ReplaceAll(c.Policies[0].Text(), "[[rules]]", "[[netlink.policies.rules]]")
	again, err := Parse("f.toml", []byte(inNetlink("[[netlink.policies]]\n"+text)), fakeBGP())
	if err != nil || again.Policies[0] != c.Policies[0] {
		t.Errorf("%s: it is printed as\n%s\nwhich is not the same: %v", rule, text, err)
	}
}

// FuzzPolicy holds that a rule that is accepted is, as it is printed, the same one.
func FuzzPolicy(f *testing.F) {
	for _, rule := range []string{
		"action = \"next\"\nprefixes = [\"10.0.0.0/8 ge 9 le 24\", \"::/0 le 128\"]\nset_med = 7\nset_prefsrc = [\"192.0.2.1\"]\n",
		"action = \"reject\"\nneighbors = [\"fe80::1%eth0@a\", \"192.0.2.0/24\"]\nnot_as_path = [\"_65001_\", \"^$\"]\nmed = \"1-2\"\n",
		"action = \"accept\"\norigin_as = [1, \"2\"]\next_communities = [\"color:1\", \"0x0000000000000000\"]\ncommunities_all = [\"no-export\", 7]\nset_nexthop = \"::1\"\n",
	} {
		f.Add(rule)
	}
	f.Fuzz(func(t *testing.T, rule string) {
		c, err := Parse("f.toml", []byte(inNetlink("[[netlink.policies]]\ndefault = \"accept\"\nname = \"p\"\n[[netlink.policies.rules]]\n"+rule)), fakeBGP())
		if err != nil {
			messages(t, err, "f.toml")
			return
		}
		for _, p := range c.Policies {
			text := strings.ReplaceAll("\n"+p.Text(), "\n[[rules]]", "\n[[netlink.policies.rules]]")
			again, err := Parse("f.toml", []byte(inNetlink("[[netlink.policies]]"+text)), fakeBGP())
			if err != nil || again.Policies[0] != p {
				t.Fatalf("%q is printed as\n%s\nwhich is not the same: %v", rule, text, err)
			}
		}
	})
}

func TestPolicyErrors(t *testing.T) {
	t.Parallel()
	def := "[[policy-definitions]]\nname = \"p\"\n"
	testErrors(t, []errorCase{
		{"no name", inNetlink("[[netlink.policies]]\ndefault = \"accept\"\nrules = [{action = \"accept\"}]\n"), []string{`:12: netlink.policies[0].name: is missing; name the policy`}},
		{"no default", inNetlink("[[netlink.policies]]\nname = \"p\"\nrules = [{action = \"accept\"}]\n"), []string{`:12: netlink.policies[0].default: is missing; write "accept" or "reject": what becomes of a route that no rule decides`}},
		{"empty name", inNetlink("[[netlink.policies]]\ndefault = \"accept\"\nname = \"\"\nrules = [{action = \"accept\"}]\n"), []string{`:14: netlink.policies[0].name: "" is no name; write one of characters that are printed`}},
		{"twice", inPolicy("") + "[[netlink.policies]]\ndefault = \"accept\"\nname = \"p\"\nrules = [{action = \"accept\"}]\n", []string{`:19: netlink.policies[1].name: "p" is the name of another policy, on line 14; give each a name of its own`}},
		{"GoBGP's name", def + inPolicy(""), []string{`:16: netlink.policies[0].name: "p" is the name of a policy of [[policy-definitions]] too, on line 2; rename one of them: where a neighbour names its policies, both kinds may stand`}},
		{"no rules", inNetlink("[[netlink.policies]]\ndefault = \"accept\"\nname = \"p\"\n"), []string{`:12: netlink.policies[0].rules: has no rules; write one, such as action = "reject" alone, which is about every route`}},
		{"empty rules", inNetlink("[[netlink.policies]]\ndefault = \"accept\"\nname = \"p\"\nrules = []\n"), []string{`:15: netlink.policies[0].rules: has no rules; write one, such as action = "reject" alone, which is about every route`}},
		{"no action", inNetlink("[[netlink.policies]]\ndefault = \"accept\"\nname = \"p\"\n[[netlink.policies.rules]]\nset_med = 7\n"), []string{`:15: netlink.policies[0].rules[0].action: is missing; write "accept", "reject", or "next" to go on with the next rules`}},
		{"unknown action", inNetlink("[[netlink.policies]]\ndefault = \"accept\"\nname = \"p\"\nrules = [{action = \"deny\"}]\n"), []string{`:15: netlink.policies[0].rules[0].action: "deny" is no action; write "accept", "reject", or "next" to go on with the next rules`}},
		{"default", inPolicy("[[netlink.policies]]\nname = \"q\"\ndefault = \"next\"\nrules = [{action = \"accept\"}]\n"), []string{`:19: netlink.policies[1].default: "next" is neither "accept" nor "reject"; write one of them: what becomes of a route that no rule decides`}},
		{"unknown key", inPolicy("prefix = [\"10.0.0.0/8\"]\n"), []string{`:17: netlink.policies[0].rules[0].prefix: unknown key; did you mean prefixes?`}},
		{"no prefix", inPolicy("prefixes = [\"10.0.0/8\"]\n"), []string{`:17: netlink.policies[0].rules[0].prefixes[0]: "10.0.0/8" is no prefix; write one such as "10.0.0.0/8", or "10.0.0.0/8 le 24" with those inside it`}},
		{"host bits", inPolicy("prefixes = [\"10.1.0.0/8 le 24\"]\n"), []string{`:17: netlink.policies[0].rules[0].prefixes[0]: "10.1.0.0/8 le 24" has bits behind its length; write 10.0.0.0/8`}},
		{"ge too short", inPolicy("not_prefixes = [\"10.0.0.0/8 ge 7\"]\n"), []string{`:17: netlink.policies[0].rules[0].not_prefixes[0]: "10.0.0.0/8 ge 7": ge 7 is shorter than the prefix, and nothing in it is; write a length from 8 to 32`}},
		{"le too long", inPolicy("prefixes = [\"10.0.0.0/8 le 33\", \"::/0 le 129\"]\n"), []string{
			`:17: netlink.policies[0].rules[0].prefixes[0]: "10.0.0.0/8 le 33": le 33 is no length of an ipv4 prefix; write one from 8 to 32`,
			`:17: netlink.policies[0].rules[0].prefixes[1]: "::/0 le 129": le 129 is no length of an ipv6 prefix; write one from 0 to 128`,
		}},
		{"ge above le", inPolicy("prefixes = [\"10.0.0.0/8 ge 24 le 16\"]\n"), []string{`:17: netlink.policies[0].rules[0].prefixes[0]: "10.0.0.0/8 ge 24 le 16": no length is at least 24 and at most 16; write the smaller one behind ge`}},
		{"ge twice", inPolicy("prefixes = [\"10.0.0.0/8 ge 9 ge 10\"]\n"), []string{`:17: netlink.policies[0].rules[0].prefixes[0]: "10.0.0.0/8 ge 9 ge 10": behind the prefix there may be "ge" and "le", each once, with a length; write for example "10.0.0.0/8 ge 8 le 32"`}},
		{"empty condition", inPolicy("communities = []\n"), []string{`:17: netlink.policies[0].rules[0].communities: is empty, and no route has any of nothing; write what it is to match, or remove the key`}},
		{"no list", inPolicy("prefixes = \"10.0.0.0/8\"\n"), []string{`:17: netlink.policies[0].rules[0].prefixes: "10.0.0.0/8" is no list; write it in brackets: ["10.0.0.0/8"]`}},
		{"large for standard", inPolicy("communities = [\"1:2:3\"]\nadd_large_communities = [\"1:2\"]\n"), []string{
			`:17: netlink.policies[0].rules[0].communities[0]: "1:2:3" has three parts, which makes it a large community; write it in the key for those, with large_communities in its name`,
			`:18: netlink.policies[0].rules[0].add_large_communities[0]: "1:2" is no large community, which has three parts; write one such as "65001:1:100", or write it in the key without large_ in its name`,
		}},
		{"regular expression", inPolicy("as_path = [\"(65001\"]\n"), []string{":17: netlink.policies[0].rules[0].as_path[0]: \"(65001\" is no regular expression (error parsing regexp: missing closing ): `(65001`); write for example \"^65001_\" for paths from AS 65001, \"_65001$\" for its own routes, \"^$\" for those of this AS"}},
		{"numbers", inPolicy("med = \"> 5\"\nlocal_pref = \"9-1\"\nas_path_length = 5000000000\n"), []string{
			`:17: netlink.policies[0].rules[0].med: "> 5": it is no number; write "100", ">= 100", "<= 100" or "100-200", with numbers up to 4294967295`,
			`:18: netlink.policies[0].rules[0].local_pref: "9-1": the first number is the larger one; write "100", ">= 100", "<= 100" or "100-200", with numbers up to 4294967295`,
			`:19: netlink.policies[0].rules[0].as_path_length: "5000000000": it is no number; write "100", ">= 100", "<= 100" or "100-200", with numbers up to 4294967295`,
		}},
		{"neighbours", inPolicy("neighbors = [\"peer1\", \"192.0.2.1%eth0\", \"192.0.2.2@\", \"192.0.2.2@c\", \"192.0.2.2@default\"]\nnot_source_vrfs = [\"a\", \"blue\"]\n"), []string{
			`:17: netlink.policies[0].rules[0].neighbors[0]: "peer1" is no address; write an address or a prefix, such as "192.0.2.2", "192.0.2.0/24" or "fe80::2%eth0"`,
			`:17: netlink.policies[0].rules[0].neighbors[1]: "192.0.2.1%eth0" is no address; write an address or a prefix, such as "192.0.2.2", "192.0.2.0/24" or "fe80::2%eth0"`,
			`:17: netlink.policies[0].rules[0].neighbors[2]: "192.0.2.2@": there is no VRF behind @; write for example 192.0.2.2@red, or leave @ out for any VRF`,
			`:17: netlink.policies[0].rules[0].neighbors[3]: there is no VRF "c"; did you mean "a"?`,
			`:18: netlink.policies[0].rules[0].not_source_vrfs[1]: there is no VRF "blue"; add it under [[vrfs]]`,
		}},
		{"words", inPolicy("families = [\"inet\"]\nrpki = [\"bad\"]\nprotocols = [\"stat\"]\ninterfaces = [\"eth[\"]\norigin_as = [\"x\"]\n"), []string{
			`:17: netlink.policies[0].rules[0].families[0]: "inet" is no family; write "ipv4" or "ipv6"`,
			`:18: netlink.policies[0].rules[0].rpki[0]: "bad" is no state of the RPKI; write "valid", "invalid" or "not-found"`,
			`:19: netlink.policies[0].rules[0].protocols[0]: route protocol "stat": neither a known name nor a number from 0 to 255; write it as ` + "`ip route`" + ` shows it after proto, for example kernel, static, dhcp, ra, bird or 186`,
			`:20: netlink.policies[0].rules[0].interfaces[0]: "eth[" is not a pattern; write an interface name with *, ? or a closed [a-z], such as "eth[0-3]"`,
			`:21: netlink.policies[0].rules[0].origin_as[0]: "x" is not an AS number; write one from 0 to 4294967295`,
		}},
		{"changes", inPolicy("set_nexthop = \"own\"\nprepend_as = 0\nset_weight = 256\nadd_communities = []\nset_metric = 0\nset_prefsrc = [\"192.0.2.1\", \"192.0.2.2\"]\n"), []string{
			`:17: netlink.policies[0].rules[0].set_nexthop: "own" is no nexthop; write "self", "unchanged", or an address`,
			`:18: netlink.policies[0].rules[0].prepend_as: 0 is out of range; write a number from 1 to 100`,
			`:19: netlink.policies[0].rules[0].set_weight: 256 is out of range; write a number from 1 to 255`,
			`:20: netlink.policies[0].rules[0].add_communities: is empty, and changes nothing; write the communities, or remove the key`,
			`:21: netlink.policies[0].rules[0].set_metric: 0 is out of range: the kernel turns 0 into another metric, and holds 32 bits; write a number from 1 to 4294967295`,
			`:22: netlink.policies[0].rules[0].set_prefsrc: names 192.0.2.1 and 192.0.2.2; write one address of each family`,
		}},
	})
}

// TestPolicyContradictions: what the rules say together.
func TestPolicyContradictions(t *testing.T) {
	t.Parallel()
	rule := func(text string) string {
		return inNetlink("[[netlink.policies]]\ndefault = \"accept\"\nname = \"p\"\n[[netlink.policies.rules]]\n" + text)
	}
	testErrors(t, []errorCase{
		{"a change of what is rejected", rule("action = \"reject\"\nset_med = 7\n"), []string{`:17: netlink.policies[0].rules[0].set_med: changes what is rejected; write action = "accept", or "next" to have later rules decide, or remove it`}},
		{"next without a change", rule("action = \"next\"\n"), []string{`:16: netlink.policies[0].rules[0].action: is "next", and the rule changes nothing, so it does nothing; write what it sets, or "accept" or "reject"`}},
		{"two weights", rule("action = \"accept\"\nset_weight = 7\nweight_from_bandwidth = true\n"), []string{`:18: netlink.policies[0].rules[0].weight_from_bandwidth: and set_weight exclude each other; remove one`}},
		{"a condition and its opposite", rule("action = \"accept\"\ncommunities = [\"1:1\"]\nnot-communities = [\"1:1\"]\n"), []string{`:18: netlink.policies[0].rules[0].not-communities: has the same as communities, so that the rule matches nothing; remove one`}},
		{"no family", rule("action = \"accept\"\nfamilies = [\"ipv6\"]\nprefixes = [\"10.0.0.0/8\"]\n"), []string{`:18: netlink.policies[0].rules[0].prefixes: has only ipv4 prefixes, and families leaves those out: the rule matches nothing; remove one of the two`}},
		{"no family either", rule("action = \"accept\"\nnot_families = [\"ipv6\", \"ipv4\"]\n"), []string{`:17: netlink.policies[0].rules[0].not_families: leaves no family, so that the rule matches nothing; remove one of its values`}},
		{"set and add", rule("action = \"accept\"\nset_communities = [\"1:1\"]\nadd_communities = [\"1:2\"]\nremove_communities = [\"1:3\"]\n"), []string{
			`:18: netlink.policies[0].rules[0].add_communities: adds to what set_communities replaces; write all of them into set_communities`,
			`:19: netlink.policies[0].rules[0].remove_communities: removes from what set_communities replaces; write into set_communities those that are to be there`,
		}},
		{"add and remove", rule("action = \"accept\"\nadd_large_communities = [\"1:1:1\"]\nremove_large_communities = [\"1:1:1\"]\n"), []string{`:18: netlink.policies[0].rules[0].remove_large_communities: removes 1:1:1, which add_large_communities adds; remove it from one of them`}},
	})
}

// TestPolicyUses: a policy is there, and all of its keys mean something where it is used.
func TestPolicyUses(t *testing.T) {
	t.Parallel()
	use := func(section string) string {
		return strings.ReplaceAll("[[netlink.vrfs]]\nname = \"a\"\n[netlink.vrfs.DIR]\nenabled = true\ninterface_list = [\"*\"]\npolicy = \"p\"\n", "DIR", section)
	}
	exported := func(text string) string { return strings.Replace(text, "interface_list = [\"*\"]\n", "", 1) }
	testErrors(t, []errorCase{
		{"unknown", inVRF("[netlink.vrfs.export]\nenabled = true\npolicy = \"to-kernel\"\n[[netlink.policies]]\ndefault = \"accept\"\nname = \"to-kernal\"\nrules = [{action = \"accept\"}]\n"), []string{`:15: netlink.vrfs[0].export.policy: there is no policy "to-kernel"; did you mean "to-kernal"?`}},
		{"none", inVRF("[netlink.vrfs.export]\nenabled = true\npolicy = \"to-kernel\"\n"), []string{`:15: netlink.vrfs[0].export.policy: there is no policy "to-kernel"; add it under [[netlink.policies]]`}},
		{"empty", inVRF("[netlink.vrfs.export]\nenabled = true\npolicy = \"\"\n"), []string{`:15: netlink.vrfs[0].export.policy: is empty; name a policy of [[netlink.policies]], or remove the key`}},
		{"GoBGP's", "[[policy-definitions]]\nname = \"theirs\"\n" + inVRF("[netlink.vrfs.export]\nenabled = true\npolicy = \"theirs\"\n"), []string{`:17: netlink.vrfs[0].export.policy: "theirs", on line 2, is one of [[policy-definitions]], which judge what neighbours send and are told, and nothing else; write it under [[netlink.policies]]`}},
		{"the short form too", inExport("policy = \"x\"\n"), []string{`:14: netlink.export.policy: there is no policy "x"; add it under [[netlink.policies]]`}},
		{"installed with export off", inVRF("[netlink.vrfs.export]\nenabled = false\nadvertise = \"installed\"\n"), []string{`:15: netlink.vrfs[0].export.advertise: is "installed" with export off, so that neighbours would be told of nothing; write enabled = true, or remove the key`}},
		{"neither", inVRF("[netlink.vrfs.export]\nenabled = true\nadvertise = \"never\"\n"), []string{`:15: netlink.vrfs[0].export.advertise: "never" is neither "always" nor "installed"; write one of them`}},
		{"rpki of kernel routes", inPolicy("rpki = [\"invalid\"]\n") + use("import"), []string{`:17: netlink.policies[0].rules[0].rpki: means nothing in import, which judges kernel routes, where line 23 uses this policy; remove it, or write a policy of its own for that`}},
		{"receive of default", inPolicy("") + "[[netlink.vrfs]]\nname = \"default\"\n[netlink.vrfs.bgp]\nreceive = \"p\"\n", []string{`:20: netlink.vrfs[0].bgp.receive: means nothing for default, into which no route targets lead; judge what its neighbours send by policy of export, or by their import-policy-list, and remove the key`}},
		{"a key of kernel routes in export", inPolicy("not_protocols = [\"static\"]\n") + exported(use("export")), []string{`:17: netlink.policies[0].rules[0].not_protocols: means nothing in export, which judges paths on their way to the kernel, where line 22 uses this policy; remove it, or write a policy of its own for that`}},
		{"keys of paths in import", inPolicy("as_path = [\"^$\"]\nset_metric = 7\n") + use("import"), []string{
			`:17: netlink.policies[0].rules[0].as_path: means nothing in import, which judges kernel routes, where line 24 uses this policy; remove it, or write a policy of its own for that`,
			`:18: netlink.policies[0].rules[0].set_metric: means nothing in import, which judges kernel routes, where line 24 uses this policy; remove it, or write a policy of its own for that`,
		}},
		{"what a neighbour is told", inPolicy("set_nexthop = \"self\"\n") + exported(use("export")), []string{`:17: netlink.policies[0].rules[0].set_nexthop: means nothing in export, which judges paths on their way to the kernel, where line 22 uses this policy; remove it, or write a policy of its own for that`}},
		{"said once", inPolicy("metric = 7\n") + exported(use("export")) + exported(strings.Replace(use("export"), `"a"`, `"b"`, 1)), []string{`:17: netlink.policies[0].rules[0].metric: means nothing in export, which judges paths on their way to the kernel, where line 22 uses this policy; remove it, or write a policy of its own for that`}},
		{"who uses a faulty one is not blamed", inPolicy("metric = \"x\"\n") + use("import"), []string{`:17: netlink.policies[0].rules[0].metric: "x": it is no number; write "100", ">= 100", "<= 100" or "100-200", with numbers up to 4294967295`}},
	})
}

func TestUnreachedRulesAreNoted(t *testing.T) {
	t.Parallel()
	c, err := Parse("f.toml", []byte(inNetlink(`[[netlink.policies]]
default = "accept"
name = "p"
[[netlink.policies.rules]]
name = "ours"
prefixes = ["10.0.0.0/8 le 32"]
action = "accept"
[[netlink.policies.rules]]
communities = ["1:1"]
prefixes = ["10.0.0.0/8 le 32"]
action = "reject"
[[netlink.policies.rules]]
communities = ["1:1"]
action = "reject"
[[netlink.policies.rules]]
action = "next"
add_communities = ["1:1"]
[[netlink.policies.rules]]
communities = ["1:1"]
action = "accept"
[[netlink.policies.rules]]
action = "reject"
[[netlink.policies.rules]]
action = "accept"
`)), fakeBGP())
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, n := range c.Notes {
		if !n.Hint { // that nothing uses it
			got = append(got, strings.TrimPrefix(n.Error(), "f.toml"))
		}
	}
	want := []string{
		`:19: netlink.policies[0].rules[1]: is never reached: rule 1 (ours), on line 15, decides of all that it matches; move it up, or remove it`,
		`:34: netlink.policies[0].rules[6]: is never reached: rule 6, on line 32, decides of all that it matches; move it up, or remove it`,
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// TestEachKeyOfARuleHasItsPlace: a key that a rule can have is one of the table that says where
// it means something.
func TestEachKeyOfARuleHasItsPlace(t *testing.T) {
	t.Parallel()
	known := policy.Keys()
	for key := range policyRuleKeys {
		if key == "name" || key == "action" {
			continue
		}
		if _, is := known[snake(strings.TrimPrefix(key, "not-"))]; !is {
			t.Errorf("the key %s is not in the table of rib/policy", key)
		}
	}
	for key := range known {
		if policyRuleKeys[canonical(key)] == nil {
			t.Errorf("the key %s of rib/policy cannot be written", key)
		}
	}
}
