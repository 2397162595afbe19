package config

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/api/access"
)

// told is a configuration in a few words: a line for each VRF.
func told(c *Config) string {
	var b strings.Builder
	for _, s := range c.VRFs {
		fmt.Fprintf(&b, "%s of %s in %s:", s.Name, s.Of(), s.Binding)
		if s.Import.Enabled {
			fmt.Fprintf(&b, " import %v", s.Import.Interfaces)
		}
		if s.Export.Enabled {
			fmt.Fprintf(&b, " export %v %v metric %d", s.Export.CommunityList, s.Export.LargeCommunities, s.Export.Metric)
		}
		b.WriteString("\n")
	}
	return b.String()
}

const forkBase = `[global.config]
  as = 65000
  router-id = "192.0.2.1"
[[vrfs]]
  [vrfs.config]
    name = "red"
    rd = "65000:1"
    both-rt-list = ["65000:1"]
`

// forked are files of gobgp-netlink, what their keys come to, and a part of each
// note that goes with them, in order.
var forked = map[string]struct {
	file, want string
	notes      []string // a part of each, in order
}{
	"several rules of one VRF": {`
[netlink.export]
  enabled = true
  [[netlink.export.rules]]
    name = "first"
    vrf = "red"
    table-id = 1001
    community-list = ["65000:1"]
  [[netlink.export.rules]]
    name = "second"
    vrf = "red"
    table-id = 1002
    metric = 30
    large-community-list = ["65000:1:2"]
`, "red of red in table 1001: export [65000:1] [] metric 20\nred/1002 of red in table 1002: export [] [65000:1:2] metric 30\n",
		[]string{"14: vrf: takes the routes of this VRF", "15: table-id: the table is taken by its number", "19: vrf: takes", `20: table-id: is a secondary table of VRF "red": commands and metrics call it "red/1002"`}},
	"one table, two rules": {`
[netlink.export]
  enabled = true
  [[netlink.export.rules]]
    community-list = ["65000:1"]
  [[netlink.export.rules]]
    community-list = ["65000:2"]
    table-id = 254
    metric = 30
`, "default of default in main: export [65000:1 65000:2] [] metric 20\n", []string{"17: metric: a table of a VRF has one metric here: 20"}},
	"the global table elsewhere": {`
[netlink.export]
  enabled = true
  [[netlink.export.rules]]
    table-id = 300
  [[netlink.export.rules]]
    vrf = "customer"
    skip-nexthop-validation = true
`, "default of default in main:\ndefault/300 of default in table 300: export [] [] metric 20\ndefault/customer of default in device customer: export [] [] metric 20\n",
		[]string{`13: table-id: is a secondary table of VRF "default"`, `15: vrf: is no VRF of [[vrfs]]: routes of the global table go into the table of the VRF device "customer"`, `15: vrf: is a secondary table`, "16: skip-nexthop-validation: is ignored"}},
	"sections of a VRF": {`  [vrfs.netlink-import]
    enabled = true
    interface-list = ["eth2"]
  [vrfs.netlink-export]
    enabled = true
    linux-vrf = "vrf-red"
    metric = 0
[netlink.export]
  enabled = true
  route-protocol = 201
  dampening-interval = 100
`, "red of red in device vrf-red: import [eth2] export [] [] metric 20\n",
		[]string{"11: interface-list: takes every route", "15: metric: 0 is another metric", "17: enabled: exports nothing of the global table", "18: route-protocol: is the protocol of all VRFs", "19: dampening-interval: is ignored"}},
	"both ways of a VRF, and a rule": {`  [vrfs.netlink-export]
    enabled = true
[netlink.import]
  enabled = true
  vrf = "red"
  interface-list = ["eth2"]
[netlink.export]
  enabled = true
  [[netlink.export.rules]]
    vrf = "red"
    table-id = 7
`, "red of red in device red: import [eth2] export [] [] metric 20\nred/7 of red in table 7: export [] [] metric 20\n",
		[]string{"14: interface-list", "18: vrf", "19: table-id: is a secondary table of VRF \"red\": commands and metrics call it \"red/7\"; if it is the table of the VRF device, write linux-table-id = 7"}},
	"off": {`  [vrfs.netlink-import]
    interface-list = ["eth2"]
  [vrfs.netlink-export]
    enabled = false
[netlink.import]
  enabled = true
  vrf = ""
  interface-list = ["eth*"]
[netlink.export]
  enabled = false
  [[netlink.export.rules]]
    table-id = 300
`, "default of default in main: import [eth*]\nred of red in device red:\n",
		[]string{"9: netlink-import: is off", "10: interface-list", "16: interface-list"}},
	"a file of our own": {"[netlink.import]\n  enabled = true\n  interface-list = [\"*\"]\n[netlink.export]\n  enabled = true\n",
		"default of default in main: import [*] export [] [] metric 20\n", nil},
}

func TestFork(t *testing.T) {
	for name, tc := range forked {
		t.Run(name, func(t *testing.T) {
			c, err := Parse("f.toml", []byte(forkBase+tc.file), fakeBGP())
			if err != nil {
				t.Fatal(err)
			}
			if got := told(c); got != tc.want {
				t.Errorf("got\n%swant\n%s", got, tc.want)
			}
			var notes []string
			for _, n := range c.Notes {
				notes = append(notes, fmt.Sprintf("%d: %s: %s", n.Line, n.Key[strings.LastIndexByte(n.Key, '.')+1:], n.Message))
			}
			if len(notes) != len(tc.notes) {
				t.Fatalf("notes\n%s\nwant %d of them", strings.Join(notes, "\n"), len(tc.notes))
			}
			for i, want := range tc.notes {
				if !strings.HasPrefix(notes[i], want) {
					t.Errorf("note %q, want %q", notes[i], want)
				}
			}
			if strings.Contains(string(c.BGP), "netlink") {
				t.Errorf("GoBGP is given keys that it does not know: %s", c.BGP)
			}
		})
	}
}

