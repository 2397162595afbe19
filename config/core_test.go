package config

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

const coreHead = head + "[netlink.core]\nsource = \"10.255.0.1\"\nnetns = \"underlay\"\ninterfaces = [\"core*\"]\n"

// TestCarriageIsRead: what a VRF with an encapsulation has where the file says it, and where it
// does not.
func TestCarriageIsRead(t *testing.T) {
	t.Parallel()
	core := rib.Core{Netns: "underlay", VTEP: netip.MustParseAddr("10.255.0.1"), Port: 4789}
	for text, want := range map[string]rib.Carriage{
		"encap = \"vxlan\"\nvni = 100\nrouter_mac = \"02:00:00:00:01:01\"\nvxlan_device = \"vx-a\"\n": {
			Kind: rib.EncapVXLAN, Core: core, VNI: 100, Router: rib.MAC{2, 0, 0, 0, 1, 1}, Device: "vx-a",
		},
		"encap = \"vxlan\"\nvni = 100\n": {
			Kind: rib.EncapVXLAN, Core: core, VNI: 100, Router: rib.RouterMAC("192.0.2.1", "a"), Device: "vx100",
		},
		"": {},
	} {
		c, err := Parse("f.toml", []byte(coreHead+"[[netlink.vrfs]]\nname = \"a\"\nnetns = \"a\"\n"+text), fakeBGP())
		if err != nil {
			t.Fatal(err)
		}
		if got := c.VRFs[0].Carriage; got != want || c.Core != core {
			t.Errorf("with %q it is %+v by %+v, want %+v", text, got, c.Core, want)
		}
	}
	if a, b := rib.RouterMAC("192.0.2.1", "a"), rib.RouterMAC("192.0.2.1", "b"); a == b || !a.Unicast() || a[0]&2 == 0 {
		t.Errorf("the derived addresses are %s and %s", a, b)
	}
}

func TestErrorsOfCarriage(t *testing.T) {
	vrf := func(name, lines string) string { return "[[netlink.vrfs]]\nname = \"" + name + "\"\n" + lines }
	const over = "encap = \"vxlan\"\nvni = 100\n"
	testErrors(t, []errorCase{
		{"no core", head + vrf("a", over+"netns = \"a\"\n"), []string{`:13: netlink.vrfs[0].encap: needs a core; write [netlink.core] with source = "ADDRESS", this router's address there, which other PEs send to`}},
		{"no source", head + "[netlink.core]\nnetns = \"c\"\n" + vrf("a", over+"netns = \"a\"\n"), []string{`:15: netlink.vrfs[0].encap: needs this router's address in the core, which other PEs send to; write source = "ADDRESS", or source6, in [netlink.core]`}},
		{"no VNI", coreHead + vrf("a", "netns = \"a\"\nencap = \"vxlan\"\n"), []string{`:18: netlink.vrfs[0].encap: needs a VNI, the number of this VRF on the wire, from 1 to 16777215; write vni = NUMBER`}},
		{"another encapsulation", coreHead + vrf("a", "netns = \"a\"\nencap = \"gre\"\n"), []string{`:18: netlink.vrfs[0].encap: "gre" is none of "vxlan", "mpls" and "srv6"; write one of them, or remove the key: then packets go plainly, where the VRF's own table leads to a nexthop`}},
		{"no encapsulation", coreHead + vrf("a", "netns = \"a\"\nvni = 100\n"), []string{`:18: netlink.vrfs[0].vni: means nothing without an encapsulation; write encap = "vxlan", or remove the key`}},
		{"a plain table", coreHead + vrf("a", "table = 1001\n"+over), []string{`:18: netlink.vrfs[0].encap: needs a namespace or a VRF device: what comes in by a VXLAN device is looked up where the device is, and not in table 1001; bind the VRF by netns or device`}},
		{"default", coreHead + vrf("default", over), []string{`:17: netlink.vrfs[0].encap: means nothing for default, whose routes are no VRF's; give a VRF of [[vrfs]] the encapsulation`}},
		{"a VNI twice", coreHead + vrf("a", "netns = \"a\"\n"+over) + vrf("b", "netns = \"b\"\n"+over), []string{`:24: netlink.vrfs[1].vni: 100 is the VNI of VRF "a" too, on line 16: packets of the one would reach the other; give each its own`}},
		{"a VNI too large", coreHead + vrf("a", "netns = \"a\"\nencap = \"vxlan\"\nvni = 16777216\n"), []string{`:19: netlink.vrfs[0].vni: 16777216 is out of range: a VNI has 24 bits; write a number from 1 to 16777215`}},
		{"a multicast MAC", coreHead + vrf("a", "netns = \"a\"\nrouter_mac = \"01:00:5e:00:00:01\"\n"+over), []string{`:18: netlink.vrfs[0].router_mac: "01:00:5e:00:00:01" is the address of no single interface; write one of which the first byte is even, or remove the key`}},
		{"no MAC", coreHead + vrf("a", "netns = \"a\"\nrouter_mac = \"x\"\n"+over), []string{`:18: netlink.vrfs[0].router_mac: "x" is no MAC address; write one like 02:00:00:00:01:01`}},
		{"a source of IPv6", head + "[netlink.core]\nsource = \"fd00::1\"\n", []string{`:12: netlink.core.source: "fd00::1" is not an IPv4 address; write one of this router in the core, such as "10.255.0.1"`}},
		{"a loopback source", head + "[netlink.core]\nsource = \"127.0.0.1\"\n", []string{`:12: netlink.core.source: "127.0.0.1" cannot be reached by other PEs; write an address of this router in the core, such as "10.255.0.1"`}},
	})
}

