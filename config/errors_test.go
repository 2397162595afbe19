package config

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// head is a good start of a file, of 10 lines: what a test adds begins on 11.
const head = `[global.config]
as = 65000
router-id = "192.0.2.1"
[[vrfs]]
[vrfs.config]
name = "a"
rd = "65000:1"
[[vrfs]]
config = {name = "b", rd = "65000:2"}

`

// inNetlink, inVRF, inImport and inExport put text into a good file, on line 12
// and following, or 14 and following.
func inNetlink(text string) string { return head + "[netlink]\n" + text }
func inVRF(text string) string     { return head + "[[netlink.vrfs]]\nname = \"a\"\n" + text }
func inImport(text string) string {
	return head + "[netlink.import]\nenabled = true\ninterface_list = [\"*\"]\n" + text
}

func inExport(text string) string { return head + "[netlink.export]\nenabled = true\n\n" + text }

// messages returns an error's messages without the file's name.
func messages(t *testing.T, err error, file string) []string {
	t.Helper()
	if err == nil {
		return nil
	}
	var list *Errors
	if !errors.As(err, &list) || len(*list) == 0 {
		t.Fatalf("the error is no *Errors, or is empty: %#v", err)
	}
	var all []string
	for _, e := range *list {
		all = append(all, strings.TrimPrefix(e.Error(), file))
	}
	return all
}

// errorCase is a TOML file and the messages, without the file's name, that it
// gets.
type errorCase struct {
	name, data string
	want       []string
}

func testErrors(t *testing.T, tests []errorCase) {
	t.Helper()
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			c, err := Parse("f.toml", []byte(test.data), fakeBGP())
			if diff := cmp.Diff(test.want, messages(t, err, "f.toml")); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
			if c != nil {
				t.Error("a configuration came with the errors")
			}
		})
	}
}

const communityExample = "; write AS:NUMBER, as in 65001:100"

func TestErrorsOfKeys(t *testing.T) {
	testErrors(t, []errorCase{
		{"unknown key, near", inNetlink("metrik = 5"), []string{":12: netlink.metrik: unknown key; did you mean metric?"}},
		{"unknown key, kebab-case", inNetlink("on-exitt = 5"), []string{":12: netlink.on-exitt: unknown key; did you mean on_exit?"}},
		{"unknown key, in the wrong section", inNetlink(`interface_list = ["*"]`),
			[]string{":12: netlink.interface_list: unknown key here; it belongs in [netlink.import]"}},
		{"unknown key, in another section of the short form", inImport("prefsrc = \"192.0.2.1\""),
			[]string{":14: netlink.import.prefsrc: unknown key here; it belongs in [netlink.export]"}},
		{"unknown key, netlink's at the top", "metric = 5\n" + head, []string{":1: metric: unknown key here; it belongs in [netlink]"}},
		{"unknown key, near nothing", inVRF("colour = \"red\""),
			[]string{":13: netlink.vrfs[0].colour: unknown key; known here: bgp, core_device, core_link, core_table, device, encap, export, import, interfaces, label, name, netns, router_mac, sid, table, trusted, vni, vxlan_device"}},
		{"unknown key, of the short form in the long", inVRF("[netlink.vrfs.import]\nenabled = true\ninterface_list = [\"*\"]\nvrf = \"b\""),
			[]string{":16: netlink.vrfs[0].import.vrf: unknown key here; it belongs in [netlink.import]"}},
		{"unknown key, GoBGP's", "[global.config]\nas = 65000\nrouterid = \"192.0.2.1\"\nrouter-id = \"192.0.2.1\"",
			[]string{":3: global.config.routerid: unknown key; did you mean router-id?"}},
		{"unknown section", head + "[bmp]\nx = 1",
			[]string{":11: bmp: unknown key; known here: dynamic-neighbors, global, neighbors, netlink, peer-groups, policy-definitions, vrfs"}},
		{"repeated key", inNetlink("metric = 5\nmetric = 6"), []string{":13: netlink.metric: is given twice, first on line 12; remove one"}},
		{"repeated key, two spellings", inNetlink("on_exit = \"keep\"\non-exit = \"keep\""),
			[]string{":13: netlink.on-exit: is the same key as on_exit on line 12; remove one"}},
		{"repeated section", inNetlink("[netlink]\nmetric = 5"), []string{":12: netlink: is given twice, first on line 11; remove one"}},
		{"repeated section, GoBGP's", head + "[global.config]\nport = 1", []string{":11: global.config: is given twice, first on line 1; remove one"}},
		{"a list where a section is", head + "[[netlink]]\nmetric = 5", []string{":11: netlink: is a list; write one section: there is only one netlink"}},
		{"a section where a value is", head + "[netlink.metric]\nx = 5", []string{":11: netlink.metric: is a section; write a value"}},
		{"a value where a section is", inNetlink("import = true"), []string{":12: netlink.import: is true; write a section with keys of its own"}},
		{"a value where a list is", inNetlink("vrfs = \"a\""), []string{":12: netlink.vrfs: is \"a\"; write a list of sections"}},
		{"a value where a list of sections is", inNetlink("vrfs = [1]"), []string{":12: netlink.vrfs[0]: is 1; write a section with keys of its own"}},
	})
}

