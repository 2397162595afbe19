package config

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vrfredist/vrfredist/rib"
)

const termsFile = `
[global.config]
  as = 65000
  router-id = "192.0.2.1"
[[vrfs]]
  [vrfs.config]
    name = "a"
    rd = "65000:1"
    both-rt-list = ["65000:1"]
[[peer-groups]]
  [peer-groups.config]
    peer-group-name = "customers"
    accept_route_targets = ["65000:20", "65000:10", "65000:20"]
    enforce-first-as = false
    stale_time = "90s"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.2"
    peer-as = 65001
    vrf = "a"
    netns = "tenant-a"
    accept_route_targets = ["*"]
  [neighbors.transport.config]
    local-address = "10.0.0.1"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "fe80::2%eth0"
    peer-as = 65001
    peer-group = "customers"
    next_hop_self = true
    accept-martians = ["240.0.0.0/4"]
[[neighbors]]
  [neighbors.config]
    neighbor-interface = "eth1"
    peer-group = "customers"
    enforce_first_as = true
[[netlink.vrfs]]
  name = "a"
  [netlink.vrfs.export]
    enabled = true
    accept_blackhole = true
  [netlink.vrfs.bgp]
    max_prefixes = 1000
[[netlink.vrfs]]
  name = "default"
  [netlink.vrfs.export]
    enabled = true
    accept_blackhole = true
    blackhole_no_export = false
`

func termsBGP() BGP {
	bgp := sessionsBGP()
	config := bgp.Schema["neighbors"].([]any)[0].(map[string]any)["config"].(map[string]any)
	config["neighbor-interface"] = nil
	return bgp
}

func TestTerms(t *testing.T) {
	t.Parallel()
	c, err := Parse("f.toml", []byte(termsFile), termsBGP())
	if err != nil {
		t.Fatal(err)
	}
	group := rib.Terms{AcceptRTs: targets(t, "65000:10", "65000:20"), StaleTime: 90 * time.Second, FastFailover: true}
	linkLocal, unnumbered := group, group
	linkLocal.NextHopSelf, linkLocal.AcceptMartians = true, []netip.Prefix{netip.MustParsePrefix("240.0.0.0/4")}
	unnumbered.EnforceFirstAS = true
	want := rib.Extras{
		Terms: map[string]rib.Terms{
			"group:customers":             group,
			c.Neighbors[0].Alias.String(): {AnyRT: true, EnforceFirstAS: true, FastFailover: true},
			"fe80::2%eth0":                linkLocal,
			"eth1":                        unnumbered,
		},
		MaxPrefixes:    map[string]uint32{"a": 1000},
		KeptBlackholes: []string{"a"},
	}
	if diff := cmp.Diff(want, c.Extras, cmpopts.EquateComparable(netip.Prefix{}), cmpopts.EquateEmpty()); diff != "" {
		t.Error(diff)
	}
	for key := range termKeys {
		if strings.Contains(string(c.BGP), key) {
			t.Errorf("GoBGP would see %s", key)
		}
	}
}

// TestFastFailover: of a neighbour, of its group, and of the session that the relay has in a
// namespace: that of a directly connected eBGP neighbour.
func TestFastFailover(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		was, is      string // in termsFile
		terms, relay bool
	}{
		"left out":            {"", "", true, true},
		"off":                 {`accept_route_targets = ["*"]`, "fast_failover = false", false, false},
		"iBGP":                {"peer-as = 65001\n    vrf", "peer-as = 65000\n    vrf", true, false},
		"any AS":              {"peer-as = 65001\n    vrf", "vrf", true, false},
		"of its group":        {`accept_route_targets = ["*"]`, `peer-group = "customers"`, false, false},
		"more than its group": {`accept_route_targets = ["*"]`, "peer-group = \"customers\"\n    fast-failover = true", true, true},
		"secured":             {`    local-address = "10.0.0.1"`, "    local-address = \"10.0.0.1\"\n  [neighbors.ttl-security.config]\n    enabled = true\n    ttl-min = 255", true, true},
		"secured, further":    {`    local-address = "10.0.0.1"`, "    local-address = \"10.0.0.1\"\n  [neighbors.ttl-security.config]\n    enabled = true\n    ttl-min = 250", true, false},
	} {
		text := strings.Replace(termsFile, `    stale_time = "90s"`, `    fast_failover = false`, 1)
		c, err := Parse("f.toml", []byte(strings.Replace(text, tc.was, tc.is, 1)), termsBGP())
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		n := c.Neighbors[0]
		if got := c.Extras.Terms[n.Alias.String()].FastFailover; got != tc.terms || n.FastFailover != tc.relay {
			t.Errorf("%s: %v, in the relay %v", name, got, n.FastFailover)
		}
	}
}

