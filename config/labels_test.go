package config

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
)

// overHead is a good start of a file with MPLS and SRv6, of 23 lines.
const overHead = head + `[netlink.core]
source = "10.255.0.1"
source6 = "fd00:255::1"
netns = "underlay"
interfaces = ["core*"]
[netlink.mpls]
labels = "16000-16999"
[netlink.srv6]
locator = "fd00:1:0:1::/64"
block = "fd00:1::/32"
reduced = true
transpose = true
`

// TestLabelsAndSIDsAreRead: what a VRF with MPLS or SRv6 has where the file says it, and where it
// does not.
func TestLabelsAndSIDsAreRead(t *testing.T) {
	t.Parallel()
	core := rib.Core{Netns: "underlay", VTEP: netip.MustParseAddr("10.255.0.1"), Six: netip.MustParseAddr("fd00:255::1"), Port: 4789}
	srv6 := rib.SRv6{Locator: netip.MustParsePrefix("fd00:1:0:1::/64"), BlockBits: 32, FunctionBits: 16, Reduced: true, Transpose: true}
	withSID, trusted := srv6, srv6
	withSID.SID = netip.MustParseAddr("fd00:1:0:1:100::")
	trusted.Trusted, trusted.Link = true, "vr-a"
	inCore := func(device string, table uint32) rib.Binding {
		return rib.Binding{Netns: "underlay", Device: device, Table: table}
	}
	for text, want := range map[string]rib.Carriage{
		"netns = \"underlay\"\ndevice = \"vrf-a\"\nencap = \"mpls\"\nlabel = 16010\n": {Kind: rib.EncapMPLS, Core: core, Label: 16010},
		"netns = \"/run/netns/underlay\"\ndevice = \"vrf-a\"\nencap = \"mpls\"\n":     {Kind: rib.EncapMPLS, Core: core},
		"netns = \"a\"\nencap = \"mpls\"\ncore_link = \"vr-a\"\n": {
			Kind: rib.EncapMPLS, Core: core, Through: rib.Through{Link: "vr-a", To: inCore("a", 0)}},
		"netns = \"a\"\nencap = \"mpls\"\ncore_link = \"vr-a\"\ncore_device = \"red\"\n": {
			Kind: rib.EncapMPLS, Core: core, Through: rib.Through{Link: "vr-a", To: inCore("red", 0)}},
		"netns = \"a\"\nencap = \"mpls\"\ncore_link = \"vr-a\"\ncore_table = 3001\n": {
			Kind: rib.EncapMPLS, Core: core, Through: rib.Through{Link: "vr-a", To: inCore("", 3001)}},
		"netns = \"underlay\"\ndevice = \"vrf-a\"\nencap = \"srv6\"\nsid = \"fd00:1:0:1:100::\"\n": {
			Kind: rib.EncapSRv6, Core: core, SRv6: withSID, Through: rib.Through{Device: "sr-a", To: inCore("sr-a", 0)}},
		"netns = \"underlay\"\ndevice = \"vrf-a\"\nencap = \"srv6\"\ncore_device = \"second\"\n": {
			Kind: rib.EncapSRv6, Core: core, SRv6: srv6, Through: rib.Through{Device: "second", To: inCore("second", 0)}},
		"netns = \"a\"\nencap = \"srv6\"\ncore_link = \"vr-a\"\ntrusted = true\n": {Kind: rib.EncapSRv6, Core: core, SRv6: trusted},
	} {
		c, err := Parse("f.toml", []byte(overHead+"[[netlink.vrfs]]\nname = \"a\"\n"+text), fakeBGP())
		if err != nil {
			t.Errorf("%s%v", text, err)
			continue
		}
		if got := c.VRFs[0].Carriage; got != want {
			t.Errorf("with\n%sit is\n%+v, want\n%+v", text, got, want)
		}
		if c.Labels != (rib.LabelRange{First: 16000, Last: 16999}) || c.Locator.FunctionBits != 16 {
			t.Errorf("there are the labels %s and the locator %v", c.Labels, c.Locator)
		}
		if carried := c.Extras.Carried["a"]; carried != want.Carried() || want.Kind == rib.EncapSRv6 && carried.Source != core.Six {
			t.Errorf("BGP is told %+v", carried)
		}
	}
}