func TestErrorsOfNetlink(t *testing.T) {
	testErrors(t, []errorCase{
		{"route protocol too low", inNetlink("route_protocol = 4"),
			[]string{":12: netlink.route_protocol: 4 is out of range: below 5 are the kernel's own and static; write a number from 5 to 255"}},
		{"route protocol too high", inNetlink("route_protocol = 256"),
			[]string{":12: netlink.route_protocol: 256 is out of range: below 5 are the kernel's own and static; write a number from 5 to 255"}},
		{"metric 0", inNetlink("metric = 0"),
			[]string{":12: netlink.metric: 0 is out of range: the kernel turns 0 into another metric, and holds 32 bits; write a number from 1 to 4294967295"}},
		{"the metric of what ends tables", inNetlink("metric = 4278198272"),
			[]string{":12: netlink.metric: 4278198272 is kept for SIDs and for unreachable routes at the end of tables; write a smaller number"}},
		{"the one before it", inNetlink("metric = 4278198271"),
			[]string{":12: netlink.metric: 4278198271 is kept for SIDs and for unreachable routes at the end of tables; write a smaller number"}},
		{"metric negative", inNetlink("metric = -1"),
			[]string{":12: netlink.metric: -1 is out of range: the kernel turns 0 into another metric, and holds 32 bits; write a number from 1 to 4294967295"}},
		{"metric over 32 bits", inNetlink("metric = 4_294_967_296"),
			[]string{":12: netlink.metric: 4294967296 is out of range: the kernel turns 0 into another metric, and holds 32 bits; write a number from 1 to 4294967295"}},
		{"metric over 64 bits", inExport("metric = 0xffff_ffff_f"),
			[]string{":14: netlink.export.metric: 68719476735 is out of range: the kernel turns 0 into another metric, and holds 32 bits; write a number from 1 to 4294967295"}},
		{"metric in quotes", inNetlink(`metric = "20"`), []string{`:12: netlink.metric: "20" is not a whole number; write one from 1 to 4294967295, without quotes`}},
		{"metric with a fraction", inNetlink("metric = 20.5"), []string{":12: netlink.metric: 20.5 is not a whole number; write one from 1 to 4294967295, without quotes"}},
		{"duration without unit", inNetlink("resync_interval = 300"),
			[]string{`:12: netlink.resync_interval: 300 is not a duration; write a number with its unit in quotes, such as "90s", "5m" or "1h"`}},
		{"duration that is none", inNetlink("sweep_delay = \"soon\""),
			[]string{`:12: netlink.sweep_delay: "soon" is not a duration; write a number with its unit in quotes, such as "90s", "5m" or "1h"`}},
		{"duration negative", inNetlink("sweep_delay = \"-1s\""), []string{":12: netlink.sweep_delay: -1s is out of range; write a duration from 0s to 24h0m0s"}},
		{"duration absurd", inNetlink("resync_interval = \"0s\""), []string{":12: netlink.resync_interval: 0s is out of range; write a duration from 1s to 24h0m0s"}},
		{"on_exit", inNetlink(`on_exit = "delete"`), []string{`:12: netlink.on_exit: "delete" is neither "keep" nor "remove"; write one of them`}},
	})
}

