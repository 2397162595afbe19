package config

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const relayedFile = `
[global.config]
  as = 65000
  router-id = "192.0.2.1"
  local-address-list = ["192.0.2.1"]
[[vrfs]]
  [vrfs.config]
    name = "a"
    rd = "65000:1"
    both-rt-list = ["65000:1"]
[[vrfs]]
  [vrfs.config]
    name = "b"
    rd = "65000:2"
    both-rt-list = ["65000:2"]
[[peer-groups]]
  [peer-groups.config]
    peer-group-name = "customers"
    auth-password = "group"
  [peer-groups.ttl-security.config]
    enabled = true
    ttl-min = 254
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.2"
    peer-as = 65001
    vrf = "a"
    netns = "tenant-a"
    auth-password = "own"
  [neighbors.transport.config]
    local-address = "10.0.0.1"
    remote-port = 1179
  [neighbors.timers.config]
    hold-time = 30.0
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.2"
    peer-group = "customers"
    peer-as = 65001
    vrf = "b"
    netns = "/run/netns/tenant-b"
  [neighbors.transport.config]
    local-address = "10.0.0.1"
`

// sessionsBGP knows the keys of sessions, as GoBGP does.
func sessionsBGP() BGP {
	bgp := fakeBGP()
	section := func(keys ...string) map[string]any {
		m := make(map[string]any)
		for _, k := range keys {
			m[k] = nil
		}
		return map[string]any{"config": m}
	}
	bgp.Schema["global"] = section("as", "router-id", "port", "local-address-list")
	for list, key := range map[string]string{"neighbors": "neighbor-address", "peer-groups": "peer-group-name"} {
		peer := section(key, "peer-as", "peer-group", "vrf", "auth-password")
		peer["transport"] = section("local-address", "remote-port", "passive-mode", "bind-interface")
		peer["ttl-security"] = section("enabled", "ttl-min")
		peer["timers"] = section("hold-time", "connect-retry")
		bgp.Schema[list] = []any{peer}
	}
	bgp.Secret = []byte("k")
	return bgp
}

// TestNeighborsInNamespaces divides two neighbours of one address between the
// relay and GoBGP.
func TestNeighborsInNamespaces(t *testing.T) {
	c, err := Parse("f.toml", []byte(relayedFile), sessionsBGP())
	if err != nil {
		t.Fatal(err)
	}
	if len(c.Neighbors) != 2 {
		t.Fatalf("%d neighbours, want 2", len(c.Neighbors))
	}
	a, b := c.Neighbors[0], c.Neighbors[1]
	if a.Alias == b.Alias || !a.Alias.IsLoopback() || a.Secret == b.Secret || a.Secret == "" {
		t.Errorf("aliases %v and %v, or their secrets, are not apart", a.Alias, b.Alias)
	}
	if a.Password != "own" || a.Port != 1179 || a.HoldTime != 30*time.Second || a.TTL != 1 || a.TTLSecurity != 0 || a.Netns != "tenant-a" {
		t.Errorf("the first is %+v", struct{ any }{[]any{a.Password, a.Port, a.HoldTime, a.TTL, a.TTLSecurity, a.Netns}})
	}
	if b.Password != "group" || b.TTLSecurity != 254 || b.TTL != 0 || b.Netns != "/run/netns/tenant-b" {
		t.Errorf("the second is %+v", struct{ any }{[]any{b.Password, b.TTLSecurity, b.TTL, b.Netns}})
	}
	again, err := Parse("f.toml", []byte(relayedFile), sessionsBGP())
	if err != nil || string(again.BGP) != string(c.BGP) {
		t.Errorf("another reading gives GoBGP other neighbours (%v)", err)
	}

	var conf struct {
		Global struct {
			Config map[string]any
		}
		Neighbors []struct {
			Config, Transport map[string]any
		}
	}
	if err := json.Unmarshal(c.BGP, &conf); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]any{"192.0.2.1", "127.0.0.1"}, conf.Global.Config["local-address-list"]); diff != "" {
		t.Error(diff)
	}
	want := map[string]any{"neighbor-address": a.Alias.String(), "peer-as": 65001.0, "vrf": "a", "auth-password": a.Secret}
	if diff := cmp.Diff(want, conf.Neighbors[0].Config); diff != "" {
		t.Error(diff)
	}
	transport := map[string]any{"local-address": "10.0.0.1", "passive-mode": true, "bind-interface": "lo"}
	if diff := cmp.Diff(transport, conf.Neighbors[0].Transport["config"]); diff != "" {
		t.Error(diff)
	}
}

