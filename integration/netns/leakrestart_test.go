package netns_test

import (
	"fmt"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// leakConfig is two tables of one namespace, of which the second accepts what the
// first imports. Nobody speaks BGP to the daemon.
const leakConfig = `
[global.config]
  as = 65000
  router-id = "10.0.0.1"

[[vrfs]]
  [vrfs.config]
    name = "vrf-a"
    rd = "65000:10"
    both-rt-list = ["65000:10"]

[[vrfs]]
  [vrfs.config]
    name = "vrf-b"
    rd = "65000:20"
    import-rt-list = ["65000:20", "65000:10"]
    export-rt-list = ["65000:20"]

[[netlink.vrfs]]
  name = "vrf-a"
  table = 1001
  [netlink.vrfs.import]
    enabled = true
    interface_list = ["lan*"]

[[netlink.vrfs]]
  name = "vrf-b"
  table = 1002
  [netlink.vrfs.export]
    enabled = true
`

// What leaks from another VRF's kernel routes stays over a crash too: BGP has it
// only when that VRF's table was read and announced again, which may take longer
// than it takes the other one to find nothing to wait for.
func TestCrashKeepsLeakedImports(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	rtr, host := l.Namespace("rtr"), l.Namespace("host")
	l.Link(rtr, "lan0", host, "lan0")
	batch := []string{}
	want := []string{}
	for i := range 2000 {
		prefix := fmt.Sprintf("172.%d.%d.0/24", 16+i/256, i%256)
		batch = append(batch, fmt.Sprintf("route add %s dev lan0 table 1001", prefix))
		want = append(want, prefix+" dev lan0 metric 20")
	}
	rtr.Batch(batch...)
	daemon := rtr.Daemon(leakConfig)
	rtr.WaitOwn(1002, want...)
	mark := rtr.Mark()
	daemon.Kill()
	daemon.Start()
	lab.WaitFor(t, "every leaked route is BGP's again", 2*lab.Patience, func() string {
		installed := 0
		for _, r := range daemon.RouteStates("export", "--vrf", "vrf-b") {
			if r.State == "installed" {
				installed++
			}
		}
		if installed != len(want) {
			return fmt.Sprintf("%d of %d installed", installed, len(want))
		}
		return ""
	})
	rtr.WaitOwn(1002, want...)
	lab.Equal(t, "route messages of the crash and the restart", 0, len(rtr.Since(mark)))
}