// TestAdvertise: router advertisements are sent on the links of neighbours by interface that
// want them, or whose group does, and of no others.
func TestAdvertise(t *testing.T) {
	t.Parallel()
	for name, tc := range map[string]struct {
		was, is, want string // in termsFile; the links, or a part of the error
	}{
		"left out":                 {"", "", ""},
		"its own":                  {`neighbor-interface = "eth1"`, "neighbor-interface = \"eth1\"\n    router_advertisements = true", "eth1"},
		"its group's":              {`stale_time = "90s"`, "router-advertisements = true", "eth1"},
		"its group's, and not its": {`neighbor-interface = "eth1"`, "neighbor-interface = \"eth1\"\n    router_advertisements = false", ""},
		"by its address":           {"next_hop_self = true", "router_advertisements = true", "f.toml:30: neighbors[1].config.router_advertisements: needs neighbor-interface"},
	} {
		text := termsFile
		if strings.Contains(name, "and not its") {
			text = strings.Replace(text, `stale_time = "90s"`, "router-advertisements = true", 1)
		}
		c, err := Parse("f.toml", []byte(strings.Replace(text, tc.was, tc.is, 1)), termsBGP())
		switch {
		case err != nil && (tc.want == "" || !strings.Contains(err.Error(), tc.want)):
			t.Errorf("%s: %v, want %q", name, err, tc.want)
		case err == nil && strings.Join(c.Advertise, " ") != tc.want:
			t.Errorf("%s: %q, want %q", name, c.Advertise, tc.want)
		}
	}
}

func targets(t *testing.T, list ...string) (rts []rib.RT) {
	t.Helper()
	for _, s := range list {
		rt, err := rib.ParseRT(s)
		if err != nil {
			t.Fatal(err)
		}
		rts = append(rts, rt)
	}
	return rts
}

// What is wrong in a term is said with its line, in a group as in a neighbour.
func TestTermErrors(t *testing.T) {
	t.Parallel()
	for change, want := range map[string]string{
		`accept_route_targets = ["*"]|accept_route_targets = "65000:1"`:                  `f.toml:22: neighbors[0].config.accept_route_targets: "65000:1" is no list`,
		`accept_route_targets = ["*"]|accept_route_targets = ["65000"]`:                  `route target "65000"`,
		`accept_route_targets = ["*"]|accept_route_targets = ["*", "65000:1"]`:           `beside "*"`,
		`accept-martians = ["240.0.0.0/4"]|accept-martians = ["10.0.0.0/8"]`:             "10.0.0.0/8 is in no range that is refused",
		`accept-martians = ["240.0.0.0/4"]|accept-martians = ["0.0.0.0/0"]`:              "0.0.0.0/0 is in no range that is refused",
		`accept-martians = ["240.0.0.0/4"]|accept-martians = ["240.0.0.1/4"]`:            "write 240.0.0.0/4",
		`accept-martians = ["240.0.0.0/4"]|accept-martians = ["::ffff:0:0/96"]`:          "GoBGP cannot bear",
		`accept-martians = ["240.0.0.0/4"]|accept-martians = ["240"]`:                    "is not a prefix",
		`enforce-first-as = false|enforce-first-as = 1`:                                  "f.toml:14: peer-groups[0].config.enforce-first-as: 1 is neither true nor false",
		`stale_time = "90s"|stale_time = 90`:                                             "is not a duration",
		`stale_time = "90s"|stale_time = "48h"`:                                          "out of range",
		`next_hop_self = true|next_hop_self = true` + "\n" + `accept_route_targets = []`: "needs vrf beside it",
		`max_prefixes = 1000|max_prefixes = 0`:                                           "out of range",
		`blackhole_no_export = false|blackhole_no_export = "no"`:                         "neither true nor false",
		`next_hop_self = true|nexthop_self = true`:                                       "did you mean",
	} {
		was, is, _ := strings.Cut(change, "|")
		_, err := Parse("f.toml", []byte(strings.Replace(termsFile, was, is, 1)), termsBGP())
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v\nwant %s", is, err, want)
		}
	}
}

// What means something else than before is noted once, at its line.
func TestNotesOfWhatChanged(t *testing.T) {
	t.Parallel()
	c, err := Parse("f.toml", []byte(termsFile), termsBGP())
	if err != nil {
		t.Fatal(err)
	}
	if text := c.Changed.Error(); strings.Count(text, "blackhole_no_export") != 1 || !strings.Contains(text, "f.toml:41: ") {
		t.Errorf("notes: %s", text)
	}
	for change, want := range map[string]string{
		"blackhole_no_export = true": "",
		"[netlink.vrfs.import]\nenabled = true\ninterface_list = [\"*\"]\ncommunities = [\"65000:1\", \"no-export\", \"no-advertise\"]": "has no-export, which is honoured now: eBGP neighbours are not told these routes",
		"[netlink.vrfs.import]\nenabled = true\ninterface_list = [\"*\"]\ncommunities = [\"no-advertise\"]":                             "neighbours are not told these routes",
	} {
		c, err := Parse("f.toml", []byte(strings.Replace(termsFile, "accept_blackhole = true\n", "accept_blackhole = true\nblackhole_no_export = true\n"+change+"\n", 1)), termsBGP())
		if change == "blackhole_no_export = true" {
			c, err = Parse("f.toml", []byte(strings.Replace(termsFile, "accept_blackhole = true\n", "accept_blackhole = true\n"+change+"\n", 1)), termsBGP())
		}
		if err != nil {
			t.Fatal(err)
		}
		if text := c.Changed.Error(); want == "" && strings.Contains(text, "blackhole") || !strings.Contains(text, want) {
			t.Errorf("%s: %s", change, text)
		}
	}
}