// TestRelayedFamilies: a neighbour in a namespace whose address is IPv6 has IPv6, unless it says
// otherwise, or its group does: GoBGP gives it all of the group's families, with their limits, as
// long as it has none of its own.
func TestRelayedFamilies(t *testing.T) {
	const file = `
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
    peer-as = 65001
GROUP
[[neighbors]]
  [neighbors.config]
    neighbor-address = "2001:db8::2"
    peer-group = "customers"
    vrf = "a"
    netns = "tenant-a"
  [neighbors.transport.config]
    local-address = "2001:db8::1"
OWN
`
	const group = "  [[peer-groups.afi-safis]]\n    [peer-groups.afi-safis.config]\n      afi-safi-name = \"ipv4-unicast\"\n"
	const own = "  [[neighbors.afi-safis]]\n    [neighbors.afi-safis.config]\n      afi-safi-name = \"l2vpn-evpn\"\n"
	bgp := sessionsBGP()
	for _, list := range []string{"neighbors", "peer-groups"} {
		bgp.Schema[list].([]any)[0].(map[string]any)["afi-safis"] = []any{map[string]any{"config": map[string]any{"afi-safi-name": nil}}}
	}
	for _, tt := range []struct{ group, own, want string }{
		{"", "", "[ipv6-unicast]"}, {group, "", "[]"}, {"", own, "[l2vpn-evpn]"}, {group, own, "[l2vpn-evpn]"},
	} {
		c, err := Parse("f.toml", []byte(strings.NewReplacer("GROUP", tt.group, "OWN", tt.own).Replace(file)), bgp)
		if err != nil {
			t.Fatal(err)
		}
		var conf struct {
			Neighbors []struct {
				Families []struct {
					Config struct {
						Name string `json:"afi-safi-name"`
					}
				} `json:"afi-safis"`
			}
		}
		if err := json.Unmarshal(c.BGP, &conf); err != nil {
			t.Fatal(err)
		}
		names := []string{}
		for _, f := range conf.Neighbors[0].Families {
			names = append(names, f.Config.Name)
		}
		if got := fmt.Sprint(names); got != tt.want {
			t.Errorf("group %q, own %q: GoBGP gets %s, want %s", tt.group, tt.own, got, tt.want)
		}
	}
}

// What the relay alone is to heed is no change to GoBGP, which would set it on a
// connection of its own.
func TestRelaysTTLIsNoChangeToGoBGP(t *testing.T) {
	before, err := Parse("f.toml", []byte(relayedFile), sessionsBGP())
	if err != nil {
		t.Fatal(err)
	}
	secure := strings.Replace(relayedFile, "  [neighbors.timers.config]",
		"  [neighbors.ttl-security.config]\n    enabled = true\n    ttl-min = 255\n  [neighbors.timers.config]", 1)
	after, err := Parse("f.toml", []byte(secure), sessionsBGP())
	if err != nil {
		t.Fatal(err)
	}
	if after.Neighbors[0].TTLSecurity != 255 {
		t.Errorf("the relay is told %d", after.Neighbors[0].TTLSecurity)
	}
	if diff := cmp.Diff(string(before.BGP), string(after.BGP)); diff != "" {
		t.Error(diff)
	}
}

func TestNeighborsInNamespacesErrors(t *testing.T) {
	for _, tt := range []struct{ old, new, want string }{
		{"    local-address = \"10.0.0.1\"\n    remote-port", "    remote-port", "f.toml:28: neighbors[0].config.netns: needs transport.config.local-address: write this router's address towards the neighbour inside the namespace"},
		{`    local-address = "10.0.0.1"` + "\n    remote-port", `    local-address = "2001:db8::1"` + "\n    remote-port", "f.toml:28: neighbors[0].config.netns: needs a local-address of the neighbour's family: 10.0.0.2 and 2001:db8::1 are of two"},
		{"    vrf = \"a\"\n", "", "f.toml:27: neighbors[0].config.netns: needs vrf beside it; a session inside a namespace belongs to a VRF"},
		{`netns = "tenant-a"`, `netns = "../a"`, "f.toml:28: neighbors[0].config.netns: "},
		{`netns = "/run/netns/tenant-b"`, `netns = "tenant-a"`, `f.toml:37: neighbors[1].config.neighbor-address: "10.0.0.2" is the neighbour of line 25 too`},
		{`router-id = "192.0.2.1"`, "router-id = \"192.0.2.1\"\n  port = -1", "f.toml:5: global.config.port: leaves GoBGP without a listener"},
		{`remote-port = 1179`, `remote-port = 0`, "f.toml:32: neighbors[0].transport.config.remote-port: 0 is out of range"},
	} {
		t.Run(tt.want, func(t *testing.T) {
			_, err := Parse("f.toml", []byte(strings.Replace(relayedFile, tt.old, tt.new, 1)), sessionsBGP())
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v", err)
			}
		})
	}
}