// TestNotesOfCarriage: an encapsulation without a neighbour of EVPN reaches nobody, and devices are
// made for nobody where there is no encapsulation.
func TestNotesOfCarriage(t *testing.T) {
	t.Parallel()
	const over = "[[netlink.vrfs]]\nname = \"a\"\nnetns = \"a\"\nencap = \"vxlan\"\nvni = 100\n"
	family := func(section, key, value string) string {
		return "[[" + section + "]]\n[" + section + ".config]\n" + key + " = \"" + value + "\"\npeer-as = 65000\n" +
			"[[" + section + ".afi-safis]]\n[" + section + ".afi-safis.config]\nafi-safi-name = \"l2vpn-evpn\"\n"
	}
	bgp := fakeBGP()
	for _, list := range []string{"neighbors", "peer-groups"} {
		of := bgp.Schema[list].([]any)[0].(map[string]any)
		of["afi-safis"] = []any{map[string]any{"config": map[string]any{"afi-safi-name": nil}}}
	}
	for _, tc := range []struct{ name, text, key string }{
		{"no neighbour", coreHead + over, "netlink.vrfs[0].encap"},
		{"a neighbour", coreHead + over + family("neighbors", "neighbor-address", "10.255.0.2"), ""},
		{"a peer group", coreHead + over + family("peer-groups", "peer-group-name", "pes"), ""},
		{"no encapsulation", head + "[netlink]\nmanage_links = true\n", "netlink.manage_links"},
		{"neither", head + "[netlink]\nmanage_links = false\n", ""},
	} {
		c, err := Parse("f.toml", []byte(tc.text), bgp)
		if err != nil {
			t.Fatalf("%s: %v", tc.name, err)
		}
		var got []string
		for _, n := range c.Notes {
			if n.Key == "netlink.vrfs[0].encap" || n.Key == "netlink.manage_links" {
				got = append(got, n.Key)
			}
		}
		if strings.Join(got, " ") != tc.key {
			t.Errorf("%s: noted are %q, want %q", tc.name, got, tc.key)
		}
		if wants := strings.Contains(tc.text, "l2vpn-evpn"); c.EVPN != wants {
			t.Errorf("%s: EVPN is %t", tc.name, c.EVPN)
		}
	}
}