func TestErrorsOfAPI(t *testing.T) {
	testErrors(t, []errorCase{
		{"listen beyond loopback", head + "[netlink.api]\nlisten = [\n\"[::1]:50051\",\n\"0.0.0.0:50051\"]",
			[]string{`:14: netlink.api.listen[1]: "0.0.0.0:50051" can be reached from other hosts, which needs mutual TLS; configure [netlink.api.tls], or write "unix:///run/vrfredist/vrfredist.sock" or "127.0.0.1:50051"`}},
		{"listen on all", head + "[netlink.api]\nlisten = [\":50051\"]",
			[]string{`:12: netlink.api.listen[0]: ":50051" can be reached from other hosts, which needs mutual TLS; configure [netlink.api.tls], or write "unix:///run/vrfredist/vrfredist.sock" or "127.0.0.1:50051"`}},
		{"listen on a relative path", head + "[netlink.api]\nlisten = [\"unix://x.sock\"]",
			[]string{`:12: netlink.api.listen[0]: "unix://x.sock" is not a socket with an absolute path of at most 107 bytes; write "unix:///run/vrfredist/vrfredist.sock" or "127.0.0.1:50051"`}},
		{"listen without port", head + "[netlink.api]\nlisten = [\"127.0.0.1\"]",
			[]string{`:12: netlink.api.listen[0]: "127.0.0.1" is not an address to listen on; write "unix:///run/vrfredist/vrfredist.sock" or "127.0.0.1:50051"`}},
		{"listen nowhere", head + "[netlink.api]\nlisten = []",
			[]string{":12: netlink.api.listen: is empty; write an address, or leave the key out for unix:///run/vrfredist/vrfredist.sock"}},
		{"listen twice", head + "[netlink.api]\nlisten = [\"localhost:1\", \"localhost:1\"]", []string{`:12: netlink.api.listen: "localhost:1" is listed twice; remove one`}},
	})
}

