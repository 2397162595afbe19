// Package operator_test proves on the real kernel what an operator sees of
// vrfredist, and asks it.
package operator_test

import (
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// run is shared by all labs of this binary; TestMain fills it.
var run = &lab.Run{Protocol: 179}

func TestMain(m *testing.M) {
	lab.Exit("integration/operator", func() (int, error) {
		if err := lab.Waiting(); err != nil {
			return 0, err
		}
		return run.Play(m)
	})
}

// site is a daemon in one namespace and the tenant `red` in another, which has
// a link to a host. BGP routes come from the gobgp command line.
type site struct {
	*lab.Lab
	rtr, red, host *lab.Namespace
	daemon         *lab.Daemon
}

const siteConfig = `
[global.config]
  as = 65000
  router-id = "10.0.0.1"
  port = -1

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

[[netlink.vrfs]]
  name = "red"
  netns = "RED"
  [netlink.vrfs.import]
    enabled = true
    interface_list = ["lan*"]
  [netlink.vrfs.export]
    enabled = true
    community_list = ["65000:1"]
    max_routes = 3
[[netlink.vrfs]]
  name = "blue"
  netns = "not-there"
  [netlink.vrfs.export]
    enabled = true
`

func newSite(t *testing.T, more string) *site {
	t.Helper()
	s := newSiteWithoutDaemon(t)
	s.daemon = s.rtr.Daemon(strings.ReplaceAll(siteConfig, "RED", s.red.Name) + more)
	return s
}

func newSiteWithoutDaemon(t *testing.T) *site {
	t.Helper()
	lab.NeedRoot(t)
	lab.Need(t, "ip", "gobgp")
	l := lab.New(t, run)
	s := &site{Lab: l, rtr: l.Namespace("rtr"), red: l.Namespace("red"), host: l.Namespace("host")}
	l.Subnet(s.red, "lan0", s.host, "eth0", "192.168.1.1/24", "2001:db8:1::1/64")
	return s
}

// vpn adds, or deletes, a VPN route of another PE, with the community that red
// asks for unless other attributes are given.
func (s *site) vpn(word, prefix, rd, rt, nexthop string, attributes ...string) {
	s.T.Helper()
	if len(attributes) == 0 {
		attributes = []string{"community", "65000:1"}
	}
	args := []string{"global", "rib", word, prefix, "label", "100", "rd", rd, "rt", rt, "nexthop", nexthop}
	if out, err := s.daemon.GoBGP(append(append(args, attributes...), "-a", "vpnv4")...); err != nil {
		s.T.Fatalf("gobgp %v: %v: %s", args, err, out)
	}
}
