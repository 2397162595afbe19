package config

import (
	"fmt"
	"net/netip"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/vrfredist/vrfredist/rib"
)

// leaking is a file in which VRF a, in a namespace, has these lines, from line 18 on, under bgp,
// and b is in the namespace of binding.
func leaking(binding, lines string) string {
	return head + "[[netlink.vrfs]]\nname = \"b\"\n" + binding + "\n[[netlink.vrfs]]\nname = \"a\"\nnetns = \"a\"\nexport = {enabled = true}\n" + lines
}

func pfx(s string) netip.Prefix { return netip.MustParsePrefix(s) }

const leaks = "[[netlink.vrfs.bgp.leaks]]\n"

// TestLeaksAreRead: what the sections say, and the short key with them.
func TestLeaksAreRead(t *testing.T) {
	t.Parallel()
	file := leaking(`netns = "a"`+"\ntable = 1001", `[netlink.vrfs.bgp]
leak_from = ["b"]
[[netlink.vrfs.bgp.leaks]]
from = "default"
policy = "some"
max_prefixes = 3
link = "core"
[[netlink.vrfs.bgp.aggregates]]
prefix = "10.0.0.0/8"
med = 5
[[netlink.vrfs.bgp.aggregates]]
prefix = "2001:db8::/32"
suppress = true
discard = false
communities = ["65000:1"]
[[netlink.vrfs.bgp.networks]]
prefix = "203.0.113.0/24"
[[netlink.vrfs.bgp.conditions]]
prefixes = ["203.0.113.0/24"]
while_not = ["0.0.0.0/0"]
[[netlink.vrfs]]
name = "default"
[[netlink.policies]]
default = "accept"
name = "some"
[[netlink.policies.rules]]
action = "accept"
`)
	read := func() *Config {
		c, err := Parse("f.toml", []byte(file), fakeBGP())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	c, again := read(), read()
	want := []rib.LeakRule{{From: "b"}, {From: "default", Policy: c.Policies[0], MaxPrefixes: 3, Link: "core"}}
	a := c.VRFs[0]
	if len(a.Leaks) != 2 || a.Leaks[0] != want[0] || a.Leaks[1] != want[1] {
		t.Errorf("leaks %v, want %v", a.Leaks, want)
	}
	if x := c.Extras.Leaks; len(x) != 1 || len(x["a"]) != 2 || x["a"][1] != again.VRFs[0].Leaks[1] {
		t.Errorf("BGP is told of %v; read again it is %v", x, again.VRFs[0].Leaks)
	}
	originates := rib.Origination{
		Aggregates: []rib.Aggregate{
			{Prefix: pfx("10.0.0.0/8"), Discard: true, MED: 5},
			{Prefix: pfx("2001:db8::/32"), Suppress: true, Communities: []rib.Community{65000<<16 | 1}},
		},
		Networks:   []rib.Network{{Prefix: pfx("203.0.113.0/24")}},
		Conditions: []rib.Condition{{Prefixes: []netip.Prefix{pfx("203.0.113.0/24")}, WhileNot: []netip.Prefix{pfx("0.0.0.0/0")}}},
	}
	if diff := cmp.Diff(fmt.Sprint(originates), fmt.Sprint(a.Originates)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestErrorsOfLeaks(t *testing.T) {
	const key = "netlink.vrfs[1].bgp."
	testErrors(t, []errorCase{
		{"no name", leaking(`netns = "b"`, leaks+"link = \"x\"\n"), []string{":18: " + key + `leaks[0].from: is missing; name the VRF whose routes come in, or "default"`}},
		{"itself", leaking(`netns = "a"`+"\ntable = 5", "bgp = {leak_from = [\"a\"]}\n"), []string{":19: " + key + `leak_from[0]: VRF "a" cannot leak from itself; name another VRF, or remove it`}},
		{"unknown", leaking(`netns = "a"`+"\ntable = 5", "bgp = {leak_from = [\"bb\"]}\n"), []string{":19: " + key + `leak_from[0]: there is no VRF "bb" under [[netlink.vrfs]], through whose table packets could go; did you mean "b"?`}},
		{"not in the kernel", leaking(`netns = "a"`+"\ntable = 5", "bgp = {leak_from = [\"default\"]}\n"), []string{":19: " + key + `leak_from[0]: there is no VRF "default" under [[netlink.vrfs]], through whose table packets could go; add a section for it there`}},
		{"twice", leaking(`netns = "a"`+"\ntable = 5", leaks+"from = \"b\"\n"+leaks+"from = \"b\"\n"), []string{":22: " + key + `leaks[1].from: VRF "b" is leaked from already, by line 20; say it once`}},
		{"another namespace", leaking(`netns = "b"`, "bgp = {leak_from = [\"b\"]}\n"), []string{":18: " + key + `leak_from[0]: VRF "b" is in another network namespace (netns b; this one: netns a); write it as [[netlink.vrfs.bgp.leaks]] with link, the interface of this VRF whose other end is there`}},
		{"link for nothing", leaking(`netns = "a"`+"\ntable = 5", leaks+"from = \"b\"\nlink = \"x\"\n"), []string{":21: " + key + `leaks[0].link: is for VRFs of two network namespaces, and VRF "b" is in the same (netns a, table 5): packets go out by its own interfaces; remove it`}},
		{"no interface", leaking(`netns = "b"`, leaks+"from = \"b\"\nlink = \"a/b\"\n"), []string{":20: " + key + `leaks[0].link: "a/b" is not an interface name; write one without white space, '/' and ':'`}},
		{"export is off", head + "[[netlink.vrfs]]\nname = \"a\"\nbgp = {leak_from = [\"default\"]}\n[[netlink.vrfs]]\nname = \"default\"\n", []string{
			`:13: netlink.vrfs[0].bgp.leak_from[0]: has no effect: VRF "a" has export off, so what it leaks in goes into no table, and is told to nobody; write enabled = true under its export`}},
		{"aggregates", leaking(`netns = "b"`, "[[netlink.vrfs.bgp.aggregates]]\nsuppress = true\n[[netlink.vrfs.bgp.aggregates]]\nprefix = \"10.0.0.1/8\"\n[[netlink.vrfs.bgp.aggregates]]\nprefix = \"10.0.0.0/8\"\n[[netlink.vrfs.bgp.networks]]\nprefix = \"10.0.0.0/8\"\n"), []string{
			":18: " + key + `aggregates[0].prefix: is missing; write the prefix to announce, such as "10.1.0.0/16"`,
			":21: " + key + `aggregates[1].prefix: "10.0.0.1/8" has bits beyond its length; write 10.0.0.0/8`,
			":25: " + key + `networks[0].prefix: 10.0.0.0/8 is announced by line 23 already; remove one of them`,
		}},
		{"martian", leaking(`netns = "b"`, "[[netlink.vrfs.bgp.networks]]\nprefix = \"127.0.0.0/8\"\n"), []string{":19: " + key + `networks[0].prefix: 127.0.0.0/8 is loopback (127.0.0.0/8), which no other router takes; write another prefix`}},
		{"conditions", leaking(`netns = "b"`, "[[netlink.vrfs.bgp.conditions]]\nwhile = [\"0.0.0.0/0\"]\n[[netlink.vrfs.bgp.conditions]]\nprefixes = [\"10.0.0.0/8\"]\n[[netlink.vrfs.bgp.conditions]]\nprefixes = [\"10.0.0.0/8\"]\nwhile = [\"10.0.0.0/8\", \"11.0.0.0/8\"]\nwhile_not = [\"11.0.0.0/8\"]\n"), []string{
			":18: " + key + `conditions[0].prefixes: is missing; list the prefixes that are announced on this condition`,
			":20: " + key + `conditions[1].while: is missing; list prefixes of which one has to be there, or with while_not prefixes of which none may be`,
			":23: " + key + `conditions[2].prefixes: has 10.0.0.0/8, on whose presence the condition itself depends; remove it from one of the lists`,
			":25: " + key + `conditions[2].while_not: has 11.0.0.0/8, which while has too: both are never so; remove one of them`,
		}},
	})
}