// TestBlockOfLocators: what is left out of [netlink.srv6] is as FRR has it.
func TestBlockOfLocators(t *testing.T) {
	t.Parallel()
	for lines, want := range map[string]rib.Locator{
		"locator = \"fd00:1:0:1::/64\"\n":                        {Prefix: netip.MustParsePrefix("fd00:1:0:1::/64"), Block: netip.MustParsePrefix("fd00:1::/40"), FunctionBits: 16},
		"locator = \"fd00:1:1::/48\"\nfunction_bits = 20\n":      {Prefix: netip.MustParsePrefix("fd00:1:1::/48"), Block: netip.MustParsePrefix("fd00:1::/24").Masked(), FunctionBits: 20},
		"locator = \"fd00:1:0:1::/64\"\nblock = \"fd00::/32\"\n": {Prefix: netip.MustParsePrefix("fd00:1:0:1::/64"), Block: netip.MustParsePrefix("fd00:1::/32"), FunctionBits: 16},
		"locator = \"fd00:1::/32\"\nblock = \"fd00:1::/32\"\n":   {Prefix: netip.MustParsePrefix("fd00:1::/32"), Block: netip.MustParsePrefix("fd00:1::/32"), FunctionBits: 16},
	} {
		c, err := Parse("f.toml", []byte(head+"[netlink.core]\nsource6 = \"fd00:255::1\"\n[netlink.srv6]\n"+lines), fakeBGP())
		if err != nil || c.Locator != want {
			t.Errorf("%sis %+v, %v", lines, c.Locator, err)
		}
	}
}

