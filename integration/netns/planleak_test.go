package netns_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// planned are the lines of a plan about one VRF's table and its neighbours.
func (x *retargeted) planned(vrf, config string) (out []string) {
	x.T.Helper()
	file := x.File("planned.toml", config+fmt.Sprintf("\n[netlink.api]\n  listen = [%q]\n", x.daemon.Target()))
	dec := json.NewDecoder(strings.NewReader(x.daemon.Do("plan", "-f", file, "--json")))
	for dec.More() {
		var i struct{ Kind, Op, VRF, Neighbor, Prefix string }
		if err := dec.Decode(&i); err != nil {
			x.T.Fatal(err)
		}
		if (i.Kind == "route" || i.Kind == "told") && i.VRF == vrf {
			out = append(out, strings.TrimSpace(i.Op+" "+i.Prefix+" "+i.Neighbor))
		}
	}
	slices.Sort(out)
	return out
}

// TestPlanOfALeaksSource: what a VRF would choose otherwise by a policy of its export, those lose and
// get in a plan that leak from it, and their neighbours; as the reload then brings about.
func TestPlanOfALeaksSource(t *testing.T) {
	t.Parallel()
	x := newRetargeted(t)
	const leak = "  [[netlink.vrfs.bgp.leaks]]\n    from = \"red\"\n"
	free := x.config(`"65000:1"`, "", "", leak, "")
	policy := "[[netlink.policies]]\n  name = \"no\"\n  default = \"accept\"\n[[netlink.policies.rules]]\n  prefixes = [\"203.0.113.0/24 le 32\", \"2001:db8:a1::/48 le 128\"]\n  action = \"reject\"\n"
	kept := strings.Replace(x.config(`"65000:1"`, "", "", leak, policy), "    enabled = true\n", "    enabled = true\n    policy = \"no\"\n", 1)
	x.daemon = x.rtr.Daemon(free)
	x.leaks("at the start", true)

	four, six := "203.0.113.100/32", "2001:db8:a1::1/128"
	lines := func(op string) []string {
		return []string{op + " " + six, op + " " + six + " 2001:db8:3::2", op + " " + four, op + " " + four + " 192.168.3.2"}
	}
	sorted := func(list []string) []string { slices.Sort(list); return list }
	lab.Equal(t, "of blue the plan says", sorted(lines("remove")), x.planned("blue", kept))
	x.daemon.Reload(kept)
	x.at.WaitOwn(lab.Main)
	x.at.WaitOwn(1002)
	lab.Equal(t, "of blue another plan says", []string(nil), x.planned("blue", kept))
	lab.Equal(t, "of blue the plan of the way back says", sorted(lines("add")), x.planned("blue", free))
	x.daemon.Reload(free)
	x.leaks("without the policy", true)
}