func TestForkErrors(t *testing.T) {
	for text, want := range map[string]string{
		"[netlink.export]\n  enabled = true\n  vrf = \"red\"\n  [[netlink.export.rules]]\n    table-id = 3\n":                                                                                                                                   "netlink.export.rules: and the other keys of netlink.export exclude each other",
		"  [vrfs.netlink-export]\n    enabled = true\n[[netlink.vrfs]]\n  name = \"red\"\n":                                                                                                                                                     `VRF "red" is in [[netlink.vrfs]] already, on line 12`,
		"[netlink.export]\n  enabled = true\n  [[netlink.export.rules]]\n    table-id = 255\n":                                                                                                                                                  "255 is reserved",
		"[netlink.export]\n  enabled = true\n  [[netlink.export.rules]]\n    tables-id = 5\n":                                                                                                                                                   "did you mean table_id?",
		"[netlink.export]\n  enabled = true\n  [[netlink.export.rules]]\n    community-list = [\"65000:x\"]\n":                                                                                                                                  "community_list",
		"[[netlink.vrfs]]\n  name = \"red\"\n  table = 9\n[netlink.export]\n  enabled = true\n  [[netlink.export.rules]]\n    table-id = 9\n":                                                                                                   `would use the table of VRF "red"`,
		"[[vrfs]]\n  [vrfs.config]\n    name = \"red/77\"\n    rd = \"65000:77\"\n[netlink.export]\n  enabled = true\n[[netlink.export.rules]]\n  vrf = \"red\"\n  table-id = 76\n[[netlink.export.rules]]\n  vrf = \"red\"\n  table-id = 77\n": `is a secondary table of VRF "red", which is called "red/77", and so is a VRF, on line `,
	} {
		_, err := Parse("f.toml", []byte(forkBase+text), fakeBGP())
		if err == nil || !strings.Contains(strings.ReplaceAll(err.Error(), "-list", "_list"), want) {
			t.Errorf("%s\n%v, want %s", text, err, want)
		}
	}
}

// Who has the role of a VRF has it for every table that its routes go to, and for
// nothing else; a role is of a whole VRF.
func TestRolesOfFurtherTables(t *testing.T) {
	text := func(role string) []byte {
		return []byte(forkBase + `
[netlink.export]
  enabled = true
  [[netlink.export.rules]]
    table-id = 300
  [[netlink.export.rules]]
    table-id = 301
  [[netlink.export.rules]]
    vrf = "red"
    table-id = 1001
  [[netlink.export.rules]]
    vrf = "red"
    table-id = 1002
[[netlink.api.roles]]
  role = "` + role + `"
  users = [7]
`)
	}
	c, err := Parse("f.toml", text("vrf:red"), fakeBGP())
	if err != nil {
		t.Fatal(err)
	}
	grant := c.API.Policy.Grant(access.Caller{Way: access.Socket, UID: 7})
	for _, s := range c.VRFs {
		if want := s.Of() == "red"; grant.Sees(s.Name) != want || grant.Changes(s.Name) != want {
			t.Errorf("the role vrf:red, and %s of VRF %s: sees %v, changes %v", s.Name, s.Of(), grant.Sees(s.Name), grant.Changes(s.Name))
		}
	}
	if got := grant.String(); got != "the roles vrf:red and vrf:red/1002" || len(c.VRFs) < 4 {
		t.Errorf("%s, of %d tables", got, len(c.VRFs))
	}
	if _, err := Parse("f.toml", text("vrf:red/1002"), fakeBGP()); err == nil || !strings.Contains(err.Error(), `there is no VRF "red/1002"`) {
		t.Errorf("a role of a secondary table alone: %v", err)
	}
}

// TestSecondaryTablesHaveThePolicies: what a VRF's policies reject goes into no table of it.
func TestSecondaryTablesHaveThePolicies(t *testing.T) {
	c := mustParse(t, "f.toml", forkBase+`
[[netlink.policies]]
  name = "to-kernel"
  default = "accept"
  rules = [{action = "accept"}]
[[netlink.policies]]
  name = "from-others"
  default = "accept"
  rules = [{action = "accept"}]
[[netlink.vrfs]]
  name = "red"
  table = 1001
  [netlink.vrfs.export]
    enabled = true
    policy = "to-kernel"
  [netlink.vrfs.bgp]
    receive = "from-others"
[netlink.export]
  enabled = true
  [[netlink.export.rules]]
    vrf = "red"
    table-id = 1002
  [[netlink.export.rules]]
    table-id = 300
`)
	for _, s := range c.VRFs {
		export, receive := "none", "none"
		if s.Export.Policy != nil {
			export = s.Export.Policy.Name()
		}
		if s.Export.Receive != nil {
			receive = s.Export.Receive.Name()
		}
		want := [2]string{"none", "none"}
		if s.Of() == "red" {
			want = [2]string{"to-kernel", "from-others"}
		}
		if got := [2]string{export, receive}; got != want {
			t.Errorf("%s is judged by %v, want %v", s.Name, got, want)
		}
	}
}
