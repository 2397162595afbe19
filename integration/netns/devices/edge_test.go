package devices_test

import (
	"fmt"
	"sort"
	"strings"
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
	t.Parallel()
	l := newLab(t)
	rtr, pe := l.Namespace("rtr"), l.Namespace("pe")
	l.Subnet(rtr, "eth0", pe, "eth0", "10.0.0.1/24", "2001:db8::1/64")
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
	e := &edge{rtr, pe, peer, d}
	for i, vrf := range []string{"red", "blue"} {
		e.compare(t, vrf, i, true)
		// What FRR's zebra made of it, in the kernel on the other side.
		for _, prefix := range []string{"192.168.1.0/24", fmt.Sprintf("172.16.%d.0/24", i)} {
			if out := pe.IP("route", "show", "table", fmt.Sprint(1000+i), "proto", "bgp", prefix); !strings.Contains(out, "via 10.0.0.1") {
				t.Errorf("%s is not in FRR's table of %s: %q", prefix, vrf, out)
			}
		}
	}

	t.Log("a prefix that both VRFs have goes in one, on each side")
	for side, ns := range []*lab.Namespace{rtr, pe} {
		ns.Batch(fmt.Sprintf("addr del 192.168.%d.1/24 dev lan-red", 10*side+1), fmt.Sprintf("addr del 2001:db8:%x:1::1/64 dev lan-red", side+1))
	}
	e.compare(t, "red", 0, false)
	e.compare(t, "blue", 1, true)
}

// edge is the two provider edges.
type edge struct {
	rtr, pe *lab.Namespace
	peer    *lab.FRR
	daemon  *lab.Daemon
}

// compare waits until both sides have the same routes in a VRF: what this side's
// kernel has is what vtysh shows with this side's AS, and what FRR has of its own is
// what this side received, with its labels. Nothing of it is a kernel route here,
// because it is FRR's labels that lead to FRR.
func (e *edge) compare(t *testing.T, vrf string, i int, shared bool) {
	t.Helper()
	ours := map[string][]string{"ipv4": {fmt.Sprintf("172.16.%d.0/24", i)}, "ipv6": {fmt.Sprintf("2001:db8:1:%x::/64", 16+i)}}
	theirs := map[string][]string{"ipv4": {fmt.Sprintf("172.16.%d.0/24", 10+i)}, "ipv6": {fmt.Sprintf("2001:db8:2:%x::/64", 16+i)}}
	if shared {
		ours = map[string][]string{"ipv4": append(ours["ipv4"], "192.168.1.0/24"), "ipv6": append(ours["ipv6"], "2001:db8:1:1::/64")}
		theirs = map[string][]string{"ipv4": append(theirs["ipv4"], "192.168.11.0/24"), "ipv6": append(theirs["ipv6"], "2001:db8:2:1::/64")}
	}
	var received []string
	for _, family := range []string{"ipv4", "ipv6"} {
		want := append([]string{}, theirs[family]...)
		for _, prefix := range ours[family] {
			want = append(want, prefix+" 65000")
		}
		sort.Strings(want)
		lab.WaitEqual(t, "FRR's "+family+" table of "+vrf, want, func() []string { return e.peer.VRF(vrf, family) })
		// FRR has one label for each VRF and family.
		label := e.peer.Label(family, fmt.Sprintf("65100:%d0", i+1), theirs[family][0])
		if label < 16 {
			t.Errorf("FRR has the label %d for the %s routes of %s", label, family, vrf)
		}
		for _, prefix := range theirs[family] {
			received = append(received, fmt.Sprintf("%s label %d unresolved", prefix, label))
		}
	}
	sort.Strings(received)
	lab.WaitEqual(t, "what "+vrf+" has of FRR, and with which label", received, func() (lines []string) {
		for _, r := range e.daemon.RouteStates("export", "--vrf", vrf) {
			if r.Source == "" && r.State != "filtered" {
				lines = append(lines, fmt.Sprintf("%s label %d %s", r.Prefix, r.Label, r.State))
			}
			if r.State == "unresolved" && !strings.Contains(r.Reason, fmt.Sprintf("MPLS label, %d,", r.Label)) {
				lines = append(lines, r.Prefix+" does not say that it needs its label: "+r.Reason)
			}
		}
		sort.Strings(lines)
		return lines
	})
	lab.Equal(t, "routes of the daemon in the kernel", []string{}, e.rtr.OwnEverywhere())
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
