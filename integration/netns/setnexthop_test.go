package netns_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestSetNexthopAndBackupRoutes: the nexthop that a policy sets is the route's, the path behind it has
// the backup route, which forwards as soon as the link of that nexthop is lost; where the policy
// gives both the same nexthop there is no backup; and where the nexthop is not reached the path
// takes no part.
func TestSetNexthopAndBackupRoutes(t *testing.T) {
	for _, inside := range []bool{false, true} {
		t.Run(map[bool]string{false: "in the daemon's namespace", true: "in another one"}[inside], func(t *testing.T) {
			t.Parallel()
			f := newFork(t, inside)
			ours, theirs := ends(3)
			detour := func(of string, nexthops [2]string) string {
				text := "\n[[netlink.policies]]\n  name = \"detour\"\n  default = \"accept\"\n"
				for family, hop := range nexthops {
					text += fmt.Sprintf("  [[netlink.policies.rules]]\n    families = [\"ipv%d\"]\n%s    action = \"accept\"\n    set_nexthop = %q\n", 4+2*family, of, hop)
				}
				return text
			}
			reload := func(policy string) {
				t.Helper()
				f.daemon.Reload(f.judged(inside, policy, []string{`policy = "detour"`, "backup_routes = true"}, nil))
			}
			// stands waits until each prefix goes by a link, and under the next metric by another one.
			stands := func(when string, link, spare int) {
				t.Helper()
				t.Log(when)
				list := through(link)
				if spare != 0 {
					_, by := ends(spare)
					list = append(list, fmt.Sprintf("10.9.0.0/16 via %s dev eth%d metric 21", by[0], spare), fmt.Sprintf("2001:db8:99::/48 via %s dev eth%d metric 21", by[1], spare))
				}
				f.at.WaitOwn(lab.Main, list...)
			}
			const best = "    neighbors = [\"10.0.1.2\", \"2001:db8:1::2\"]\n"
			reload(detour(best, theirs))
			stands("the better path has another nexthop", 3, 2)
			mark := f.at.Mark()
			f.daemon.Stop()
			f.daemon.Start()
			f.settled(map[bool]string{false: "default", true: "red"}[inside])
			stands("after a restart", 3, 2)
			f.told("after a restart", "65000 65001", "65000 65001") // and its own routes have come, or a sweep would wait for them
			for _, e := range f.at.Since(mark) {
				if e.Deleted {
					t.Errorf("the restart deleted the route of %s", e.Prefix)
				}
			}
			for range 2 {
				f.at.IP("link", "set", "eth3", "down")
				// The kernel has taken the routes over eth3 out; what it forwards by is there already.
				lab.WaitEqual(t, "the way of a packet", "eth2", func() string { return wayOf(f.at, "10.9.0.1") })
				stands("the link of its nexthop is down", 2, 0)
				f.at.IP("link", "set", "eth3", "up")
				f.at.IP("addr", "replace", ours[1]+"/64", "dev", "eth3", "nodad") // which went with the link
				stands("the link is back", 3, 2)
			}
			reload(detour("", theirs))
			stands("both have the same nexthop", 3, 0)
			reload(detour(best, [2]string{"192.0.2.99", "2001:db8:ffff::99"}))
			stands("the nexthop is not reached", 2, 0)
			reload(detour(best, theirs))
			stands("it is another again", 3, 2)
			f.daemon.Reload(f.config(inside))
			stands("no policy", 1, 0)
		})
	}
}

// wayOf is the interface by which the kernel sends packets to an address; "": none.
func wayOf(n *lab.Namespace, to string) string {
	out, err := n.TryIP("-o", "route", "get", to)
	if err != nil {
		return ""
	}
	_, rest, _ := strings.Cut(out, " dev ")
	dev, _, _ := strings.Cut(rest, " ")
	return dev
}
