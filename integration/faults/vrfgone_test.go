package faults_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/faults/oracle"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// A VRF is removed that has several local paths of a prefix, of each family, which a
// second VRF in the same namespace takes as well: nothing of it is left, in BGP, in the
// other VRF, in a kernel.
func TestFault54VRFWithManyPathsRemoved(t *testing.T) {
	for _, way := range []string{"reload", "gobgp vrf del"} {
		t.Run(way, func(t *testing.T) {
			l := newLab(t, "gobgp")
			rtr := l.Namespace("rtr")
			rtr.Batch("link add eth1 type veth peer name far1",
				"link set eth1 addrgenmode none", "link set far1 addrgenmode none", "link set eth1 up", "link set far1 up",
				"addr add 192.168.1.1/24 dev eth1", "addr add 2001:db8:1::1/64 dev eth1 nodad", "route add 192.168.1.0/24 dev eth1 table 1001",
				"route add 192.168.1.0/24 dev eth1 table 1002", "route add 2001:db8:1::/64 dev eth1 table 1001", "route add 2001:db8:1::/64 dev eth1 table 1002", "route add blackhole 198.18.0.0/15 proto static metric 4000")
			o := oracle.New(t, rtr, run.Protocol)
			foreign := o.Foreign()
			blue := leakVRF("blue", 2, "65000:1", "65000:2") + leakTable("blue", 2)
			red := leakVRF("red", 1, "65000:1")
			if way == "reload" { // else it is no VRF of the daemon's
				red += leakTable("red", 1)
			}
			head := "[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n"
			d := rtr.Daemon(head + blue + red)
			gobgp := func(args ...string) string {
				t.Helper()
				out, err := d.GoBGP(args...)
				if err != nil {
					t.Fatalf("gobgp %s: %v: %s", strings.Join(args, " "), err, out)
				}
				return out
			}
			for i := range 4 {
				id := fmt.Sprint(i + 2)
				gobgp("vrf", "red", "rib", "add", "100.64.7.0/24", "nexthop", "192.168.1."+id, "identifier", id)
				gobgp("vrf", "red", "rib", "add", "-a", "ipv6", "2001:db8:7::/48", "nexthop", "2001:db8:1::"+id, "identifier", id)
			}
			ofRed := func() int {
				return strings.Count(gobgp("global", "rib", "-a", "vpnv4")+gobgp("global", "rib", "-a", "vpnv6"), " 65000:1:")
			}
			lab.Equal(t, "paths of the VRF in BGP", 8, ofRed())
			if way == "reload" { // what is in no VRF of the daemon's has no table to resolve in
				lab.WaitEqual(t, "its own routes and the leaked ones", 4, func() int { return len(o.Own(1001)) + len(o.Own(1002)) })
				d.Reload(head + blue)
			} else {
				gobgp("vrf", "del", "red")
			}
			lab.WaitEqual(t, "paths of it in BGP", 0, ofRed)
			o.WaitEmpty(limit())
			o.WaitForeign(foreign)
			measured(t, "%s: of 4 paths each of an IPv4 and an IPv6 prefix none left, in BGP, in its table and in that of the VRF that took them", way)
		})
	}
}

// leakVRF is a VRF of GoBGP that takes what has these route targets.
func leakVRF(name string, number int, imports ...string) string {
	return fmt.Sprintf("[[vrfs]]\n  [vrfs.config]\n    name = %q\n    rd = \"65000:%d\"\n    import-rt-list = [\"%s\"]\n    export-rt-list = [\"65000:%[2]d\"]\n",
		name, number, strings.Join(imports, `", "`))
}

func leakTable(name string, number int) string {
	return fmt.Sprintf("[[netlink.vrfs]]\n  name = %q\n  table = %d\n  [netlink.vrfs.export]\n    enabled = true\n", name, 1000+number)
}
