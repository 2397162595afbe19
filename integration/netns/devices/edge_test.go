package devices_test

import (
	"fmt"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

const edgeFRR = `
frr defaults traditional
interface eth0
 mpls bgp forwarding
exit
router bgp 65100
 bgp router-id 10.0.0.2
 no bgp ebgp-requires-policy
 neighbor 10.0.0.1 remote-as 65000
 neighbor 10.0.0.1 timers connect 1
 address-family ipv4 vpn
  neighbor 10.0.0.1 activate
 exit-address-family
 address-family ipv6 vpn
  neighbor 10.0.0.1 activate
 exit-address-family
exit
`

func edgeVRF(name string, i int) string {
	family := func(f string) string {
		return fmt.Sprintf(` address-family %s unicast
  redistribute connected
  label vpn export auto
  rd vpn export 65100:%d0
  rt vpn both 65000:%d0
  export vpn
  import vpn
 exit-address-family
`, f, i, i)
	}
	return fmt.Sprintf("router bgp 65100 vrf %s\n bgp router-id 10.0.0.2\n no bgp ebgp-requires-policy\n%s%sexit\n", name, family("ipv4"), family("ipv6"))
}

// FRR, with zebra, is the other provider edge: two VRFs on each side, with the
// same prefixes.
func TestProviderEdge(t *testing.T) {
	l := newLab(t)
	rtr, pe := l.Namespace("rtr"), l.Namespace("pe")
	l.Link(rtr, "eth0", pe, "eth0")
	rtr.Address("eth0", "10.0.0.1/24", "2001:db8::1/64")
	pe.Address("eth0", "10.0.0.2/24", "2001:db8::2/64")
	pe.Sysctl("mpls.platform_labels", "1000")
	for i, vrf := range []string{"red", "blue"} {
		for side, ns := range []*lab.Namespace{rtr, pe} {
			dev := "lan-" + vrf
			ns.Batch(fmt.Sprintf("link add %s type vrf table %d", vrf, 1000+i), "link set "+vrf+" up",
				"link add "+dev+" type dummy", fmt.Sprintf("link set %s master %s up", dev, vrf),
				fmt.Sprintf("addr add 192.168.%d.1/24 dev %s", 10*side+1, dev), // in both VRFs
				fmt.Sprintf("addr add 172.16.%d.1/24 dev %s", 10*side+i, dev),
				fmt.Sprintf("addr add 2001:db8:%x:1::1/64 dev %s nodad", side+1, dev),
				fmt.Sprintf("addr add 2001:db8:%x:%x::1/64 dev %s nodad", side+1, 16+i, dev))
		}
	}
	peer := pe.Router(edgeFRR + edgeVRF("red", 1) + edgeVRF("blue", 2))
	d := rtr.Daemon(edgeConfig)
	peer.WaitEstablished("10.0.0.1")
	for i, vrf := range []string{"red", "blue"} {
		_ = i
		t.Log(peer.Ask("show bgp vrf " + vrf + " ipv4 unicast"))
		t.Log(peer.Ask("show ip route vrf " + vrf))
		t.Log(peer.Ask("show ipv6 route vrf " + vrf))
		t.Log(pe.IP("route", "show", "table", fmt.Sprint(1000+i)))
		t.Log(d.Do("route", "export", "--vrf", vrf))
		t.Log(d.Do("route", "export", "--vrf", vrf, "--json"))
	}
	t.Log(peer.Ask("show bgp ipv4 vpn json"))
	t.Log(peer.Ask("show bgp ipv4 vpn 192.168.11.0/24 json"))
	t.Log(peer.Ask("show bgp ipv6 vpn"))
	t.Fatal("look")
}

const edgeConfig = `
[global.config]
  as = 65000
  router-id = "10.0.0.1"
[[neighbors]]
  [neighbors.config]
    neighbor-address = "10.0.0.2"
    peer-as = 65100
  [neighbors.timers.config]
    connect-retry = 1
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "l3vpn-ipv4-unicast"
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "l3vpn-ipv6-unicast"
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
  device = "red"
  [netlink.vrfs.import]
    enabled = true
    interface_list = ["lan-*"]
  [netlink.vrfs.export]
    enabled = true
[[netlink.vrfs]]
  name = "blue"
  device = "blue"
  [netlink.vrfs.import]
    enabled = true
    interface_list = ["lan-*"]
  [netlink.vrfs.export]
    enabled = true
`
