package doctor

import (
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// imports makes a VRF of the healthy host import.
func imports(f *Facts, at int, globs ...string) *rib.ImportPolicy {
	f.Specs = slices.Clone(f.Specs)
	f.Specs[at].Import = rib.ImportPolicy{Enabled: true, Interfaces: globs}
	return &f.Specs[at].Import
}

// Each hint where it is due, and not where it is not: "check subject: part of what is said".
func TestHints(t *testing.T) {
	t.Parallel()
	anycast := func(f *Facts) {
		f.link(1, func(k *rib.Link) {
			k.Addrs = prefixes("127.0.0.1/8", "198.51.100.53/32", "::1/128", "2001:db8::53/128")
		})
	}
	for name, tc := range map[string]struct {
		change func(*Facts)
		want   []string
	}{
		"patterns that match": {func(f *Facts) { imports(f, 0, "eth*", "lo"); imports(f, 1, "eth1.7"); imports(f, 2, "lan?") }, nil},
		"a pattern that matches nothing": {
			func(f *Facts) { imports(f, 0, "eth0", "eth3"); imports(f, 2, "eth0") },
			[]string{`interface-pattern blue: has "eth0", which no interface in netns blue is called`, `interface-pattern default: has "eth3", which no interface`},
		},
		"an interface of another VRF": {func(f *Facts) { imports(f, 0, "eth1*"); imports(f, 1, "eth0") }, []string{
			`interface-pattern default: has "eth1*", and eth1.7 is not in the daemon's own namespace`, `interface-pattern red: has "eth0", and eth0 is not in VRF device red`,
		}},
		"a table has every interface": {func(f *Facts) {
			imports(f, 2, "lan0")
			f.Specs[2].Binding.Table = 7
		}, nil},
		"import that is off":      {func(f *Facts) { imports(f, 0, "eth3").Enabled = false }, nil},
		"a device that is absent": {func(f *Facts) { imports(f, 1, "eth3"); f.Specs[1].Binding.Device = "green" }, nil},
		"an address on lo":        {func(f *Facts) { anycast(f); imports(f, 0, "*") }, []string{"loopback-address default: has no route for 198.51.100.53, 2001:db8::53"}},
		"which is imported":       {func(f *Facts) { anycast(f); imports(f, 0, "lo").Addresses = true }, nil},
		"by others than lo":       {func(f *Facts) { anycast(f); imports(f, 0, "eth*") }, nil},
		"of which one has a route": {
			func(f *Facts) {
				anycast(f)
				imports(f, 0, "lo")
				space := f.Spaces[""]
				space.Looped = map[uint32][]netip.Prefix{254: prefixes("198.51.100.53/32"), 1010: prefixes("2001:db8::/32")}
				f.Spaces[""] = space
			}, []string{"loopback-address default: has no route for 2001:db8::53 of it"},
		},
		"a default route alone": {func(f *Facts) { f.ByDefault = map[string]int{"red": 2, "gone": 1} }, []string{"default-nexthop red: has 2 routes"}},
		"no targets": {func(f *Facts) {
			f.Specs[2].ImportRTs = nil
		}, []string{"no-import-targets blue: neither import route targets nor leaks"}},
		"no targets, and a leak": {func(f *Facts) {
			f.Specs[2].ImportRTs, f.Specs[2].Leaks = nil, []rib.LeakRule{{From: "red"}}
		}, nil},
		"no targets, and neighbours": {func(f *Facts) { f.Specs[2].ImportRTs = nil; f.Deaf = []string{"blue"} }, []string{"no-import-targets blue: and has neighbours"}},
		"what the file lacks": {
			func(f *Facts) { f.Hints = []Hint{{At: "f.toml:7: neighbors[0].config.peer-as", What: "is missing"}} },
			[]string{"configuration f.toml:7: neighbors[0].config.peer-as: f.toml:7: neighbors[0].config.peer-as is missing."},
		},
		"a policy that matches nothing": {func(f *Facts) {
			use := []vrf.PolicyUse{{VRF: "red", Place: "export.policy"}}
			f.Policies = []vrf.Policy{
				{Name: "dead", Uses: use, Rules: []vrf.PolicyRule{{Title: "rule 1"}, {Title: "default", Action: "reject", Matched: 8}}},
				{Name: "alive", Uses: use, Rules: []vrf.PolicyRule{{Title: "rule 1", Matched: 1}, {Title: "default", Matched: 8}}},
				{Name: "unasked", Uses: use, Rules: []vrf.PolicyRule{{Title: "rule 1"}, {Title: "default"}}},
				{Name: "gobgp's", Uses: []vrf.PolicyUse{{Uncounted: vrf.JudgedByBGP}}, Rules: []vrf.PolicyRule{{Title: "rule 1"}, {Title: "default", Matched: 1}}},
			}
		}, []string{`policy-match dead: its default (reject) decided each of the 8 times`}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := healthy()
			tc.change(&f)
			compareHints(t, Judge(f), tc.want)
		})
	}
}

// compareHints holds the hints among findings against "check subject: part of what is said".
func compareHints(t *testing.T, all []Finding, want []string) {
	t.Helper()
	var got []string
	for _, find := range all {
		if slices.Contains([]string{"interface-pattern", "loopback-address", "default-nexthop", "no-import-targets", "configuration", "policy-match"}, find.Check) {
			got = append(got, find.Check+" "+find.Subject+": "+find.What)
		}
	}
	if len(got) != len(want) {
		t.Fatalf("found %q, want %q", got, want)
	}
	for i, want := range want {
		head, part, _ := strings.Cut(want, ": ")
		if strings.HasPrefix(head, "configuration") {
			head, part = want[:len("configuration f.toml:7: neighbors[0].config.peer-as")], want[len("configuration f.toml:7: neighbors[0].config.peer-as: "):]
		}
		if !strings.HasPrefix(got[i], head+": ") || !strings.Contains(got[i], part) {
			t.Errorf("found %q, want %q", got[i], want)
		}
	}
}