func TestErrorsOfLabels(t *testing.T) {
	vrf := func(name, lines string) string { return "[[netlink.vrfs]]\nname = \"" + name + "\"\n" + lines }
	device := "netns = \"underlay\"\ndevice = \"vrf-a\"\nencap = \"mpls\"\n" // line 25 to 27
	space := "netns = \"a\"\nencap = \"mpls\"\n"
	testErrors(t, []errorCase{
		{"no core", head + vrf("a", "device = \"d\"\nencap = \"mpls\"\nlabel = 16\n"), []string{`:14: netlink.vrfs[0].encap: needs a core; write [netlink.core] with source = "ADDRESS", this router's address there, which other PEs send to`}},
		{"no label", coreHead + vrf("a", "netns = \"underlay\"\ndevice = \"d\"\nencap = \"mpls\"\n"), []string{`:19: netlink.vrfs[0].encap: needs a label, which other PEs put before packets for this VRF; write label = NUMBER, or labels = "16000-16999" in [netlink.mpls], of which it gets one`}},
		{"a reserved label", overHead + vrf("a", device+"label = 15\n"), []string{`:28: netlink.vrfs[0].label: 15 is out of range: labels below 16 have a meaning of their own, and a label has 20 bits; write a number from 16 to 1048575`}},
		{"a label of 21 bits", overHead + vrf("a", device+"label = 1048576\n"), []string{`:28: netlink.vrfs[0].label: 1048576 is out of range: labels below 16 have a meaning of their own, and a label has 20 bits; write a number from 16 to 1048575`}},
		{"a label outside", overHead + vrf("a", device+"label = 17000\n"), []string{`:28: netlink.vrfs[0].label: 17000 is outside of labels in [netlink.mpls] (16000-16999), which says what this router may use; write one of those, or widen that range`}},
		{"a label twice", overHead + vrf("a", device+"label = 16000\n") + vrf("b", "netns = \"b\"\nencap = \"mpls\"\ncore_link = \"vr-b\"\nlabel = 16000\n"), []string{`:34: netlink.vrfs[1].label: 16000 is the label of VRF "a" too, on line 24: packets of the one would reach the other; give each its own`}},
		{"another's keys", overHead + vrf("a", device+"vni = 100\nsid = \"fd00:1:0:1:1::\"\n"), []string{
			`:28: netlink.vrfs[0].vni: means nothing with encap = "mpls"; remove the key`, `:29: netlink.vrfs[0].sid: means nothing with encap = "mpls"; remove the key`}},
		{"a label without encap", overHead + vrf("a", "netns = \"a\"\nlabel = 16000\n"), []string{`:26: netlink.vrfs[0].label: means nothing without an encapsulation; write encap = "mpls", or remove the key`}},
		{"no core_link", overHead + vrf("a", space), []string{`:26: netlink.vrfs[0].encap: needs a veth between the VRF's namespace and the core's, which its packets go by; write core_link = "NAME", that of its end in the core`}},
		{"a core_link twice", overHead + vrf("a", space+"core_link = \"vr\"\n") + vrf("b", "netns = \"b\"\nencap = \"mpls\"\ncore_link = \"vr\"\n"), []string{`:32: netlink.vrfs[1].core_link: vr is the core_link of VRF "a" too, on line 24: packets of the one would reach the other; give each its own`}},
		{"a plain table", overHead + vrf("a", "table = 1001\nencap = \"mpls\"\n"), []string{`:26: netlink.vrfs[0].encap: needs a namespace or a VRF device: what comes in by a label is looked up where the device is, and not in table 1001; bind the VRF by netns or device`}},
		{"default", overHead + vrf("default", "encap = \"mpls\"\n"), []string{`:25: netlink.vrfs[0].encap: means nothing for default, whose routes are no VRF's; give a VRF of [[vrfs]] the encapsulation`}},
		{"the core's main table", overHead + vrf("a", "netns = \"underlay\"\nencap = \"mpls\"\n"), []string{`:26: netlink.vrfs[0].encap: needs a table of its own, and the main table of netns underlay is the core's; bind the VRF by a VRF device there`}},
		{"a VRF device elsewhere", overHead + vrf("a", "device = \"d\"\nencap = \"mpls\"\n"), []string{`:26: netlink.vrfs[0].encap: needs its VRF device in the core's namespace (netns underlay), where alone labels lead to it, and d is in the daemon's own namespace; bind the VRF there, or by netns alone with core_link`}},
		{"a link for a VRF device", overHead + vrf("a", device+"core_link = \"vr\"\n"), []string{`:28: netlink.vrfs[0].core_link: means nothing for a VRF device, to which the core's packets go directly; remove the key`}},
		{"device and table in the core", overHead + vrf("a", space+"core_link = \"vr\"\ncore_device = \"d\"\ncore_table = 3001\n"), []string{`:29: netlink.vrfs[0].core_table: and core_device exclude each other; a VRF device brings its own table, remove one`}},
		{"another VRF's device in the core", overHead + vrf("a", space+"core_link = \"vr\"\ncore_device = \"vrf-b\"\n") + vrf("b", "netns = \"underlay\"\ndevice = \"vrf-b\"\n"), []string{`:28: netlink.vrfs[0].core_device: netns underlay, device vrf-b, which encapsulates packets of VRF "a", is the table of VRF "b", on line 30, already; give each its own, by core_device or core_table`}},
		{"one table in the core", overHead + vrf("a", space+"core_link = \"v1\"\ncore_table = 3001\n") + vrf("b", "netns = \"b\"\nencap = \"mpls\"\ncore_link = \"v2\"\ncore_table = 3001\n"), []string{`:34: netlink.vrfs[1].core_table: netns underlay, table 3001, which encapsulates packets of VRF "b", is the table of VRF "a", on line 24, already; give each its own, by core_device or core_table`}},
		{"no range", head + "[netlink.mpls]\nlabels = 16000\n", []string{`:12: netlink.mpls.labels: 16000 is no range of labels; write the first and the last one, such as "16000-16999"`}},
		{"a range backwards", head + "[netlink.mpls]\nlabels = \"20-16\"\n", []string{`:12: netlink.mpls.labels: "20-16" begins behind its end; write the first and the last one, such as "16000-16999"`}},
		{"a range too low", head + "[netlink.mpls]\nlabels = \"3-20\"\n", []string{`:12: netlink.mpls.labels: "3-20" is out of range: labels below 16 have a meaning of their own, and a label has 20 bits; write a range between 16 and 1048575`}},
		{"too few labels", head + "[netlink.core]\nsource = \"10.255.0.1\"\n[netlink.mpls]\nlabels = \"16-16\"\n" + vrf("a", "device = \"d\"\nencap = \"mpls\"\n") + vrf("b", "device = \"e\"\nencap = \"mpls\"\n"), []string{`:14: netlink.mpls.labels: has 1 labels, and 2 VRFs need one; widen it`}},
	})
}

