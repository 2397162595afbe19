package netns_test

import (
	"encoding/json"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// planned are the lines of a plan about what neighbours are told, "ADDRESS: +PREFIX" each.
func (x *sending) planned(config string) (out []string) {
	x.T.Helper()
	file := x.File("planned.toml", config+fmt.Sprintf("\n[netlink.api]\n  listen = [%q]\n", x.daemon.Target()))
	dec := json.NewDecoder(strings.NewReader(x.daemon.Do("plan", "-f", file, "--json")))
	for dec.More() {
		var i struct{ Kind, Op, Neighbor, Prefix, VRF string }
		if err := dec.Decode(&i); err != nil {
			x.T.Fatal(err)
		}
		if i.Kind == "told" {
			out = append(out, i.Neighbor+": "+map[string]string{"add": "+", "remove": "-", "change": "~"}[i.Op]+i.Prefix)
		}
	}
	slices.Sort(out)
	return out
}

// TestPlanSaysWhatNeighborsAreTold: of changed policies of what goes out of a VRF and of a
// neighbour in a namespace, leaks, networks, aggregates, conditions and what the export rejects, a
// plan says by each neighbour's own address what the reload then brings about.
func TestPlanSaysWhatNeighborsAreTold(t *testing.T) {
	t.Parallel()
	x := newSending(t)
	policies := func(rules ...string) string {
		return "[[netlink.policies]]\n  name = \"to-pe\"\n  default = \"accept\"\n[[netlink.policies.rules]]\n" + strings.Join(rules, "[[netlink.policies.rules]]\n")
	}
	const four, six, customer, customer6 = "10.0.0.2: ", "2001:db8::2: ", "192.168.1.2: ", "2001:db8:1::2: "
	no := policies("prefixes = [\"10.2.0.0/16\", \"2001:db8:a2::/48\"]\naction = \"reject\"\n")
	networks := "    [[netlink.vrfs.bgp.networks]]\n      prefix = \"10.7.0.0/16\"\n    [[netlink.vrfs.bgp.conditions]]\n      prefixes = [\"10.7.0.0/16\"]\n      while = [\"10.1.0.0/16\"]\n    [[netlink.vrfs.bgp.aggregates]]\n      prefix = \"10.0.0.0/12\"\n"
	last := x.config("", "")
	x.daemon = x.rtr.Daemon(last)
	told := []string{"10.1.0.0/16", "10.2.0.0/16", "2001:db8:a1::/48", "2001:db8:a2::/48"}
	x.hears("at the start", told...)
	lab.WaitEqual(t, "what the customer is told", []string{"10.2.0.0/16", "10.3.0.0/16"}, func() []string { return x.customer.Received("v4") })
	for _, step := range []struct {
		name, config string
		want         []string
	}{
		{"nothing", last, nil},
		{"send rejects", x.config("    send = \"to-pe\"\n", no), []string{four + "-10.2.0.0/16", six + "-2001:db8:a2::/48"}},
		{"send changes", x.config("    send = \"to-pe\"\n", policies("add_communities = [\"65000:9\"]\naction = \"accept\"\n")), []string{four + "+10.2.0.0/16", six + "+2001:db8:a2::/48", four + "~10.1.0.0/16", six + "~2001:db8:a1::/48"}},
		{"no policy", x.config("", ""), []string{four + "~10.1.0.0/16", four + "~10.2.0.0/16", six + "~2001:db8:a1::/48", six + "~2001:db8:a2::/48"}},
		{"no leak", strings.Replace(x.config("", ""), "    leak_from = [\"shared\"]\n", "", 1), []string{customer + "-10.3.0.0/16", customer6 + "-2001:db8:a3::/48"}},
		{"the leak again", x.config("", ""), []string{customer + "+10.3.0.0/16", customer6 + "+2001:db8:a3::/48"}},
		{"networks and aggregates", x.config(networks, ""), []string{customer + "+10.0.0.0/12", customer + "+10.7.0.0/16", four + "+10.0.0.0/12", four + "+10.7.0.0/16"}},
		{"none of them", x.config("", ""), []string{customer + "-10.0.0.0/12", customer + "-10.7.0.0/16", four + "-10.0.0.0/12", four + "-10.7.0.0/16"}},
		{"the export rejects", strings.Replace(x.config("", policies("as_path = [\"^65101\"]\naction = \"reject\"\n")), "  [netlink.vrfs.bgp]\n    leak_from", "    policy = \"to-pe\"\n  [netlink.vrfs.bgp]\n    leak_from", 1), []string{four + "-10.1.0.0/16", six + "-2001:db8:a1::/48"}},
		{"the export takes all", x.config("", ""), []string{four + "+10.1.0.0/16", six + "+2001:db8:a1::/48"}},
		{"the customer's policy", x.withCustomersPolicy(no), []string{customer + "-10.2.0.0/16"}},
	} {
		slices.Sort(step.want)
		got := x.planned(step.config)
		lab.Equal(t, step.name+": what a plan says", step.want, got)
		x.daemon.Reload(step.config)
		lab.WaitEqual(t, step.name+": nothing is left to change", []string(nil), func() []string { return x.planned(step.config) })
		told = follow(told, got, four, six)
		x.hears(step.name, told...)
	}
	out := x.daemon.Do("plan", "-f", filepath.Join(x.Dir, "planned.toml"))
	if !strings.Contains(out, "Nothing would change") {
		t.Errorf("the plan of what is in force: %s", out)
	}
}

// withCustomersPolicy is the configuration in which the customer is told by a policy over IPv4.
func (x *sending) withCustomersPolicy(policies string) string {
	at := leakNeighbor("192.168.1.2", "192.168.1.1", 65101, "ipv4", fmt.Sprintf("    vrf = \"red\"\n    netns = %q\n", x.red.Name))
	return strings.Replace(x.config("", policies), at, at+"  [neighbors.apply-policy.config]\n    export-policy-list = [\"to-pe\"]\n", 1)
}

// follow is what neighbours have that had some prefixes, and are told of others.
func follow(has, changes []string, of ...string) []string {
	has = slices.Clone(has)
	for _, line := range changes {
		for _, who := range of {
			change, theirs := strings.CutPrefix(line, who)
			switch {
			case theirs && change[0] == '+':
				has = append(has, change[1:])
			case theirs && change[0] == '-':
				has = slices.DeleteFunc(has, func(p string) bool { return p == change[1:] })
			}
		}
	}
	return has
}
