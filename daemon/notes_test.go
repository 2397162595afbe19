package daemon

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

const notedBase = `[global.config]
as = 65000
router-id = "192.0.2.1"
[[vrfs]]
config = {name = "a", rd = "65000:1", both-rt-list = ["65000:1"]}
[[policy-definitions]]
name = "p"
`

// notes are those of a file by GoBGP's own schema, a line each.
func notes(t *testing.T, text string) string {
	t.Helper()
	return noteLines(slices.DeleteFunc(parsed(t, text).Notes, func(n config.Error) bool { return n.Hint })) // nothing uses the base's policy
}

func parsed(t *testing.T, text string) *config.Config {
	t.Helper()
	cfg, err := config.Parse("f.toml", []byte(text), config.BGP{Schema: conf.Schema(), Check: conf.Check})
	if err != nil {
		t.Fatalf("%s\nis refused: %v", text, err)
	}
	return cfg
}

func noteLines(list config.Errors) string {
	var b strings.Builder
	for _, n := range list {
		fmt.Fprintf(&b, "%d %s: %s\n", n.Line, n.Key, n.Message)
	}
	return b.String()
}

// TestPoliciesThatCameIntoForceAreNoted: those of a neighbour that is no route server's
// client, by whichever way it comes to them, once, as a change from earlier versions.
func TestPoliciesThatCameIntoForceAreNoted(t *testing.T) {
	const (
		apply     = "apply-policy = {config = {import-policy-list = [\"p\"]}}\n"
		client    = "route-server = {config = {route-server-client = true}}\n"
		noClient  = "route-server = {config = {route-server-client = false}}\n"
		peer      = "[[neighbors]]\nconfig = {neighbor-address = \"192.0.2.2\", peer-as = 65001}\n"
		member    = "[[neighbors]]\nconfig = {neighbor-address = \"192.0.2.2\", peer-as = 65001, peer-group = \"g\"}\n"
		inside    = "[[neighbors]]\nconfig = {neighbor-address = \"192.0.2.2\", peer-as = 65001, vrf = \"a\", netns = \"x\"}\ntransport = {config = {local-address = \"192.0.2.1\"}}\n"
		group     = "[[peer-groups]]\nconfig = {peer-group-name = \"g\", peer-as = 65001}\n"
		dynamic   = "[[dynamic-neighbors]]\nconfig = {prefix = \"192.0.2.0/24\", peer-group = \"g\"}\n"
		neighbour = "10 neighbors[0].apply-policy.config.import-policy-list: is in force"
	)
	for text, want := range map[string]string{
		peer + apply: neighbour,
		peer + "apply-policy = {config = {default-export-policy = \"reject-route\"}}\n": "neighbors[0].apply-policy.config.default-export-policy: is in force",
		peer + apply + client:   "",
		peer + apply + noClient: neighbour,
		inside + apply:          "neighbors[0].apply-policy.config.import-policy-list: is in force",
		peer:                    "",
		group + apply:           "10 peer-groups[0].apply-policy.config.import-policy-list: is in force",
		group + apply + client:  "",
		group + apply + client + member + noClient: "peer-groups[0].apply-policy",
		group + apply + member + client:            "",
		group + apply + member:                     "peer-groups[0].apply-policy",
		group + apply + member + client + dynamic:  "peer-groups[0].apply-policy",
		group + client + member + apply:            "",
		group + member + apply:                     "neighbors[0].apply-policy",
	} {
		got := ""
		for _, line := range strings.SplitAfter(noteLines(parsed(t, notedBase+text).Changed), "\n") {
			if strings.Contains(line, "apply-policy") {
				got += line
			}
		}
		if want == "" && got != "" || !strings.Contains(got, want) || strings.Count(got, "\n") > 1 {
			t.Errorf("%s\nhas the notes %q, want %q", text, got, want)
		}
	}
}

