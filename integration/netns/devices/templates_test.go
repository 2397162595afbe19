package devices_test

import (
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

const templateConfig = `
[global.config]
  as = 65000
  router-id = "10.0.0.1"
[[netlink.templates]]
  name = "devices"
  device = "vrf-*"
  rd = "65000:{id}"
  both-rt-list = ["65000:{id}"]
  ids = "1-9"
  [netlink.templates.import]
    enabled = true
    interface_list = ["*"]
  [netlink.templates.export]
    enabled = true
  [[netlink.templates.neighbors]]
    address = "first"
    peer_as = 65101
    peer_group = "customers"
[[peer-groups]]
  [peer-groups.config]
    peer-group-name = "customers"
  [peer-groups.timers.config]
    connect-retry = 1
    hold-time = 6
    keepalive-interval = 2
`

const templateRouter = `router id 10.77.0.1;
protocol device { scan time 1; }
protocol static { ipv4; route 203.0.113.0/24 blackhole; }
protocol bgp up {
  local 10.77.0.1 as 65101;
  neighbor 10.77.0.2 as 65000;
  passive;
  hold time 6; # or it holds on to a session that nothing is heard of any more
  error wait time 1, 2;
  connect delay time 1;
  ipv4 { import all; export where source = RTS_STATIC; };
}
`

// TestTenantsInDevices: VRF devices that match a template are VRFs while they are there, each with the
// router at the first address of its link, in whatever table they are.
func TestTenantsInDevices(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	lab.Need(t, "bird", "birdc")
	rtr, cust := l.Namespace("rtr"), l.Namespace("cust")
	l.Link(rtr, "lan0", cust, "eth0")
	cust.Address("eth0", "10.77.0.1/24")
	cust.BIRD(templateRouter)
	d := rtr.Daemon(templateConfig)
	comes := func(table int) {
		t.Helper()
		rtr.VRF("vrf-a", table)
		rtr.IP("link", "set", "lan0", "master", "vrf-a")
		rtr.Address("lan0", "10.77.0.2/24")
		rtr.WaitOwn(table, "203.0.113.0/24 via 10.77.0.1 dev lan0 metric 20")
		if out := d.Do("config", "--vrf", "vrf-a"); !strings.Contains(out, `rd = "65000:1"`) || !strings.Contains(out, `device = "vrf-a"`) {
			t.Errorf("its configuration:\n%s", out)
		}
	}
	comes(1001)
	rtr.IP("link", "del", "vrf-a")
	lab.WaitFor(t, "the VRF goes", lab.Patience, func() string {
		if out := d.Do("vrf"); strings.Contains(out, "vrf-a") {
			return out
		}
		return ""
	})
	rtr.WaitOwn(1001)
	rtr.IP("addr", "flush", "dev", "lan0")
	comes(1002)
}
