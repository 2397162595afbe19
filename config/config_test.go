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
			"config": section(append(more, "peer-as", "local-as", "auth-password", "peer-group", "vrf", "description")...),
			"timers": map[string]any{"config": section("hold-time", "keepalive-interval")},
		}
	}
	return BGP{
		Schema: map[string]any{
			"global":            map[string]any{"config": section("as", "router-id", "port", "local-address-list")},
			"neighbors":         []any{peer("neighbor-address")},
			"peer-groups":       []any{peer("peer-group-name")},
			"dynamic-neighbors": []any{map[string]any{"config": section("prefix", "peer-group")}},
			"vrfs":              []any{map[string]any{"config": section("name", "id", "rd", "import-rt-list", "export-rt-list", "both-rt-list")}},
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

var compareAddrs = cmp.Comparer(func(a, b netip.Addr) bool { return a == b })

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
		SweepDelay:     30 * time.Second,
		OnExit:         vrf.Remove,
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
		PrefSrc4: netip.MustParseAddr("192.0.2.7"), PrefSrc6: netip.MustParseAddr("2001:db8::7"),
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
				want := &Config{
					BGP: c.BGP, VRFs: run, Others: others,
					API: API{[]string{"unix:///run/vrfredist/a.sock", "127.0.0.1:50051"}},
				}
				if diff := cmp.Diff(want, c, compareAddrs); diff != "" {
					t.Errorf("%s (-want +got):\n%s", spelling, diff)
				}
				if diff := cmp.Diff(goodBGP(), parseJSON(t, c.BGP)); diff != "" {
					t.Errorf("%s, GoBGP's part (-want +got):\n%s", spelling, diff)
				}
			}
		})
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