func TestErrorsOfBindings(t *testing.T) {
	testErrors(t, []errorCase{
		{"unknown VRF, near", head + "[[netlink.vrfs]]\nname = \"defualt\"", []string{`:12: netlink.vrfs[0].name: there is no VRF "defualt"; did you mean "default"?`}},
		{"unknown VRF", head + "[[netlink.vrfs]]\nname = \"tenant-17\"", []string{`:12: netlink.vrfs[0].name: there is no VRF "tenant-17"; add it under [[vrfs]]`}},
		{"unknown VRF, short form", inImport("vrf = \"tenant-17\""), []string{`:14: netlink.import.vrf: there is no VRF "tenant-17"; add it under [[vrfs]]`}},
		{"no VRF named", head + "[[netlink.vrfs]]\nnetns = \"x\"", []string{`:11: netlink.vrfs[0].name: is missing; name a VRF of [[vrfs]], or "default"`}},
		{"VRF that is no text", head + "[[netlink.vrfs]]\nname = 5", []string{":12: netlink.vrfs[0].name: 5 is not text; write it in quotes"}},
		{"VRF bound twice, long form", inVRF("[[netlink.vrfs]]\nname = \"a\"\nnetns = \"x\""),
			[]string{`:14: netlink.vrfs[1].name: VRF "a" is bound already, on line 12; say it once, in [[netlink.vrfs]] or in the short form`}},
		{"VRF bound twice, short and long form", inVRF("[netlink.import]\nenabled = true\ninterface_list = [\"*\"]\nvrf = \"a\""),
			[]string{`:16: netlink.import.vrf: VRF "a" is bound already, on line 12; say it once, in [[netlink.vrfs]] or in the short form`}},
		{"default bound twice, unnamed", head + "[[netlink.vrfs]]\nname = \"default\"\n[netlink.export]\nenabled = true",
			[]string{`:13: netlink.export: VRF "default" is bound already, on line 12; say it once, in [[netlink.vrfs]] or in the short form`}},
		{"device and table", inVRF("device = \"x\"\ntable = 10"),
			[]string{":14: netlink.vrfs[0].table: device and table exclude each other; a device brings its own table, remove one, or write manage_devices = true in [netlink], by which the device is made here with that table"}},
		{"one table twice", inVRF("netns = \"x\"\ntable = 10\n[[netlink.vrfs]]\nname = \"b\"\nnetns = \"/run/netns/x\"\ntable = 10"),
			[]string{`:16: netlink.vrfs[1].name: VRF "b" would use the table of VRF "a", on line 12 (netns /run/netns/x, table 10); give one of them another netns, device or table`}},
		{"two mains of a namespace", inVRF("netns = \"/var/run/netns/x\"\n[[netlink.vrfs]]\nname = \"b\"\nnetns = \"x\""),
			[]string{`:15: netlink.vrfs[1].name: VRF "b" would use the table of VRF "a", on line 12 (main of netns x); give one of them another netns, device or table`}},
		{"one device twice", inVRF("[[netlink.vrfs]]\nname = \"b\"\ndevice = \"a\""),
			[]string{`:14: netlink.vrfs[1].name: VRF "b" would use the table of VRF "a", on line 12 (device a); give one of them another netns, device or table`}},
		{"default in a namespace of another", inVRF("netns = \"x\"\n[[netlink.vrfs]]\nname = \"default\"\nnetns = \"x\""),
			[]string{`:15: netlink.vrfs[1].name: VRF "default" would use the table of VRF "a", on line 12 (main of netns x); give one of them another netns, device or table`}},
		{"table 0", inVRF("table = 0"), []string{":13: netlink.vrfs[0].table: 0 is reserved for no table at all; write a table from 1 to 252 or above 255"}},
		{"table 253", inVRF("table = 253"), []string{":13: netlink.vrfs[0].table: 253 is reserved for the table named default; write a table from 1 to 252 or above 255"}},
		{"table 254", inVRF("table = 254"),
			[]string{":13: netlink.vrfs[0].table: 254 is reserved for the main table; leave the key out to use main, or write a table from 1 to 252 or above 255"}},
		{"table 255", inVRF("table = 255"), []string{":13: netlink.vrfs[0].table: 255 is reserved for the local table; write a table from 1 to 252 or above 255"}},
		{"table over 32 bits", inVRF("table = 4294967296"),
			[]string{":13: netlink.vrfs[0].table: 4294967296 is out of range; write a table from 1 to 252 or above 255 and below 2^32"}},
		{"table negative", inVRF("table = -5"), []string{":13: netlink.vrfs[0].table: -5 is out of range; write a table from 1 to 252 or above 255 and below 2^32"}},
		{"table by name", inVRF("table = \"main\""),
			[]string{`:13: netlink.vrfs[0].table: "main" is not a table number; write a table from 1 to 252 or above 255, without quotes`}},
		{"namespace with a slash", inVRF("netns = \"x/y\""),
			[]string{`:13: netlink.vrfs[0].netns: "x/y" is not the name of a namespace; write a name as "ip netns" lists it, or an absolute path`}},
		{"namespace above", inVRF("netns = \"../x\""),
			[]string{`:13: netlink.vrfs[0].netns: "../x" is not the name of a namespace; write a name as "ip netns" lists it, or an absolute path`}},
		{"namespace ..", inVRF("netns = \"..\""),
			[]string{`:13: netlink.vrfs[0].netns: ".." is not the name of a namespace; write a name as "ip netns" lists it, or an absolute path`}},
		{"namespace empty", inVRF("netns = \"\""),
			[]string{`:13: netlink.vrfs[0].netns: is empty; write a name as "ip netns" lists it, or an absolute path, or leave the key out for the daemon's own namespace`}},
		{"namespace with NUL", inVRF(`netns = "x\u0000"`),
			[]string{`:13: netlink.vrfs[0].netns: "x\x00" has a control character; write a name as "ip netns" lists it, or an absolute path`}},
		{"namespace with a newline", inVRF(`netns = "/run/x\n"`),
			[]string{`:13: netlink.vrfs[0].netns: "/run/x\n" has a control character; write a name as "ip netns" lists it, or an absolute path`}},
		{"namespace too long", inVRF(`netns = "` + strings.Repeat("n", 256) + `"`),
			[]string{`:13: netlink.vrfs[0].netns: is 256 bytes long; write a name as "ip netns" lists it, or an absolute path of at most 255`}},
		{"namespace by a detour", inVRF(`netns = "/run/netns/../x"`), []string{`:13: netlink.vrfs[0].netns: "/run/netns/../x" takes a detour; write "/run/x"`}},
		{"device too long", inVRF(`device = "abcdefghijklmnop"`),
			[]string{`:13: netlink.vrfs[0].device: "abcdefghijklmnop" is not an interface name: it is 16 bytes long; write one of at most 15`}},
		{"device with white space", inVRF(`device = "a b"`),
			[]string{`:13: netlink.vrfs[0].device: "a b" is not an interface name; write one without white space, '/' and ':'`}},
		{"device with a slash", inVRF(`device = "a/b"`),
			[]string{`:13: netlink.vrfs[0].device: "a/b" is not an interface name; write one without white space, '/' and ':'`}},
		{"device empty", inVRF(`device = ""`), []string{":13: netlink.vrfs[0].device: is empty; write the name of a VRF device"}},
		{"a VRF whose name cannot be a device's", strings.Replace(inVRF(""), `"a"`, `"a-long-tenant-name"`, 1) + "[[netlink.vrfs]]\nname = \"a-long-tenant-name\"",
			[]string{
				`:12: netlink.vrfs[0].name: there is no VRF "a"; did you mean "b"?`,
				`:14: netlink.vrfs[1].name: VRF "a-long-tenant-name" has no netns, device or table, and its name cannot be that of a device; write one of them`,
			}},
	})
}

