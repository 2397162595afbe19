package daemon

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/config"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
	"github.com/vrfredist/vrfredist/vrf"
)

// forced is what is in force of a text, as a file.
func forced(t *testing.T, text string, overlay *config.Overlay) (cfg *config.Config, c vrf.InForce, printed string) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "f.toml")
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	cfg, err := config.Load(file, bgpPart(nil))
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if c, err = cfg.InForce(file, bgpPart(nil), config.Over{Overlay: overlay}); err != nil {
		t.Fatal(err)
	}
	var b bytes.Buffer
	if err := config.PrintInForce(&b, c); err != nil {
		t.Fatal(err)
	}
	return cfg, c, b.String()
}

// same holds what two files come to against each other. Pointers of policies are the same where
// their texts are.
func same(t *testing.T, a, b *config.Config, printed string) {
	t.Helper()
	for what, of := range map[string]func(*config.Config) any{
		"VRFs": func(c *config.Config) any { return c.VRFs }, "Others": func(c *config.Config) any { return c.Others },
		"API": func(c *config.Config) any { return c.API }, "Extras": func(c *config.Config) any { return c.Extras },
		"Metrics": func(c *config.Config) any { return c.Metrics }, "Policies": func(c *config.Config) any { return c.Policies },
		"Applied": func(c *config.Config) any { return c.Applied }, "Carriage": func(c *config.Config) any { return c.Carriage },
		"Neighbors":     func(c *config.Config) any { return c.Neighbors },
		"Advertise":     func(c *config.Config) any { return c.Advertise },
		"ManageSysctls": func(c *config.Config) any { return c.ManageSysctls },
		"BGP": func(c *config.Config) any {
			var v any
			text, err := conf.Filled(c.BGP) // the defaults are written out
			if err == nil {
				err = json.Unmarshal(text, &v)
			}
			if err != nil {
				t.Fatal(err)
			}
			if global, is := v.(map[string]any)["Global"].(map[string]any); is {
				delete(global, "afi-safis") // all, in no order
			}
			return v
		},
	} {
		if x, y := of(a), of(b); !reflect.DeepEqual(x, y) {
			t.Errorf("%s differ:\n%+v\n%+v\nin force:\n%s", what, x, y, printed)
		}
	}
}

const forcedFork = `
[global.config]
  as = 65000
  router-id = "192.0.2.1"
[[vrfs]]
  [vrfs.config]
    name = "red"
    rd = "65000:1"
    both-rt-list = ["65000:1"]
  [vrfs.netlink-import]
    enabled = true
    interface-list = ["eth0"]
  [vrfs.netlink-export]
    enabled = true
    linux-vrf = "red-two"
    community-list = ["65000:7"]
    metric = 0
[[vrfs]]
  [vrfs.config]
    name = "blue"
    rd = "65000:2"
    both-rt-list = ["65000:2"]
  [vrfs.netlink-export]
    enabled = true
    linux-table-id = 1002
[netlink.export]
  enabled = true
  route-protocol = 201
  [[netlink.export.rules]]
    name = "all"
  [[netlink.export.rules]]
    vrf = "blue"
    table-id = 1003
    large-community-list = ["65000:1:1"]
  [[netlink.export.rules]]
    vrf = "green-device"
  [[netlink.export.rules]]
    table-id = 1009
    metric = 30
`

const forcedShort = `
[global.config]
  as = 65000
  router-id = "192.0.2.1"
[[vrfs]]
  [vrfs.config]
    name = "red"
    rd = "65000:1"
    both-rt-list = ["65000:1"]
[[vrfs]]
  [vrfs.config]
    name = "idle"
    rd = "65000:2"
    import-rt-list = ["65000:1"]
[[peer-groups]]
  [peer-groups.config]
    peer-group-name = "customers"
    peer-as = 65001
    fast_failover = false
  [peer-groups.transport.config]
    passive-mode = true
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.2"
    peer-group = "customers"
    vrf = "red"
    description = "quote \" backslash \\ tab \t del \u007F"
[netlink]
  on-exit = "remove"
  [netlink.import]
    vrf = "red"
    enabled = true
    interface_list = ["eth*"]
    med = 0
    protocols = ["static", 201]
  [netlink.export]
    vrf = "red"
    enabled = true
    community = "no-export"
    prefsrc = "10.0.0.1"
`