// TestAGlobalDefaultThatLeavesNothingIsNoted: the global policies judge what those of a
// neighbour accept.
func TestAGlobalDefaultThatLeavesNothingIsNoted(t *testing.T) {
	const (
		peer    = "[[neighbors]]\nconfig = {neighbor-address = \"192.0.2.2\", peer-as = 65001}\n"
		applied = peer + "apply-policy = {config = {import-policy-list = [\"p\"], default-import-policy = \"reject-route\"}}\n"
		global  = "[global.apply-policy.config]\n"
	)
	for text, want := range map[string]string{
		applied: "",
		global + "default-import-policy = \"reject-route\"\n" + peer:                                  "",
		global + "default-import-policy = \"accept-route\"\n" + applied:                               "",
		global + "default-import-policy = \"reject-route\"\nimport-policy-list = [\"p\"]\n" + applied: "",
		global + "default-import-policy = \"reject-route\"\n" + applied:                               "9 global.apply-policy.config.default-import-policy: without import-policy-list: nothing is taken",
		global + "default-export-policy = \"reject-route\"\n" + applied:                               "9 global.apply-policy.config.default-export-policy: without export-policy-list: nothing is told",
	} {
		got := notes(t, notedBase+text)
		if want == "" && got != "" || !strings.Contains(got, want) || strings.Count(got, "\n") > 1 {
			t.Errorf("%s\nhas the notes %q, want %q", text, got, want)
		}
	}
}

func TestAProtocolThatAnotherProgramUsesIsNoted(t *testing.T) {
	for protocol, want := range map[int]string{
		12: "9 netlink.route_protocol: 12 is the number of BIRD too", 186: "186 is the number of FRR and gobgp-netlink too",
		187: "FRR", 198: "FRR", 201: "201 is the number of gobgp-netlink too", 16: "the DHCP client", 9: "router discovery", 80: "Calico",
		179: "", 200: "", 5: "",
	} {
		got := notes(t, notedBase+fmt.Sprintf("[netlink]\nroute_protocol = %d\n", protocol))
		if want == "" && got != "" || !strings.Contains(got, want) {
			t.Errorf("route_protocol %d has the notes %q, want %q", protocol, got, want)
		}
	}
}

// TestAWrongKeyIsAnsweredFromItsOwnSection, where that has one that is meant.
func TestAWrongKeyIsAnsweredFromItsOwnSection(t *testing.T) {
	const statement = "[[policy-definitions.statements]]\n"
	for text, want := range map[string]string{
		statement + "conditions.bgp-conditions.match-ext-community-set.community-set = \"x\"":               "did you mean ext-community-set?",
		statement + "conditions.bgp-conditions.match-large-community-set.community-set = \"x\"":             "did you mean large-community-set?",
		statement + "conditions.bgp-conditions.match-as-path-set.community-set = \"x\"":                     "did you mean as-path-set?",
		statement + "conditions.bgp-conditions.match-as-path-set.prefix-set = \"x\"":                        "did you mean as-path-set?",
		statement + "conditions.bgp-conditions.match-community-set.ext-community-set = \"x\"":               "did you mean community-set?",
		statement + "conditions.match-neighbor-set.prefix-set = \"x\"":                                      "did you mean neighbor-set?",
		statement + "actions.bgp-actions.set-ext-community.set-community-method.communities-list = [\"x\"]": "did you mean set-ext-community-method?",
		statement + "actions.bgp-actions.set-community.set-ext-community-method.communities-list = [\"x\"]": "did you mean set-community-method?",
		"[[defined-sets.bgp-defined-sets.ext-community-sets]]\ncommunity-set-name = \"x\"":                  "did you mean ext-community-set-name?",
		"[[defined-sets.bgp-defined-sets.community-sets]]\next-community-list = [\"x\"]":                    "did you mean community-list?",
		"[[defined-sets.prefix-sets]]\nname = \"x\"":                                                        "did you mean prefix-set-name?",
		"[[neighbors]]\nconfig = {address = \"192.0.2.2\"}":                                                 "did you mean neighbor-address?",
	} {
		_, err := config.Parse("f.toml", []byte(notedBase+text), config.BGP{Schema: conf.Schema()})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s\nsays %v\nwant %q", text, err, want)
		}
	}
}
