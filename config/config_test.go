package config

import (
	"encoding/json"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"github.com/vrfredist/vrfredist/api/access"
	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// fakeBGP knows a small part of GoBGP's keys, and accepts everything.
func fakeBGP() BGP {
	section := func(names ...string) map[string]any {
		m := make(map[string]any)
		for _, n := range names {
			m[n] = nil
		}
		return m
	}
	peer := func(more ...string) map[string]any {
		return map[string]any{
			"config":    section(append(more, "peer-as", "local-as", "auth-password", "peer-group", "vrf", "description")...),
			"timers":    map[string]any{"config": section("hold-time", "keepalive-interval")},
			"transport": map[string]any{"config": section("local-address", "passive-mode", "bind-interface")},
		}
	}
	return BGP{
		Schema: map[string]any{
			"global":             map[string]any{"config": section("as", "router-id", "port", "local-address-list")},
			"neighbors":          []any{peer("neighbor-address")},
			"peer-groups":        []any{peer("peer-group-name")},
			"policy-definitions": []any{section("name")},
			"dynamic-neighbors":  []any{map[string]any{"config": section("prefix", "peer-group")}},
			"vrfs":               []any{map[string]any{"config": section("name", "id", "rd", "import-rt-list", "export-rt-list", "both-rt-list")}},
		},
		Check: func([]byte) error { return nil },
	}
}

func mustParse(t *testing.T, path, data string) *Config {
	t.Helper()
	c, err := Parse(path, []byte(data), fakeBGP())
	if err != nil {
		t.Fatalf("parsing %s:\n%v", path, err)
	}
	return c
}

// compareAddrs also leaves out what is not said of a configuration, but of where it is from.
var compareAddrs = cmp.Options{cmpopts.EquateComparable(netip.Addr{}, netip.Prefix{}), cmpopts.IgnoreUnexported(Config{})}

func rd(t *testing.T, s string) rib.RD {
	t.Helper()
	v, err := rib.ParseRD(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func rts(t *testing.T, list ...string) []rib.RT {
	t.Helper()
	var all []rib.RT
	for _, s := range list {
		v, err := rib.ParseRT(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, v)
	}
	return all
}

// goodVRFs is what the three files testdata/good.* say.
func goodVRFs(t *testing.T) (run, others []vrf.Spec) {
	base := vrf.Spec{
		Export:         rib.ExportPolicy{Metric: 30, MaxRoutes: rib.DefaultMaxRoutes, MaxPaths: 1},
		Protocol:       180,
		ResyncInterval: 2 * time.Minute,
		SweepDelay:     30 * time.Second, NexthopObjects: true,
		OnExit: vrf.Remove,
	}
	tenant, blue, red, dflt, idle := base, base, base, base, base

	tenant.Name, tenant.RD = "tenant-a", rd(t, "192.0.2.1:30")
	tenant.ImportRTs, tenant.ExportRTs = rts(t, "65000:30"), rts(t, "65000:30")
	tenant.Binding = rib.Binding{Netns: "tenant-a", Table: 1001}
	tenant.Import = rib.ImportPolicy{
		Enabled: true, Interfaces: []string{"*"}, Protocols: []uint8{2, 4}, AllowDefault: true, MED: new(uint32),
		Communities: []rib.Community{rib.CommunityNoExport}, LargeCommunities: []rib.LargeCommunity{{Global: 1, Local1: 2, Local2: 3}},
	}
	tenant.Export = rib.ExportPolicy{
		Metric: 50, MaxRoutes: 1000, MaxPaths: 4, AcceptBlackhole: true,
		PrefSrc: [rib.Families]netip.Addr{netip.MustParseAddr("192.0.2.7"), netip.MustParseAddr("2001:db8::7")},
	}

	blue.Name, blue.RD, blue.Binding = "vrf-blue", rd(t, "70000:20"), rib.Binding{Device: "vrf-blue"}
	blue.ImportRTs, blue.ExportRTs = rts(t, "65000:20", "70000:21"), rts(t, "65000:20")
	blue.Export.Enabled = true
	blue.Export.Community = []rib.Community{65001<<16 | 100}
	blue.Export.CommunityList = []rib.Community{65001<<16 | 200, 65001}
	blue.Export.LargeCommunities = []rib.LargeCommunity{{Global: 65001, Local1: 1, Local2: 100}}

	red.Name, red.RD, red.Binding = "vrf-red", rd(t, "65000:10"), rib.Binding{Device: "vrf-red"}
	red.ImportRTs, red.ExportRTs = rts(t, "65000:10"), rts(t, "65000:10")
	red.Import = rib.ImportPolicy{Enabled: true, Interfaces: []string{"eth0", "eth1", "vlan*"}}

	dflt.Name = vrf.Default
	idle.Name, idle.RD, idle.Binding = "idle", rd(t, "65000:40"), rib.Binding{Device: "idle"}
	return []vrf.Spec{tenant, blue, red}, []vrf.Spec{dflt, idle}
}

func TestFormatsAndSpellingsSayTheSame(t *testing.T) {
	run, others := goodVRFs(t)
	for _, file := range []string{"good.toml", "good.yaml", "good.json"} {
		t.Run(file, func(t *testing.T) {
			path := filepath.Join("testdata", file)
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			for spelling, text := range map[string]string{
				"as it is": string(data),
				"snake":    respell(string(data), "-", "_"),
				"kebab":    respell(string(data), "_", "-"),
			} {
				c := mustParse(t, path, text)
				c.Changed = nil // of what changed, which have their own test
				want := &Config{
					BGP: c.BGP, VRFs: run, Others: others,
					Extras: rib.Extras{
						Terms: map[string]rib.Terms{
							"192.0.2.9": rib.DefaultTerms(), "2001:db8::9": rib.DefaultTerms(), "group:upstream": rib.DefaultTerms(),
						},
						KeptBlackholes: []string{"tenant-a"},
					},
					Carriage: Carriage{LetGo: leastLetGo},
					BGPPort:  179, Open: []string{"192.0.2.9", "2001:db8::9 in VRF vrf-red"},
					API: API{Listen: []string{"unix:///run/vrfredist/a.sock", "127.0.0.1:50051"}, Limits: access.DefaultLimits()},
				}
				if diff := cmp.Diff(want, c, compareAddrs, cmpopts.EquateEmpty()); diff != "" {
					t.Errorf("%s (-want +got):\n%s", spelling, diff)
				}
				if diff := cmp.Diff(goodBGP(), parseJSON(t, c.BGP)); diff != "" {
					t.Errorf("%s, GoBGP's part (-want +got):\n%s", spelling, diff)
				}
			}
		})
	}
}

// TestDesign holds the parser against the example of the design.
func TestDesign(t *testing.T) {
	path := filepath.Join("testdata", "design.toml")
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	c := mustParse(t, path, string(data))
	got := make(map[string]string)
	for _, s := range c.VRFs {
		got[s.Name] = s.Binding.String()
	}
	want := map[string]string{"tenant-a": "netns tenant-a", "vrf-blue": "device vrf-blue", "vrf-red": "device vrf-red"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

const bgpHead = "[global.config]\nas = 65000\nrouter-id = \"192.0.2.1\"\n"

func TestDefaults(t *testing.T) {
	want := &Config{
		Carriage: Carriage{LetGo: leastLetGo},

		BGP:     []byte(`{"global":{"config":{"as":65000,"router-id":"192.0.2.1"}}}`),
		BGPPort: 179,
		API:     API{Listen: []string{"unix:///run/vrfredist/vrfredist.sock"}, Limits: access.DefaultLimits()},
		Others: []vrf.Spec{{
			Name:           "default",
			Export:         rib.ExportPolicy{Metric: 20, MaxRoutes: 4_000_000, MaxPaths: 1},
			Protocol:       179,
			ResyncInterval: 5 * time.Minute,
			SweepDelay:     time.Minute, NexthopObjects: true,
			OnExit: vrf.Keep,
		}},
	}
	for file, data := range map[string]string{
		"f.toml":       bgpHead,
		"f.conf":       bgpHead,
		"f":            bgpHead + "[netlink]\n[netlink.api]\n[netlink.import]\nenabled = false\nvrf = \"default\"\n",
		"f.yaml":       "global: {config: {as: 65000, router-id: 192.0.2.1}}\nvrfs:\nnetlink:\n  vrfs:\n  api:\n",
		"F.YML":        "x: &x {as: 65000}\nglobal: {config: {<<: *x, router-id: 192.0.2.1}}\n",
		"f.dir/f.json": `{"GLOBAL": {"config": {"as": 65000, "router-id": "192.0.2.1"}}}`,
	} {
		t.Run(file, func(t *testing.T) {
			bgp := fakeBGP()
			bgp.Schema["x"] = map[string]any{"as": nil}
			c, err := Parse(file, []byte(data), bgp)
			if err != nil {
				t.Fatal(err)
			}
			if file == "f" { // it names the default VRF, with everything off
				c.VRFs, c.Others = c.Others, c.VRFs
			}
			if file == "f.yaml" || file == "F.YML" {
				c.BGP = want.BGP // an empty list, a section to merge from
			}
			if diff := cmp.Diff(want, c, compareAddrs, cmpopts.EquateEmpty()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

func TestBindings(t *testing.T) {
	const vrfs = bgpHead + "[[vrfs]]\nconfig = {name = \"a\", rd = \"1:1\"}\n[[vrfs]]\nconfig = {name = \"a-long-tenant-name\", rd = \"1:2\"}\n"
	for text, want := range map[string]rib.Binding{
		"name = \"default\"":                                   {},
		"name = \"default\"\nnetns = \"x\"":                    {Netns: "x"},
		"name = \"default\"\ntable = 1001":                     {Table: 1001},
		"name = \"a\"":                                         {Device: "a"},
		"name = \"a\"\ndevice = \"b\"":                         {Device: "b"},
		"name = \"a\"\nnetns = \"x\"":                          {Netns: "x"},
		"name = \"a\"\nnetns = \"/proc/1/ns/net\"":             {Netns: "/proc/1/ns/net"},
		"name = \"a\"\nnetns = \"x\"\ndevice = \"b\"":          {Netns: "x", Device: "b"},
		"name = \"a\"\nnetns = \"x\"\ntable = 4294967295":      {Netns: "x", Table: 4294967295},
		"name = \"a\"\ntable = 252":                            {Table: 252},
		"name = \"a-long-tenant-name\"\ntable = 256":           {Table: 256},
		"name = \"a-long-tenant-name\"\nnetns = \"it..is.ok\"": {Netns: "it..is.ok"},
	} {
		c := mustParse(t, "f.toml", vrfs+"[[netlink.vrfs]]\n"+text)
		if len(c.VRFs) != 1 || c.VRFs[0].Binding != want {
			t.Errorf("%q makes %+v, want one with binding %+v", text, c.VRFs, want)
		}
	}
}

func TestDefaultMetricAndOneSource(t *testing.T) {
	c := mustParse(t, "f.toml", bgpHead+"[netlink]\nmetric = 7\n[netlink.export]\nenabled = true\nprefsrc = \"2001:db8::1\"\n")
	if e := c.VRFs[0].Export; e.Metric != 7 || e.PrefSrc[rib.IPv4].IsValid() || e.PrefSrc[rib.IPv6] != netip.MustParseAddr("2001:db8::1") {
		t.Errorf("the export policy is %+v", e)
	}
}

// TestOneForAList: gobgpd takes a section where a list of one is meant.
func TestOneForAList(t *testing.T) {
	c := mustParse(t, "f.toml", bgpHead+"[vrfs.config]\nname = \"a\"\nrd = \"1:1\"\n[netlink.vrfs]\nname = \"a\"\n")
	if len(c.VRFs) != 1 || c.VRFs[0].Name != "a" || !strings.Contains(string(c.BGP), `"vrfs":[{"config":`) {
		t.Errorf("VRFs are %+v, GoBGP's part is %s", c.VRFs, c.BGP)
	}
}

// TestShortFormNamesOneVRFTwice: its import and its export are one binding.
func TestShortFormNamesOneVRFTwice(t *testing.T) {
	c := mustParse(t, "f.toml", bgpHead+"[netlink.import]\nenabled = true\ninterface_list = [\"*\"]\n[netlink.export]\nenabled = true\nvrf = \"default\"\n")
	if len(c.VRFs) != 1 || len(c.Others) != 0 || !c.VRFs[0].Import.Enabled || !c.VRFs[0].Export.Enabled {
		t.Errorf("VRFs are %+v, others %+v", c.VRFs, c.Others)
	}
}

// respell turns the keys of the good files, and nothing else, into one spelling.
func respell(text, from, to string) string {
	for _, key := range []string{
		"router-id", "peer-groups", "peer-group-name", "peer-group", "peer-as", "neighbor-address", "hold-time",
		"both-rt-list", "import-rt-list", "route-protocol", "resync-interval", "sweep-delay", "on-exit",
		"interface-list", "large-community-list", "community-list", "allow-default", "large-communities",
		"max-routes", "max-paths", "accept-blackhole",
	} {
		text = strings.ReplaceAll(text, strings.ReplaceAll(key, "-", from), strings.ReplaceAll(key, "-", to))
	}
	return text
}

// goodBGP is GoBGP's part of the good files. The 4-byte RDs and RTs are in the
// one spelling that GoBGP does not take for something else.
func goodBGP() any {
	type m = map[string]any
	type l = []any
	return m{
		"global":      m{"config": m{"as": 65000., "router-id": "192.0.2.1"}},
		"peer-groups": l{m{"config": m{"peer-group-name": "upstream", "peer-as": 65001.}}},
		"neighbors": l{
			m{"config": m{"neighbor-address": "192.0.2.9", "peer-group": "upstream"}, "timers": m{"config": m{"hold-time": 9.5}}},
			m{"config": m{"neighbor-address": "2001:db8::9", "peer-as": 65002., "vrf": "vrf-red"}},
		},
		"vrfs": l{
			m{"config": m{"name": "vrf-red", "rd": "65000:10", "both-rt-list": l{"65000:10"}}},
			m{"config": m{"name": "vrf-blue", "rd": "1.4464:20", "both-rt-list": l{"65000:20"}, "import-rt-list": l{"65000:20", "1.4464:21"}}},
			m{"config": m{"name": "tenant-a", "rd": "192.0.2.1:30", "both-rt-list": l{"65000:30"}}},
			m{"config": m{"name": "idle", "rd": "65000:40"}},
		},
	}
}

func parseJSON(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("GoBGP's part is not JSON: %v", err)
	}
	return v
}

// TestLineCounter: it goes forward and back, as the keys and values of a file
// are asked for, and always counts as from the start.
func TestLineCounter(t *testing.T) {
	data := []byte("a\n\nb\nlonger\n\n\nend")
	c := lineCounter{data: data}
	for _, offset := range []int{0, 2, 1, 6, 3, len(data), 0, 9, 9, 2} {
		if got, want := c.at(offset), 1+strings.Count(string(data[:offset]), "\n"); got != want {
			t.Errorf("offset %d is on line %d, want %d", offset, got, want)
		}
	}
}