func TestErrorsOfImport(t *testing.T) {
	testErrors(t, []errorCase{
		{"bad glob", inImport("[netlink.export]\nenabled = false\n[[netlink.vrfs]]\nname = \"a\"\n[netlink.vrfs.import]\nenabled = false\ninterface_list = [\n\"eth*\",\n\"eth[0-\"]"),
			[]string{`:22: netlink.vrfs[0].import.interface_list[1]: "eth[0-" is not a pattern; write an interface name with *, ? or a closed [a-z], such as "eth[0-3]"`}},
		{"glob empty", head + "[netlink.import]\nenabled = true\ninterface_list = [\"\"]",
			[]string{`:13: netlink.import.interface_list[0]: is empty; write the name of an interface, or a pattern such as "eth*"`}},
		{"two globs in one", head + "[netlink.import]\nenabled = true\ninterface_list = [\"eth0 eth1\"]",
			[]string{`:13: netlink.import.interface_list[0]: "eth0 eth1" matches no interface: no name has white space or '/'; write each pattern as a value of its own`}},
		{"interface list empty", head + "[netlink.import]\nenabled = true\ninterface_list = []",
			[]string{`:13: netlink.import.interface_list: is empty, with import enabled; name the interfaces to import from, or write ["*"] for all`}},
		{"interface list missing", inVRF("[netlink.vrfs.import]\nenabled = true"),
			[]string{`:13: netlink.vrfs[0].import.interface_list: is empty, with import enabled; name the interfaces to import from, or write ["*"] for all`}},
		{"interface list no list", head + "[netlink.import]\nenabled = true\ninterface_list = \"eth0\"",
			[]string{`:13: netlink.import.interface_list: "eth0" is no list; write it in brackets: ["eth0"]`}},
		{"enabled missing", head + "[netlink.import]\ninterface_list = [\"eth0\"]",
			[]string{":11: netlink.import.enabled: is missing; write enabled = true, or enabled = false to keep the section for later"}},
		{"enabled as text", head + "[netlink.export]\nenabled = \"yes\"",
			[]string{`:12: netlink.export.enabled: "yes" is neither true nor false; write one of them, without quotes`}},
		{"protocol unknown", inImport("protocols = [\"kernel\", \"teleport\"]"),
			[]string{":14: netlink.import.protocols[1]: route protocol \"teleport\": neither a known name nor a number from 0 to 255; write it as `ip route` shows it after proto, for example kernel, static, dhcp, ra, bird or 186"}},
		{"protocol our own", inImport("protocols = [179]"),
			[]string{":14: netlink.import.protocols: 179 is the daemon's own route_protocol, and its own routes are never imported; remove it"}},
		{"med negative", inImport("med = -1"), []string{":14: netlink.import.med: -1 is out of range; write a number from 0 to 4294967295"}},
		{"import communities", inImport("communities = [\"70000:1\"]"),
			[]string{`:14: netlink.import.communities[0]: community "70000:1": 70000 is over 65535, the most that either part can hold; a 4-byte AS needs a large community, as in 70000:0:1`}},
	})
}

