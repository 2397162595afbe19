package devices_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

const sessionConfig = `
[global.config]
  as = 65000
  router-id = "10.0.0.1"
[[vrfs]]
  [vrfs.config]
    name = "red"
    rd = "65000:10"
    both-rt-list = ["65000:10"]
[[vrfs]]
  [vrfs.config]
    name = "blue"
    rd = "65000:20"
    both-rt-list = ["65000:20"]
[[vrfs]]
  [vrfs.config]
    name = "inner"
    rd = "65000:30"
    both-rt-list = ["65000:30"]
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.168.1.2"
    peer-as = 65101
    vrf = "red"
  [neighbors.transport.config]
    bind-interface = "lan-red"
  [neighbors.timers.config]
    connect-retry = 1
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.168.2.2"
    peer-as = 65102
    vrf = "blue"
  [neighbors.transport.config]
    bind-interface = "blue"
    passive-mode = true
[[neighbors]]
  [neighbors.config]
    neighbor-address = "192.168.1.2"
    peer-as = 65101
    vrf = "inner"
    netns = "%s"
  [neighbors.transport.config]
    local-address = "192.168.1.1"
    bind-interface = "red"
  [neighbors.timers.config]
    connect-retry = 1
[netlink]
  manage_sysctls = %v
[[netlink.vrfs]]
  name = "red"
  device = "red"
  [netlink.vrfs.export]
    enabled = true
[[netlink.vrfs]]
  name = "blue"
  device = "blue"
  [netlink.vrfs.export]
    enabled = true
[[netlink.vrfs]]
  name = "inner"
  netns = "%s"
  device = "red"
  [netlink.vrfs.export]
    enabled = true
`

// Customers in VRF devices: of the daemon's namespace by GoBGP itself, of
// another one by the relay, with the same address. GoBGP's listener takes what
// comes from inside a VRF only with a setting of the kernel, which the daemon
// asks for, or sets where it may.
func TestSessionsInDevices(t *testing.T) {
	t.Parallel()
	n := newTenants(t)
	far := &tenants{Lab: n.Lab, rtr: n.Namespace("far")}
	inner := far.customer("red", "inner", 1, 1000)
	config := func(manage bool) string {
		return fmt.Sprintf(sessionConfig, far.rtr.Name, manage, far.rtr.Name)
	}
	d := n.rtr.Daemon(config(false))
	n.red.peer.WaitEstablished(n.red.ours()) // this side opens it
	n.rtr.WaitOwn(n.red.table, n.red.bgp())
	inner.peer.WaitEstablished(inner.ours())
	far.rtr.WaitOwn(inner.table, inner.bgp())

	t.Log("the customer opens it, and the kernel refuses: the log says what to do")
	const remedy = "net.ipv4.tcp_l3mdev_accept=1"
	log := d.Output()
	for _, want := range []string{"sysctl -w " + remedy, "manage_sysctls = true", "192.168.2.2 in VRF blue (blue)"} {
		if !strings.Contains(log, want) {
			t.Errorf("the log does not say %q:\n%s", want, log)
		}
	}
	lab.Equal(t, "the setting, which the daemon may not change", "0", n.rtr.SysctlValue("ipv4.tcp_l3mdev_accept"))
	if n.blue.peer.Established(n.blue.ours()) {
		t.Error("the session that the customer opens is up without the setting")
	}
	n.rtr.WaitOwn(n.blue.table)

	t.Log("the remedy")
	n.rtr.Sysctl("ipv4.tcp_l3mdev_accept", "1")
	n.blue.peer.WaitEstablished(n.blue.ours())
	n.rtr.WaitOwn(n.blue.table, n.blue.bgp())

	t.Log("the daemon sets it where it may")
	n.rtr.Sysctl("ipv4.tcp_l3mdev_accept", "0")
	d.Reload(config(true))
	lab.Equal(t, "the setting", "1", n.rtr.SysctlValue("ipv4.tcp_l3mdev_accept"))
	lab.Equal(t, "the setting in the other namespace, which the relay does not need", "0", far.rtr.SysctlValue("ipv4.tcp_l3mdev_accept"))
	lab.Equal(t, "routes of the daemon in all tables of rtr", []string{
		fmt.Sprintf("table %d: %s", n.red.table, n.red.bgp()), fmt.Sprintf("table %d: %s", n.blue.table, n.blue.bgp()),
	}, n.rtr.OwnEverywhere())
	lab.Equal(t, "routes of the daemon in all tables of far", []string{fmt.Sprintf("table %d: %s", inner.table, inner.bgp())}, far.rtr.OwnEverywhere())
}
