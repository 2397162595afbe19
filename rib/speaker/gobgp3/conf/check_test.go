package conf

import (
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

func TestCheckGood(t *testing.T) {
	if err := Check(toJSON(t, goodConf())); err != nil {
		t.Error(err)
	}
	c := goodConf()
	set(c, "pg", "neighbors", "config", "peer-group")
	set(c, []string{"pol"}, "global", "apply-policy", "config", "import-policy-list")
	set(c, nil, "rpki-servers")
	if err := Check(toJSON(t, c)); err != nil {
		t.Error(err)
	}
}

func TestCheckErrors(t *testing.T) {
	for _, c := range []struct {
		name string
		edit func(obj)
		want string // the start of an error: the key's path, and a word of the reason
	}{
		{"unknown section", func(c obj) { set(c, obj{}, "netlink") }, "netlink: unknown key"},
		{"unknown key", func(c obj) { set(c, 1, "neighbors", "config", "peer-ass") }, "neighbors[0].config.peer-ass: unknown key"},
		{"a value of an enumeration", func(c obj) { set(c, "reject", "policy-definitions", "statements", "actions", "route-disposition") },
			`policy-definitions[0].statements[0].actions.route-disposition: "reject" is none of the values that GoBGP knows; write one of accept-route, none, reject-route`},
		{"not a section", func(c obj) { set(c, 1, "global") }, "global: must be a section"},
		{"not a list", func(c obj) { set(c, obj{}, "neighbors") }, "neighbors: must be a list"},
		{"not a bool", func(c obj) { set(c, "yes", "neighbors", "config", "admin-down") }, "neighbors[0].config.admin-down: yes is neither"},
		{"not text", func(c obj) { set(c, 7, "vrfs", "config", "rd") }, "vrfs[0].config.rd: 7 is not text"},
		{"over 32 bits", func(c obj) { set(c, 4294967297, "global", "config", "as") }, "global.config.as: 4.294967297e+09 is not a whole"},
		{"a fraction", func(c obj) { set(c, 650.5, "global", "config", "as") }, "global.config.as: 650.5 is not a whole"},
		{"a wrong word", func(c obj) { set(c, "ipv5", "neighbors", "afi-safis", "config", "afi-safi-name") }, "neighbors[0].afi-safis[0].config.afi-safi-name: \"ipv5\" is none"},
		{"AS missing", func(c obj) { delete(c["global"].(obj)["config"].(obj), "as") }, "global.config.as: missing"},
		{"AS 0", func(c obj) { set(c, 0, "global", "config", "as") }, "global.config.as: AS 0 is reserved"},
		{"AS_TRANS", func(c obj) { set(c, 23456, "neighbors", "config", "peer-as") }, "neighbors[0].config.peer-as: AS 23456 is reserved"},
		{"local AS 0", func(c obj) { set(c, 0, "neighbors", "config", "local-as") }, "neighbors[0].config.local-as: AS 0 is reserved"},
		{"router id", func(c obj) { set(c, "2001:db8::1", "global", "config", "router-id") }, "global.config.router-id: \"2001:db8::1\""},
		{"router id missing", func(c obj) { delete(c["global"].(obj)["config"].(obj), "router-id") }, "global.config.router-id: missing"},
		{"port", func(c obj) { set(c, 70000, "global", "config", "port") }, "global.config.port: 70000"},
		{"listen address", func(c obj) { set(c, []string{"lo"}, "global", "config", "local-address-list") }, "global.config.local-address-list: \"lo\""},
		{"neighbour's address", func(c obj) { set(c, "localhost", "neighbors", "config", "neighbor-address") }, "neighbors[0].config.neighbor-address: \"localhost\" is no IP"},
		{"neighbour's address spelled otherwise", func(c obj) { set(c, "2001:DB8:0::1", "neighbors", "config", "neighbor-address") }, "neighbors[0].config.neighbor-address: write 2001:db8::1"},
		{"neighbour without address", func(c obj) { delete(c["neighbors"].([]any)[0].(obj)["config"].(obj), "neighbor-address") }, "neighbors[0].config.neighbor-address: missing"},
		{"repeated neighbour", func(c obj) { set(c, "127.0.0.3", "neighbors", "config", "neighbor-address") }, "neighbors[1].config.neighbor-address: \"127.0.0.3\" is in neighbors[0]"},
		{"local address", func(c obj) { set(c, "x", "neighbors", "transport", "config", "local-address") }, "neighbors[0].transport.config.local-address: \"x\""},
		{"peer group", func(c obj) { set(c, "nope", "neighbors", "config", "peer-group") }, "neighbors[0].config.peer-group: there is no peer group \"nope\""},
		{"dynamic peer group", func(c obj) { set(c, "nope", "dynamic-neighbors", "config", "peer-group") }, "dynamic-neighbors[0].config.peer-group: there is no"},
		{"dynamic prefix", func(c obj) { set(c, "10/8", "dynamic-neighbors", "config", "prefix") }, "dynamic-neighbors[0].config.prefix: \"10/8\""},
		{"neighbour's VRF", func(c obj) { set(c, "nope", "neighbors", "config", "vrf") }, "neighbors[0].config.vrf: there is no VRF \"nope\""},
		{"neighbour's VRF and family", func(c obj) {
			set(c, "red", "neighbors", "config", "vrf")
			set(c, "l3vpn-ipv4-unicast", "neighbors", "afi-safis", "config", "afi-safi-name")
		}, "neighbors[0].afi-safis[0].config.afi-safi-name: a neighbour in a VRF cannot"},
		{"password", func(c obj) { set(c, strings.Repeat("x", 81), "neighbors", "config", "auth-password") }, "neighbors[0].config.auth-password: it has 81 bytes"},
		{"VRF without name", func(c obj) { set(c, "", "vrfs", "config", "name") }, "vrfs[0].config.name: missing"},
		{"VRF default", func(c obj) { set(c, "default", "vrfs", "config", "name") }, "vrfs[0].config.name: \"default\" is the name"},
		{"repeated VRF", func(c obj) { set(c, "blue", "vrfs", "config", "name") }, "vrfs[1].config.name: \"blue\" is in vrfs[0]"},
		{"repeated RD", func(c obj) { set(c, "192.0.2.1:2", "vrfs", "config", "rd") }, "vrfs[1].config.rd: \"192.0.2.1:2\" is in vrfs[0]"},
		{"RD that GoBGP cuts", func(c obj) { set(c, "70000:1", "vrfs", "config", "rd") }, "vrfs[0].config.rd: \"70000:1\" is no route distinguisher"},
		{"RD missing", func(c obj) { delete(c["vrfs"].([]any)[0].(obj)["config"].(obj), "rd") }, "vrfs[0].config.rd: missing"},
		{"RT", func(c obj) { set(c, []string{"65000:1", "x"}, "vrfs", "config", "import-rt-list") }, "vrfs[0].config.import-rt-list: \"x\" is no route target"},
		{"set of a condition", func(c obj) {
			set(c, "nope", "policy-definitions", "statements", "conditions", "match-prefix-set", "prefix-set")
		}, "policy-definitions[0].statements[0].conditions.match-prefix-set.prefix-set: there is no"},
		{"prefix of a set", func(c obj) { set(c, "10/8", "defined-sets", "prefix-sets", "prefix-list", "ip-prefix") }, "defined-sets.prefix-sets[0].prefix-list[0]: invalid prefix"},
		{"expression of a set", func(c obj) {
			set(c, []string{"^("}, "defined-sets", "bgp-defined-sets", "community-sets", "community-list")
		}, "defined-sets.bgp-defined-sets.community-sets[0].community-list: \"^(\""},
		{"applied policy", func(c obj) { set(c, []string{"nope"}, "neighbors", "apply-policy", "config", "export-policy-list") }, "neighbors[0].apply-policy.config.export-policy-list: there is no policy"},
		{"collector", func(c obj) { set(c, "x", "collector", "config", "url") }, "collector.config.url: GoBGP has no collector"},
		{"TTL security and multihop", func(c obj) {
			set(c, true, "neighbors", "ebgp-multihop", "config", "enabled")
			set(c, true, "neighbors", "ttl-security", "config", "enabled")
		}, "GoBGP refuses the configuration: ebgp-multihop and ttl-security"},
	} {
		t.Run(c.name, func(t *testing.T) {
			conf := goodConf()
			c.edit(conf)
			err := Check(toJSON(t, conf))
			if err == nil {
				t.Fatalf("no error; want %q", c.want)
			}
			if !slices.ContainsFunc(strings.Split(err.Error(), "\n"), func(l string) bool { return strings.HasPrefix(l, c.want) }) {
				t.Errorf("error\n%v\nwant one that begins with\n%s", err, c.want)
			}
		})
	}
}

// TestCheckAll: all errors come at once.
func TestCheckAll(t *testing.T) {
	c := goodConf()
	set(c, 0, "global", "config", "as")
	set(c, "nope", "neighbors", "config", "peer-group")
	set(c, "x", "vrfs", "config", "rd")
	err := Check(toJSON(t, c))
	if n := len(strings.Split(err.Error(), "\n")); n != 3 {
		t.Errorf("%d errors: %v", n, err)
	}
	if err := Check([]byte("{")); err == nil {
		t.Error("half a file is no error")
	}
}

// FuzzCheck: whatever the file holds, Check returns, and New takes what Check
// takes.
func FuzzCheck(f *testing.F) {
	f.Add(toJSON(f, goodConf()))
	f.Add([]byte(`{"global":{"config":{"as":"65000","router-id":"1.1.1.1"}},"neighbors":[{"config":{"neighbor-address":"10.0.0.1","peer-group":"x"}}]}`))
	f.Add([]byte(`{"global":{"config":{"as":1}},"neighbors":null,"vrfs":[null]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		if Check(text) != nil {
			return
		}
		if _, err := Read(text, rib.Extras{}, nil); err != nil {
			t.Errorf("Check took what cannot be read: %v", err)
		}
	})
}
