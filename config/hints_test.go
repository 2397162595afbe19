package config

import (
	"fmt"
	"strings"
	"testing"
)

// hintsOf are the hints of a file behind the global section, which has three lines.
func hintsOf(t *testing.T, text string) string {
	t.Helper()
	c, err := Parse("f.toml", []byte("[global.config]\nas = 65000\nrouter-id = \"192.0.2.1\"\n"+text), hintBGP())
	if err != nil {
		t.Fatalf("%s\nis refused: %v", text, err)
	}
	var b strings.Builder
	for _, n := range c.Notes {
		if n.Hint {
			b.WriteString(n.Error() + "\n")
		}
	}
	return b.String()
}

// hintBGP has the keys of sets and statements too.
func hintBGP() BGP {
	bgp := fakeBGP()
	lists := map[string]any{"import-policy-list": nil, "export-policy-list": nil, "default-import-policy": nil}
	apply := map[string]any{"config": lists}
	bgp.Schema["global"].(map[string]any)["apply-policy"] = apply
	for _, list := range []string{"neighbors", "peer-groups"} {
		bgp.Schema[list].([]any)[0].(map[string]any)["apply-policy"] = apply
	}
	bgp.Schema["neighbors"].([]any)[0].(map[string]any)["afi-safis"] = []any{map[string]any{"config": map[string]any{"afi-safi-name": nil}}}
	bgp.Schema["policy-definitions"] = []any{map[string]any{"name": nil, "statements": []any{map[string]any{
		"name": nil, "conditions": map[string]any{
			"match-prefix-set": map[string]any{"prefix-set": nil},
			"bgp-conditions":   map[string]any{"match-as-path-set": map[string]any{"as-path-set": nil}},
		},
	}}}}
	bgp.Schema["defined-sets"] = map[string]any{
		"prefix-sets":      []any{map[string]any{"prefix-set-name": nil, "prefix-list": []any{map[string]any{"ip-prefix": nil}}}},
		"neighbor-sets":    []any{map[string]any{"neighbor-set-name": nil, "neighbor-info-list": nil}},
		"bgp-defined-sets": map[string]any{"as-path-sets": []any{map[string]any{"as-path-set-name": nil, "as-path-list": nil}}},
	}
	return bgp
}

// met is a VRF with a neighbour, and these import targets.
func met(imports ...string) string {
	return fmt.Sprintf("[[vrfs]]\nconfig = {name = \"red\", rd = \"65000:1\", export-rt-list = [\"65000:1\"], import-rt-list = %s}\n", strings.ReplaceAll(fmt.Sprintf("%q", imports), "\" \"", "\", \"")) +
		"[[neighbors]]\nconfig = {neighbor-address = \"192.0.2.2\", vrf = \"red\", peer-as = 65001}\n"
}

