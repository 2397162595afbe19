package netns_test

import (
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// What one VRF imports and another one's route targets accept is a leak: in the
// same namespace it goes through the first one's interface, in another it cannot.
func TestLeaks(t *testing.T) {
	t.Parallel()
	n := newTenants(t)
	n.Link(n.rtr, "lan0", n.hostA, "lan0")
	n.rtr.IP("route", "add", "192.168.77.0/24", "dev", "lan0", "table", "1001")
	n.rtr.IP("route", "add", "2001:db8:77::/64", "dev", "lan0", "table", "1001")
	vrfs := strings.Replace(routerConfig, `both-rt-list = ["65000:20"]`,
		"import-rt-list = [\"65000:20\", \"65000:10\"]\n    export-rt-list = [\"65000:20\"]", 1)
	tableA := "\n[[netlink.vrfs]]\n  name = \"vrf-a\"\n  table = 1001\n  [netlink.vrfs.import]\n    enabled = true\n    interface_list = [\"lan*\"]\n"

	n.start(vrfs + tableA + "\n[[netlink.vrfs]]\n  name = \"vrf-b\"\n  table = 1002\n  " + exportAll + "\n")
	n.rtr.WaitOwn(1002, "192.168.77.0/24 dev lan0 metric 20", "2001:db8:77::/64 dev lan0 metric 20")
	lab.Equal(t, "all of the daemon's routes in rtr", 2, len(n.rtr.OwnEverywhere()))

	t.Log("the second VRF moves to another namespace")
	n.daemon.Reload(vrfs + tableA + bind("vrf-b", n.b, exportAll))
	lab.WaitEqual(t, "routes of the daemon in rtr", []string{}, n.rtr.OwnEverywhere)
	lab.WaitFor(t, "the leak is unresolved", lab.Patience, func() string {
		routes := n.daemon.RouteStates("export", "--vrf", "vrf-b")
		for _, r := range routes {
			if r.State != "unresolved" || !strings.Contains(r.Reason, "namespace") {
				return r.Prefix + " is " + r.State + ": " + r.Reason
			}
		}
		if len(routes) != 2 {
			return "not two routes"
		}
		return ""
	})
	lab.Equal(t, "routes of the daemon in b", []string{}, n.b.OwnEverywhere())
}

// A VRF takes no more routes than its quota, keeps those it has, and says so;
// the other tenant and the session notice nothing.
func TestQuota(t *testing.T) {
	t.Parallel()
	n := newTenants(t)
	n.start(routerConfig + bind("vrf-a", n.a, exportAll, "max_routes = 4") + bind("vrf-b", n.b, exportAll))
	n.policies(policy{name: "AB", rts: rdA + " " + rdB, hop4: via0v4, hop6: via0v6})
	n.vpn("", "65100:1", 1, "AB")
	n.vpn("", "65100:1", 2, "AB")
	n.a.WaitOwn(lab.Main, over(0, 1, 2)...)
	n.vpn("", "65100:1", 3, "AB")
	n.b.WaitOwn(lab.Main, over(0, 1, 2, 3)...)
	if reason := n.waitVRF("vrf-a", "degraded"); !strings.Contains(reason, "quota") {
		t.Errorf("the reason does not name the quota: %q", reason)
	}
	n.a.WaitOwn(lab.Main, over(0, 1, 2)...)

	n.vpn("no", "65100:1", 1, "AB")
	n.a.WaitOwn(lab.Main, over(0, 2, 3)...)
	n.waitVRF("vrf-a", "ready")
}
