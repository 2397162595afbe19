package operator_test

import (
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// forkConfig is one of gobgp-netlink: several rules of one VRF, each with a
// table and a metric, and one of the global table.
const forkConfig = `
[global.config]
  as = 65000
  router-id = "10.0.0.1"
  port = -1

[[vrfs]]
  [vrfs.config]
    name = "red"
    rd = "65000:10"
    both-rt-list = ["65000:10"]
  [vrfs.netlink-export]
    enabled = true
    linux-table-id = 1001
    metric = 50

[netlink.import]
  enabled = false
  vrf = ""
  interface-list = ["none*"]

[netlink.export]
  enabled = true
  dampening-interval = 100
  route-protocol = 179

  [[netlink.export.rules]]
    name = "second"
    vrf = "red"
    table-id = 1002
    metric = 30
    community-list = ["65000:2"]

  [[netlink.export.rules]]
    name = "third"
    vrf = "red"
    table-id = 1003
    metric = 20
    skip-nexthop-validation = true

  [[netlink.export.rules]]
    name = "services"
    table-id = 300
    metric = 10
    community-list = ["65000:3"]
`

// A configuration of gobgp-netlink works as it is: each rule's routes land in
// its own table with its own metric, and nowhere else.
func TestAGobgpNetlinkConfiguration(t *testing.T) {
	t.Parallel()
	s := newSite(t, "")
	s.daemon.Stop()
	rtr, host := s.Namespace("fork"), s.Namespace("forkhost")
	s.Link(rtr, "lan0", host, "eth0")
	rtr.Address("lan0", "192.168.1.1/24")
	host.Address("eth0", "192.168.1.2/24")
	rtr.IP("route", "add", "192.168.1.0/24", "dev", "lan0", "table", "1001")
	s.daemon = rtr.Daemon(forkConfig)
	global := func(prefix string, more ...string) {
		t.Helper()
		args := append([]string{"global", "rib", "add", prefix, "nexthop", "192.168.1.2"}, more...)
		if out, err := s.daemon.GoBGP(args...); err != nil {
			t.Fatalf("gobgp %v: %v: %s", args, err, out)
		}
	}
	const rt = "65000:10"
	s.vpn("add", "172.20.1.0/24", "65100:1", rt, "192.168.1.2")
	s.vpn("add", "172.20.2.0/24", "65100:1", rt, "192.168.1.2", "community", "65000:2")
	global("172.30.1.0/24", "community", "65000:3")
	global("172.30.2.0/24")

	tables := func(metric string, nets ...string) []string {
		var out []string
		for _, n := range nets {
			out = append(out, n+" via 192.168.1.2 dev lan0 metric "+metric)
		}
		return out
	}
	check := func() {
		t.Helper()
		rtr.WaitOwn(1001, tables("50", "172.20.1.0/24", "172.20.2.0/24")...)
		rtr.WaitOwn(1002, tables("30", "172.20.2.0/24")...)
		rtr.WaitOwn(1003, tables("20", "172.20.1.0/24", "172.20.2.0/24")...)
		rtr.WaitOwn(300, tables("10", "172.30.1.0/24")...)
		lab.Equal(t, "routes of the daemon in all tables", 6, len(rtr.OwnEverywhere()))
	}
	check()

	// The second rule goes, and its routes with it; the others' stay.
	from := strings.Index(forkConfig, "  [[netlink.export.rules]]\n    name = \"third\"")
	to := strings.Index(forkConfig, "  [[netlink.export.rules]]\n    name = \"services\"")
	s.daemon.Reload(forkConfig[:from] + forkConfig[to:])
	rtr.WaitOwn(1003)
	lab.Equal(t, "routes of the daemon in all tables", 4, len(rtr.OwnEverywhere()))
	s.daemon.Reload(forkConfig)
	check()

	// The VRF's own table loses the way to the nexthop, and the further ones too.
	rtr.IP("route", "del", "192.168.1.0/24", "dev", "lan0", "table", "1001")
	rtr.WaitOwn(1002)
	if out := s.waitExplained("172.20.2.0/24", "red/1002", "172.20.2.0/24", "nexthop"); !strings.Contains(strings.Join(strings.Fields(out), " "), "nor is it found in VRF \"red\"") {
		t.Errorf("explain does not say where it looked:\n%s", out)
	}
	rtr.IP("route", "add", "192.168.1.0/24", "dev", "lan0", "table", "1001")
	check()
	if out, err := s.daemon.Try("redistribution", "enable", "import", "lan0", "--vrf", "red/1002"); err == nil || !strings.Contains(out, "secondary table") {
		t.Errorf("import into a secondary table: %v: %s", err, out)
	}
}