// What is printed is taken as a file, and means the same: of every example, and of each way to
// write a VRF.
func TestWhatIsInForceIsAFile(t *testing.T) {
	t.Parallel()
	texts := map[string]string{
		"gobgp-netlink's keys": forcedFork, "the short form": forcedShort, "peer groups": forcedGroups, "what a client is to start": strings.TrimPrefix(forcedGroups, forcedGlobal),
	}
	files, err := filepath.Glob("../examples/*/*.toml")
	if err != nil || len(files) < 4 {
		t.Fatalf("the examples are not there: %v %v", files, err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		texts[file] = string(text)
	}
	for name, text := range texts {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			cfg, c, printed := forced(t, text, nil)
			again, c2, _ := forced(t, printed, nil)
			same(t, cfg, again, printed)
			if d := config.DifferencesInForce(c, c2); len(d) > 0 {
				t.Errorf("what is in force of it is something else: %+v", d[0])
			}
			names := make(map[string]bool)
			for _, s := range c.Sections {
				if names[s.Name] {
					t.Errorf("two sections are called %s", s.Name)
				}
				names[s.Name] = true
			}
		})
	}
}

// What was set at run time is in force, and says so.
func TestWhatWasSetAtRunTimeIsInForce(t *testing.T) {
	t.Parallel()
	overlay, err := config.OpenOverlay(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	set := func(name string, d vrf.Direction, r config.Redistribution) {
		t.Helper()
		if err := overlay.Set(name, d, r); err != nil {
			t.Fatal(err)
		}
	}
	set("red", vrf.Import, config.Redistribution{})
	set("red", vrf.Export, config.Redistribution{Enabled: true, CommunityList: []rib.Community{7}})
	set("idle", vrf.Import, config.Redistribution{Enabled: true, Interfaces: []string{"lan*"}})
	cfg, c, printed := forced(t, forcedShort, overlay)
	again, _, _ := forced(t, printed, nil)
	if want := overlay.Apply(cfg.VRFs, cfg.Others); !reflect.DeepEqual(want, again.VRFs) {
		t.Errorf("the VRFs differ:\n%+v\n%+v\n%s", want, again.VRFs, printed)
	}
	got := make(map[string]string)
	for _, s := range c.Sections {
		for _, v := range s.Values {
			got[s.Name+" "+v.Key] = v.Value + " " + config.Whence("f.toml", &v)
		}
	}
	for key, want := range map[string]string{
		"netlink.vrfs[red].import enabled":         "false run time",
		"netlink.vrfs[red].import med":             "0 f.toml:34",
		"netlink.vrfs[red].export community":       "",
		"netlink.vrfs[red].export community_list":  `["0:7"] run time`,
		"netlink.vrfs[red].export max_routes":      "4000000 default",
		"netlink.vrfs[idle].import interface_list": `["lan*"] run time`,
		"netlink on_exit":                          `"remove" f.toml:29`,
		"netlink metric":                           "20 default",
		"neighbors[10.0.0.2].config next_hop_self": "false default",
		"neighbors[10.0.0.2].config fast_failover": "", // its group says it
	} {
		if got[key] != want {
			t.Errorf("%s: %q, want %q", key, got[key], want)
		}
	}
}

// Of one VRF there is what it goes by, which is a file too; and no password is anywhere.
func TestWhatOneVRFGoesBy(t *testing.T) {
	t.Parallel()
	text := strings.Replace(forcedShort, `vrf = "red"`, `vrf = "red"
    auth-password = "hush"`, 1)
	_, c, printed := forced(t, text, nil)
	if strings.Contains(printed, "hush") || !strings.Contains(printed, "# auth-password is set ") {
		t.Errorf("a password that is set is said, and not told:\n%s", printed)
	}
	for name, want := range map[string][2]string{"red": {"10.0.0.2", "idle"}, "idle": {"idle", "10.0.0.2"}} {
		var b bytes.Buffer
		if err := config.PrintInForce(&b, c.Of(name)); err != nil {
			t.Fatal(err)
		}
		if !strings.Contains(b.String(), want[0]) || strings.Contains(b.String(), `"`+want[1]+`"`) {
			t.Errorf("of VRF %s:\n%s", name, b.String())
		}
		forced(t, b.String(), nil)
	}
}

const forcedGlobal = `
[global.config]
  as = 65000
  router-id = "192.0.2.1"
`

const forcedGroups = forcedGlobal + `[[peer-groups]]
  [peer-groups.config]
    peer-group-name = "customers"
    peer-as = 65001
  [peer-groups.timers.config]
    hold-time = 30
  [peer-groups.graceful-restart.config]
    enabled = true
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.2"
    peer-group = "customers"
  [neighbors.timers.config]
    connect-retry = 7
[[neighbors]]
  [neighbors.config]
    neighbor-address = "2001:db8::2"
    peer-as = 65002
[[rpki-servers]]
  [rpki-servers.config]
    address = "192.0.2.9"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.3"
    peer-group = "customers"
  [neighbors.timers.config]
    hold-time = 9
[[peer-groups]]
  [peer-groups.config]
    peer-group-name = "who dials in"
  [peer-groups.ebgp-multihop.config]
    enabled = true
[[dynamic-neighbors]]
  [dynamic-neighbors.config]
    prefix = "10.9.0.0/24"
    peer-group = "who dials in"
`

// TestDefaultsOfGoBGP: what GoBGP fills in is shown as a default, unless the neighbour or its peer group
// says it.
func TestDefaultsOfGoBGP(t *testing.T) {
	_, c, printed := forced(t, forcedGroups, nil)
	got := make(map[string]string)
	for _, s := range c.Sections {
		for _, v := range s.Values {
			got[s.Name+"."+v.Key] = v.Value + " " + string(v.Origin)
		}
	}
	for key, want := range map[string]string{
		"global.config.port":                                                "179 default",
		"global.afi-safis[l2vpn-evpn].config.enabled":                       "true default",
		"peer-groups[customers].timers.config.hold-time":                    "30 file",
		"peer-groups[customers].timers.config.keepalive-interval":           "10 default",
		"peer-groups[customers].timers.config.connect-retry":                "120 default",
		"peer-groups[customers].graceful-restart.config.restart-time":       "",
		"peer-groups[customers].graceful-restart.config.deferral-time":      "360 default",
		"peer-groups[who dials in].ebgp-multihop.config.multihop-ttl":       "255 default",
		"peer-groups[who dials in].error-handling.config.treat-as-withdraw": "true default",
		"peer-groups[who dials in].timers.config.hold-time":                 "90 default",
		"neighbors[10.0.0.3].timers.config.keepalive-interval":              "3 default",
		"neighbors[10.0.0.2].config.local-as":                               "65000 default",
		"neighbors[10.0.0.2].timers.config.connect-retry":                   "7 file",
		"neighbors[10.0.0.2].timers.config.hold-time":                       "",
		"neighbors[10.0.0.2].timers.config.keepalive-interval":              "10 default",
		"neighbors[2001:db8::2].timers.config.hold-time":                    "90 default",
		"neighbors[2001:db8::2].afi-safis[ipv6-unicast].config.enabled":     "true default",
		"rpki-servers[192.0.2.9].config.port":                               "323 default",
	} {
		if got[key] != want {
			t.Errorf("%s is %q, want %q, in\n%s", key, got[key], want, printed)
		}
	}
}

// TestInForceBeforeBGPStarts: of a file without [global.config] nothing is said of what stands in for it.
func TestInForceBeforeBGPStarts(t *testing.T) {
	t.Parallel()
	_, _, printed := forced(t, strings.TrimPrefix(forcedGroups, forcedGlobal), nil)
	for _, word := range []string{"[global", "65000", "run time"} {
		if strings.Contains(printed, word) {
			t.Errorf("it says %q:\n%s", word, printed)
		}
	}
	if !strings.Contains(printed, "hold-time = 30") {
		t.Errorf("it does not say what the file does:\n%s", printed)
	}
}

// TestInForceOfAGroupThatNobodyCanBeIn: it has no defaults, and the rest is shown.
func TestInForceOfAGroupThatNobodyCanBeIn(t *testing.T) {
	t.Parallel()
	_, _, printed := forced(t, forcedGlobal+`
[[peer-groups]]
  [peer-groups.config]
    peer-group-name = "g"
  [peer-groups.ebgp-multihop.config]
    enabled = true
  [peer-groups.ttl-security.config]
    enabled = true
`, nil)
	if !strings.Contains(printed, `peer-group-name = "g"`) || !strings.Contains(printed, "port = 179") {
		t.Errorf("it is not shown:\n%s", printed)
	}
}