func TestErrorsOfSRv6(t *testing.T) {
	vrf := func(name, lines string) string { return "[[netlink.vrfs]]\nname = \"" + name + "\"\n" + lines }
	device := "netns = \"underlay\"\ndevice = \"vrf-a\"\nencap = \"srv6\"\n" // line 25 to 27
	space := "netns = \"a\"\nencap = \"srv6\"\n"
	srv6 := func(lines string) string { return head + "[netlink.srv6]\n" + lines }
	testErrors(t, []errorCase{
		{"no locator", head + "[netlink.core]\nsource6 = \"fd00::1\"\n" + vrf("a", "device = \"d\"\nencap = \"srv6\"\n"), []string{`:16: netlink.vrfs[0].encap: needs a locator, the prefix of this router's SIDs; write locator = "fd00:1:0:1::/64" in [netlink.srv6]`}},
		{"an empty section", srv6("reduced = true\n"), []string{`:11: netlink.srv6.locator: is missing; write the prefix of this router's SIDs, such as locator = "fd00:1:0:1::/64"`}},
		{"no IPv6 in the core", strings.Replace(overHead, "source6 = \"fd00:255::1\"\n", "\n", 1) + vrf("a", device), []string{`:27: netlink.vrfs[0].encap: needs this router's IPv6 address in the core, which other PEs are told; write source6 = "ADDRESS" in [netlink.core]`}},
		{"a SID outside", overHead + vrf("a", device+"sid = \"fd00:1:0:2:1::\"\n"), []string{`:28: netlink.vrfs[0].sid: fd00:1:0:2:1:: is outside of the locator fd00:1:0:1::/64 of [netlink.srv6]; write one of its addresses, such as "fd00:1:0:1:1::", or remove the key`}},
		{"a SID without function", overHead + vrf("a", device+"sid = \"fd00:1:0:1::\"\n"), []string{`:28: netlink.vrfs[0].sid: fd00:1:0:1:: has no function behind the locator fd00:1:0:1::/64; write one, such as "fd00:1:0:1:1::", or remove the key`}},
		{"a SID too long", overHead + vrf("a", device+"sid = \"fd00:1:0:1:100::1\"\n"), []string{`:28: netlink.vrfs[0].sid: fd00:1:0:1:100::1 has bits behind its function, which has 16 behind the locator fd00:1:0:1::/64; write "fd00:1:0:1:100::", or a larger function_bits`}},
		{"no SID", overHead + vrf("a", device+"sid = \"10.0.0.1\"\n"), []string{`:28: netlink.vrfs[0].sid: "10.0.0.1" is no SID; write an IPv6 address, such as "fd00:1:0:1:100::"`}},
		{"a SID twice", overHead + vrf("a", device+"sid = \"fd00:1:0:1:100::\"\n") + vrf("b", "netns = \"underlay\"\ndevice = \"vrf-b\"\nencap = \"srv6\"\nsid = \"fd00:1:0:1:100::\"\n"), []string{`:34: netlink.vrfs[1].sid: fd00:1:0:1:100:: is the SID of VRF "a" too, on line 24: packets of the one would reach the other; give each its own`}},
		{"a namespace without trust", overHead + vrf("a", space+"core_link = \"vr\"\n"), []string{`:26: netlink.vrfs[0].encap: cannot be had for netns a without trust: its own table would encapsulate, and a host of the tenant could send to any SID, of other VRFs too; bind the VRF by a VRF device in the core's namespace, which keeps it from that, or write trusted = true where the tenant may`}},
		{"a trusted namespace without link", overHead + vrf("a", space+"trusted = true\n"), []string{`:26: netlink.vrfs[0].encap: needs a veth between the VRF's namespace and the core's, which encapsulated packets go by; write core_link = "NAME", that of its end in the core`}},
		{"trust in a VRF device", overHead + vrf("a", device+"trusted = true\n"), []string{`:28: netlink.vrfs[0].trusted: means nothing for a VRF device, from which no SID is reached; remove the key`}},
		{"a plain table", overHead + vrf("a", "table = 1001\nencap = \"srv6\"\n"), []string{`:26: netlink.vrfs[0].encap: needs a namespace or a VRF device: what comes in by a SID is looked up where the device is, and not in table 1001; bind the VRF by netns or device`}},
		{"a VRF device elsewhere", overHead + vrf("a", "device = \"d\"\nencap = \"srv6\"\n"), []string{`:26: netlink.vrfs[0].encap: needs its VRF device in the core's namespace (netns underlay), where alone SIDs lead to it, and d is in the daemon's own namespace; bind the VRF there, or by netns alone with core_link and trusted = true`}},
		{"another's keys", overHead + vrf("a", device+"core_table = 3001\nlabel = 16000\n"), []string{
			`:28: netlink.vrfs[0].core_table: means nothing with encap = "srv6"; remove the key`, `:29: netlink.vrfs[0].label: means nothing with encap = "srv6"; remove the key`}},
		{"a name too long for the second VRF device", strings.Replace(overHead, "\"b\"", "\"a-long-name-b\"", 1) + vrf("a-long-name-b", device), []string{`:27: netlink.vrfs[0].encap: needs a second VRF device, and "sr-a-long-name-b" cannot be the name of one; write core_device = "NAME", of at most 15 characters`}},
		{"the VRF's own device", overHead + vrf("a", device+"core_device = \"vrf-a\"\n"), []string{`:28: netlink.vrfs[0].core_device: netns underlay, device vrf-a, which encapsulates packets of VRF "a", is the table of VRF "a", on line 24, already; give each its own, by core_device or core_table`}},
		{"a locator of IPv4", srv6("locator = \"10.0.0.0/8\"\n"), []string{`:12: netlink.srv6.locator: "10.0.0.0/8" is no IPv6 prefix; write one such as "fd00:1:0:1::/64"`}},
		{"a locator with bits", srv6("locator = \"fd00:1:0:1::1/64\"\n"), []string{`:12: netlink.srv6.locator: "fd00:1:0:1::1/64" has bits beyond its length; write "fd00:1:0:1::/64"`}},
		{"a locator of links", srv6("locator = \"fe80::/64\"\n"), []string{`:12: netlink.srv6.locator: "fe80::/64" has addresses that nobody routes; write a prefix of your own, such as "fd00:1:0:1::/64"`}},
		{"a locator too long", srv6("locator = \"fd00::/120\"\n"), []string{`:12: netlink.srv6.locator: makes a SID of more than 128 bits: the locator has 120, and the function 16; write a shorter locator, or a smaller function_bits`}},
		{"a block that is longer", srv6("locator = \"fd00:1::/32\"\nblock = \"fd00:1:0:1::/64\"\n"), []string{`:13: netlink.srv6.block: fd00:1:0:1::/64 is longer than the locator fd00:1::/32, which it should hold; write the prefix that all routers of the domain have their locators in`}},
		{"a function too long for a label", srv6("locator = \"fd00:1:0:1::/64\"\nfunction_bits = 24\ntranspose = true\n"), []string{`:14: netlink.srv6.transpose: puts the function of a SID into a label of 20 bits, and function_bits is 24; write at most 20 there, or remove the key`}},
		{"too few SIDs", strings.Replace(overHead, "reduced = true", "function_bits = 1", 1) + vrf("a", space+"core_link = \"vr\"\ntrusted = true\n"), []string{`:21: netlink.srv6.function_bits: leaves room for 1 SIDs, and the VRFs need 2; write a larger function_bits`}},
	})
}