func TestErrorsOfExport(t *testing.T) {
	testErrors(t, []errorCase{
		{"community 65001:", inExport(`community = "65001:"`),
			[]string{`:14: netlink.export.community: community "65001:": there is no number after the colon` + communityExample}},
		{"community a:b", inExport(`community_list = ["a:b"]`),
			[]string{`:14: netlink.export.community_list[0]: community "a:b": "a" is not a number` + communityExample}},
		{"community true", inExport("community = true"), []string{":14: netlink.export.community: true is not a community; write it in quotes"}},
		{"large community of two parts", inExport(`large_community_list = ["65001:1"]`),
			[]string{`:14: netlink.export.large_community_list[0]: large community "65001:1": it has two parts and needs three; write AS:NUMBER:NUMBER, as in 65001:1:100, or write it in community_list if it is a standard community`}},
		{"max_routes 0", inExport("max_routes = 0"), []string{":14: netlink.export.max_routes: 0 is out of range; write a number from 1 to 1000000000"}},
		{"max_paths absurd", inExport("max_paths = 1000"), []string{":14: netlink.export.max_paths: 1000 is out of range; write a number from 1 to 128"}},
		{"prefsrc no address", inExport(`prefsrc = "192.0.2.1/24"`),
			[]string{`:14: netlink.export.prefsrc: "192.0.2.1/24" is not an address; write one such as "192.0.2.1" or "2001:db8::1"`}},
		{"prefsrc two of a family", inExport(`prefsrc = ["192.0.2.1", "192.0.2.2"]`),
			[]string{":14: netlink.export.prefsrc: names 192.0.2.1 and 192.0.2.2; write one address of each family"}},
		{"prefsrc unspecified", inExport(`prefsrc = "::"`), []string{`:14: netlink.export.prefsrc: "::" cannot be a source; write an address of the VRF`}},
	})
}