func TestHints(t *testing.T) {
	t.Parallel()
	const (
		peer   = "[[neighbors]]\nconfig = {neighbor-address = \"192.0.2.2\"}\n"
		group  = "[[peer-groups]]\nconfig = {peer-group-name = \"g\", peer-as = 65001}\n"
		any    = "[[peer-groups]]\nconfig = {peer-group-name = \"g\"}\n"
		red    = "[[vrfs]]\nconfig = {name = \"red\", rd = \"65000:1\", export-rt-list = [\"65000:1\"]}\n"
		export = "[[netlink.vrfs]]\nname = \"red\"\nexport = {enabled = true}\n"
		policy = "[[netlink.policies]]\nname = \"p\"\ndefault = \"reject\"\nrules = [{action = \"accept\"}]\n"
	)
	for text, want := range map[string]string{
		peer: "f.toml:5: neighbors[0].config.peer-as: is missing, so that a neighbour of any AS is let in",
		strings.Replace(peer, "}", ", peer-as = 0}", 1):                                             "f.toml:5: neighbors[0].config.peer-as: is 0, so that",
		strings.Replace(peer, "}", ", peer-as = 65001}", 1):                                         "",
		group + strings.Replace(peer, "}", ", peer-group = \"g\"}", 1):                              "",
		any + strings.Replace(peer, "}", ", peer-group = \"g\"}", 1):                                "peer-as: is missing",
		any + "[[dynamic-neighbors]]\nconfig = {prefix = \"192.0.2.0/24\", peer-group = \"g\"}\n":   `f.toml:7: dynamic-neighbors[0].config.peer-group: "g" has no peer-as`,
		group + "[[dynamic-neighbors]]\nconfig = {prefix = \"192.0.2.0/24\", peer-group = \"g\"}\n": "",
		strings.Replace(peer, "}", ", peer-as = 65535}", 1):                                         "f.toml:5: neighbors[0].config.peer-as: AS 65535 is reserved (RFC 7300)",
		red + export:              `f.toml:5: vrfs[0].config.name: VRF "red" exports, and has neither import route targets nor leaks`,
		red:                       "",
		met("65000:7"):            `f.toml:5: vrfs[0].config.import-rt-list[0]: no route has it, nor another import target of VRF "red": no VRF exports one, and no neighbour sends VPN routes; what its own neighbours send has the targets that it exports: [65000:1]`,
		met("65000:7", "65000:1"): "",
		met("65000:7") + "[[vrfs]]\nconfig = {name = \"blue\", rd = \"65000:2\", export-rt-list = [\"65000:7\"]}\n":                                                         "",
		strings.Replace(met("65000:7"), "peer-as", "accept_route_targets = [\"*\"], peer-as", 1):                                                                            "",
		met("65000:7") + "[[neighbors]]\nconfig = {neighbor-address = \"192.0.2.9\", peer-as = 65000}\nafi-safis = [{config = {afi-safi-name = \"l3vpn-ipv4-unicast\"}}]\n": "",
		red + strings.Replace(export, "true", "false", 1):                                                                                                                   "",
		red + "[[netlink.vrfs]]\nname = \"red\"\nexport = {enabled = true}\nbgp = {leak_from = [\"default\"]}\n[[netlink.vrfs]]\nname = \"default\"\n":                      "",
		strings.Replace(red, "export-rt", "both-rt", 1) + export:                                                                                                            "",
		policy: `f.toml:5: netlink.policies[0].name: "p" is used nowhere`,
		policy + "[netlink.export]\nenabled = true\npolicy = \"p\"\n":                                                              "",
		policy + strings.Replace(peer, "}\n", ", peer-as = 65001}\napply-policy = {config = {import-policy-list = [\"p\"]}}\n", 1): "",
		strings.Replace(red, "export-rt", "both-rt", 1) + policy + "[[netlink.vrfs]]\nname = \"red\"\nbgp = {send = \"p\"}\n":      "",
		"[[policy-definitions]]\nname = \"q\"\n":                                                                                   `f.toml:5: policy-definitions[0].name: "q" is in no import-policy-list`,
		"[[policy-definitions]]\nname = \"q\"\n[global.apply-policy.config]\nexport-policy-list = [\"q\"]\n":                       "",
		"[[defined-sets.prefix-sets]]\nprefix-set-name = \"s\"\n":                                                                  `"s" is empty, so that it matches nothing; write what is in it as prefix-list`,
		"[[defined-sets.neighbor-sets]]\nneighbor-set-name = \"s\"\nneighbor-info-list = [\"192.0.2.2\"]\n":                        `f.toml:5: defined-sets.neighbor-sets[0].neighbor-set-name: no statement of [[policy-definitions]] looks at "s"`,
		"[global.apply-policy.config]\nimport-policy-list = [\"q\"]\n[[policy-definitions]]\nname = \"q\"\n[[policy-definitions.statements]]\nname = \"1\"\nconditions = {bgp-conditions = {match-as-path-set = {as-path-set = \"s\"}}}\n" +
			"[[defined-sets.bgp-defined-sets.as-path-sets]]\nas-path-set-name = \"s\"\nas-path-list = [\"^65001\"]\n": "",
	} {
		got := hintsOf(t, text)
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("%s\nhas the hints %q, want %q", text, got, want)
		}
	}
	if _, err := Parse("f.toml", []byte("[global.config]\nas = 65535\nrouter-id = \"192.0.2.1\"\n"), fakeBGP()); err != nil {
		t.Errorf("AS 65535 of this router: %v", err)
	}
	for _, as := range []string{"0", "23456", "4294967295"} {
		if _, err := Parse("f.toml", []byte("[global.config]\nas = "+as+"\nrouter-id = \"192.0.2.1\"\n"), fakeBGP()); err == nil {
			t.Errorf("AS %s of this router is taken", as)
		}
	}
}