// TestLetGo: a label that a VRF had rests as long as some peer may hold on to its routes.
func TestLetGo(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"": "10m0s",
		"[[neighbors]]\n[neighbors.config]\nneighbor-address = \"10.255.0.2\"\npeer-as = 65000\n[neighbors.graceful-restart.config]\nenabled = true\nrestart-time = 120\n":  "10m0s",
		"[[neighbors]]\n[neighbors.config]\nneighbor-address = \"10.255.0.2\"\npeer-as = 65000\n[neighbors.graceful-restart.config]\nenabled = true\nrestart-time = 1200\n": "20m0s",
		"[[peer-groups]]\n[peer-groups.config]\npeer-group-name = \"pes\"\n[peer-groups.graceful-restart.config]\nrestart-time = 100\n[[peer-groups.afi-safis]]\n[peer-groups.afi-safis.config]\nafi-safi-name = \"l3vpn-ipv4-unicast\"\n" +
			"[peer-groups.afi-safis.long-lived-graceful-restart.config]\nenabled = true\nrestart-time = 3500\n": "1h0m0s",
	} {
		bgp := fakeBGP()
		for _, list := range []string{"neighbors", "peer-groups"} {
			of := bgp.Schema[list].([]any)[0].(map[string]any)
			of["graceful-restart"] = map[string]any{"config": map[string]any{"enabled": nil, "restart-time": nil}}
			of["afi-safis"] = []any{map[string]any{
				"config":                      map[string]any{"afi-safi-name": nil},
				"long-lived-graceful-restart": map[string]any{"config": map[string]any{"enabled": nil, "restart-time": nil}},
			}}
		}
		c, err := Parse("f.toml", []byte(head+text), bgp)
		if err != nil {
			t.Fatal(err)
		}
		if c.LetGo.String() != want {
			t.Errorf("with\n%sit is %s", text, c.LetGo)
		}
	}
}