func TestErrorsOfGoBGP(t *testing.T) {
	testErrors(t, []errorCase{
		{"empty section", "[global.config]", []string{
			":1: global.config.as: is missing; write the AS number of this router",
			":1: global.config.router-id: is missing; write an IPv4 address of this router",
		}},
		{"AS 0", strings.Replace(head, "as = 65000", "as = 0", 1),
			[]string{":2: global.config.as: AS 0 is reserved; write the AS number you were given, or a private one such as 64512"}},
		{"AS_TRANS", head + "[[neighbors]]\nconfig = {neighbor-address = \"192.0.2.2\", peer-as = 23456}",
			[]string{":12: neighbors[0].config.peer-as: AS 23456 is reserved; write the AS number you were given, or a private one such as 64512"}},
		{"AS no number", strings.Replace(head, "as = 65000", "as = \"x\"", 1),
			[]string{`:2: global.config.as: "x" is not an AS number; write one from 1 to 4294967294`}},
		{"router id IPv6", strings.Replace(head, "192.0.2.1", "2001:db8::1", 1),
			[]string{`:3: global.config.router-id: "2001:db8::1" is not a router id; write an IPv4 address, such as "192.0.2.1"`}},
		{"RD repeated", strings.Replace(head, "65000:2", "65000:1", 1),
			[]string{`:9: vrfs[1].config.rd: 65000:1 is the RD of VRF "a" too; give each VRF an RD of its own`}},
		{"RD malformed", strings.Replace(head, "65000:2", "65000", 1),
			[]string{`:9: vrfs[1].config.rd: route distinguisher "65000": it has no colon; write AS:NUMBER or IPv4:NUMBER, as in 65000:10 or 192.0.2.1:10`}},
		{"RD zero", strings.Replace(head, "65000:2", "0:0", 1),
			[]string{`:9: vrfs[1].config.rd: "0:0" stands for the global routing table; write an RD of the VRF's own, such as "65000:10"`}},
		{"RD missing", strings.Replace(head, `, rd = "65000:2"`, "", 1), []string{`:9: vrfs[1].config.rd: is missing; write a route distinguisher, such as "65000:10"`}},
		{"RT malformed", strings.Replace(head, `"65000:1"`, "\"65000:1\"\nboth-rt-list = [\"65000:1\",\n\"65000:x\"]", 1),
			[]string{`:9: vrfs[0].config.both-rt-list[1]: route target "65000:x": "x" is not a number from 0 to 4294967295; write AS:NUMBER or IPv4:NUMBER, as in 65000:10 or 192.0.2.1:10`}},
		{"VRF named default", strings.Replace(head, `"b"`, `"default"`, 1),
			[]string{`:9: vrfs[1].config.name: "default" stands for the global routing table; give the VRF another name`}},
		{"VRF name twice", strings.Replace(head, `"b"`, `"a"`, 1),
			[]string{`:9: vrfs[1].config.name: "a" is the name of another VRF, on line 6; give each a name of its own`}},
		{"VRF name with an escape sequence", strings.Replace(head, `"b"`, `"b\u001b[31m"`, 1),
			[]string{`:9: vrfs[1].config.name: "b\x1b[31m" has a character that is not printed; give the VRF another name`}},
		{"VRF without name", head + "[[vrfs]]\n[vrfs.config]\nrd = \"65000:3\"", []string{":12: vrfs[2].config.name: is missing; name the VRF"}},
		{"unknown peer-group", head + "[[peer-groups]]\nconfig = {peer-group-name = \"up\"}\n[[neighbors]]\n[neighbors.config]\nneighbor-address = \"192.0.2.2\"\npeer-group = \"upp\"",
			[]string{`:16: neighbors[0].config.peer-group: there is no peer-group "upp"; did you mean "up"?`}},
		{"unknown peer-group, dynamic", head + "[[dynamic-neighbors]]\n[dynamic-neighbors.config]\npeer-group = \"nobody\"",
			[]string{`:13: dynamic-neighbors[0].config.peer-group: there is no peer-group "nobody"; add it under [[peer-groups]]`}},
		{"peer-group twice", head + "[[peer-groups]]\nconfig = {peer-group-name = \"up\"}\n[[peer-groups]]\nconfig = {peer-group-name = \"up\"}",
			[]string{`:14: peer-groups[1].config.peer-group-name: "up" is the name of another peer-group; give each a name of its own`}},
		{"neighbour in an unknown VRF", head + "[[neighbors]]\nconfig = {neighbor-address = \"192.0.2.2\", vrf = \"tenant-17\"}",
			[]string{`:12: neighbors[0].config.vrf: there is no VRF "tenant-17"; add it under [[vrfs]]`}},
		{"neighbour twice", head + "[[neighbors]]\nconfig = {neighbor-address = \"192.0.2.2\", vrf = \"a\"}\n[[neighbors]]\nconfig = {neighbor-address = \"192.0.2.2\", vrf = \"b\"}",
			[]string{`:14: neighbors[1].config.neighbor-address: "192.0.2.2" is the neighbour of line 12 too; GoBGP tells neighbours apart by their addresses alone, remove one`}},
		{"secret too long", head + "[[neighbors]]\nconfig = {auth-password = \"" + strings.Repeat("s", 81) + "\"}",
			[]string{":12: neighbors[0].config.auth-password: is 81 bytes long; the kernel takes at most 80, write a shorter secret"}},
	})
}
