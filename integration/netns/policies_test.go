package netns_test

import (
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// judged is a configuration of a fork with policies, in the places that keys of export and import
// name.
func (f *fork) judged(inside bool, policies string, export, imports []string) string {
	f.T.Helper()
	text := f.config(inside)
	for section, keys := range map[string][]string{"export": export, "import": imports} {
		at := regexp.MustCompile(`\[netlink\.vrfs\.` + section + `\]\n\s+enabled = true\n`)
		if !at.MatchString(text) {
			if len(keys) == 0 {
				continue
			}
			text += "\n  [netlink.vrfs." + section + "]\n    enabled = true\n    interface_list = [\"lan0\"]\n"
		}
		text = at.ReplaceAllString(text, "${0}    "+strings.Join(keys, "\n    ")+"\n")
	}
	return text + policies
}

const (
	without65001 = `
[[netlink.policies]]
  default = "accept"
  name = "not-65001"
  [[netlink.policies.rules]]
    name = "the nearer one"
    as_path = ["^65001"]
    action = "reject"
  [[netlink.policies.rules]]
    families = ["ipv4"]
    action = "accept"
    set_metric = 50
    set_prefsrc = "10.0.2.1"
`
	nothing = `
[[netlink.policies]]
  default = "accept"
  name = "nothing"
  [[netlink.policies.rules]]
    action = "reject"
`
	tagged = `
[[netlink.policies]]
  name = "tagged"
  default = "reject"
  [[netlink.policies.rules]]
    prefixes = ["10.77.0.0/16"]
    action = "accept"
    set_med = 77
    add_communities = ["65000:77"]
    prepend_as = 2
`
)

// told is what the third neighbour has of the prefixes now, once a reload has returned.
func (f *fork) told(when string, four, six string) {
	f.T.Helper()
	for prefix, want := range map[string]string{"10.9.0.0/16": four, "2001:db8:99::/48": six} {
		// What was sent is on its way through two kernels and BIRD.
		lab.WaitEqual(f.T, when+": the path of "+prefix+" that the third neighbour is told", want, func() string {
			return f.third.Path(prefix, "as_path")
		})
	}
}

// TestPolicies: what the policy of an export rejects leaves its place to the next path, in the
// kernel and towards neighbours, with the metric and source that it sets, and is in force when the
// reload returns; and so is the policy of an import.
func TestPolicies(t *testing.T) {
	for _, inside := range []bool{false, true} {
		t.Run(map[bool]string{false: "in the daemon's namespace", true: "in another one"}[inside], func(t *testing.T) {
			t.Parallel()
			f := newFork(t, inside)
			vrfName := map[bool]string{false: "default", true: "red"}[inside]
			f.goes(1)
			f.settled(vrfName)

			f.daemon.Reload(f.judged(inside, without65001, []string{`policy = "not-65001"`}, nil))
			_, theirs := ends(2)
			second := []string{
				"10.9.0.0/16 via " + theirs[0] + " dev eth2 metric 50", "2001:db8:99::/48 via " + theirs[1] + " dev eth2 metric 20",
			}
			lab.Equal(t, "the table, once the reload has returned", second, f.at.Own(lab.Main))
			if got := f.at.IP("route", "show", "10.9.0.0/16"); !strings.Contains(got, "src 10.0.2.1") {
				t.Errorf("the route is %s", got)
			}
			f.told("the next path", "65000 65002 65002", "65000 65002 65002")
			said := f.daemon.Do("explain", "10.9.0.0/16", "--vrf", vrfName)
			for _, want := range []string{`policy "not-65001" accepts 1 of 2 paths`, `rule 1 (the nearer one) matches, and rejects`, `metric 50`} {
				if !strings.Contains(said, want) {
					t.Errorf("explain does not say %q:\n%s", want, said)
				}
			}
			if said := f.daemon.Do("policy", "not-65001"); !regexp.MustCompile(`(?m)^ *[1-9]\d*  rule 1 \(the nearer one\) .* reject$`).MatchString(said) {
				t.Errorf("policy says\n%s", said)
			}

			f.daemon.Reload(f.judged(inside, nothing, []string{`policy = "nothing"`}, nil))
			lab.Equal(t, "the table where the policy rejects everything", []string{}, f.at.Own(lab.Main))
			f.told("nothing is accepted", "", "")
			for _, r := range f.daemon.RouteStates("export", "--vrf", vrfName) {
				if r.State != "filtered" || !strings.Contains(r.Reason, `policy "nothing", rule 1 rejects it`) {
					t.Errorf("%s is %s: %s", r.Prefix, r.State, r.Reason)
				}
			}

			f.daemon.Reload(f.judged(inside, nothing, []string{`policy = "nothing"`, "advertise_rejected = true"}, nil))
			lab.Equal(t, "the table, where what is rejected is told", []string{}, f.at.Own(lab.Main))
			f.told("what is rejected is told", "65000 65001", "65000 65001")

			f.at.IP("link", "add", "lan0", "type", "veth", "peer", "name", "lan1")
			f.at.IP("link", "set", "lan1", "up")
			f.at.IP("addr", "add", "10.77.0.1/16", "dev", "lan0")
			f.at.IP("addr", "add", "10.78.0.1/16", "dev", "lan0")
			f.at.IP("link", "set", "lan0", "up")
			f.daemon.Reload(f.judged(inside, tagged, nil, []string{`policy = "tagged"`}))
			for attribute, want := range map[string]string{"med": "77", "community": "(65000,77)", "as_path": "65000 65000 65000"} {
				lab.WaitEqual(t, attribute+" of what is imported", want, func() string { return f.third.Path("10.77.0.0/16", attribute) })
			}
			if got := f.third.Path("10.78.0.0/16", "as_path"); got != "" {
				t.Errorf("what the import's policy rejects is announced: %s", got)
			}
			f.goes(1)
			f.daemon.Reload(f.config(inside))
			f.goes(1)
		})
	}
}

// TestAdvertiseInstalled: neighbours hear of a prefix once the kernel has its route, and of none
// that another program has the place of; a restart withdraws nothing that stands.
func TestAdvertiseInstalled(t *testing.T) {
	for _, inside := range []bool{false, true} {
		t.Run(map[bool]string{false: "in the daemon's namespace", true: "in another one"}[inside], func(t *testing.T) {
			t.Parallel()
			f := newFork(t, inside)
			f.goes(1)
			_, theirs := ends(3)
			config := f.judged(inside, "", []string{`advertise = "installed"`}, nil)
			f.daemon.Reload(config)
			f.goes(1)
			f.at.IP("route", "replace", "10.9.0.0/16", "via", theirs[0], "dev", "eth3", "metric", "20", "proto", "static")
			began := time.Now()
			f.told("another program took the place of one", "", "65000 65001")
			t.Logf("the neighbour has the withdrawal after %v", time.Since(began).Round(time.Millisecond))
			f.at.IP("route", "del", "10.9.0.0/16", "via", theirs[0], "dev", "eth3", "metric", "20", "proto", "static")
			f.goes(1)
			f.bird.Show("disable all")
			f.goes(2)
			f.bird.Show("enable all")
			f.goes(1)
			f.daemon.Stop()
			f.daemon.Start()
			f.goes(1)
			f.at.IP("link", "set", "eth1", "down")
			f.at.IP("link", "set", "eth2", "down")
			f.told("no link is up", "", "")
		})
	}
}
