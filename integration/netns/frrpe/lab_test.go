package frrpe_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/vm/need"
)

// network is vrfredist as PE 1 and FRR as PE 2 of a core by VXLAN, with the tenants of both.
type network struct {
	*edge.Network
	wire      *lab.VXLANs // before vrfredist
	ours, frr *edge.PE
	daemon    *lab.Daemon
	peer      *lab.FRRPE
}

// newNetwork builds the network without vrfredist and FRR.
func newNetwork(t *testing.T, programs ...string) *network {
	t.Helper()
	return newNetworkOver(t, edge.VXLAN, programs...)
}

// newNetworkOver is newNetwork over a core of IPv4 or IPv6.
func newNetworkOver(t *testing.T, by edge.By, programs ...string) *network {
	t.Helper()
	n := &network{Network: edge.New(newLab(t, programs...), by, 2)}
	devices := need.HasVRF()
	n.ours, n.frr = n.PEs[0], n.PEs[1]
	n.tenant(n.ours, "red", devices)
	n.tenant(n.ours, "blue", false)
	for name, vni := range edge.Numbers {
		bridged(n.tenant(n.frr, name, devices), vni)
	}
	n.wire = lab.ReadVXLANs(n.P, "c1")
	return n
}

// tenant gives a PE a tenant, a VRF device or a namespace.
func (n *network) tenant(e *edge.PE, name string, device bool) *edge.Tenant {
	n.T.Helper()
	if device {
		return n.Device(e, name)
	}
	return n.Space(e, name)
}

// bridged gives a tenant of FRR what FRR needs: a bridge with the router's MAC address, and the
// VXLAN device in it, which is made in the core and moved.
func bridged(t *edge.Tenant, vni int) {
	vx, br := fmt.Sprintf("vx%d", vni), fmt.Sprintf("br%d", vni)
	t.PE.Core.IP("link", "add", vx, "type", "vxlan", "id", fmt.Sprint(vni), "local", t.PE.Addr(), "dstport", "4789", "nolearning")
	if t.NS != t.PE.Core {
		t.PE.Core.IP("link", "set", vx, "netns", t.NS.Name)
	}
	t.NS.IP("link", "add", br, "type", "bridge", "stp_state", "0")
	t.NS.IP("link", "set", br, "address", frrMAC(t.Name), "addrgenmode", "none")
	t.Enslave(br)
	t.Router = br
	t.NS.Batch("link set "+br+" up", "link set "+vx+" mtu 1430 addrgenmode none master "+br, "link set "+vx+" up")
}

// frrMAC is FRR's address for a tenant.
func frrMAC(name string) string { return fmt.Sprintf("02:00:00:00:02:%02x", edge.Numbers[name]) }

// start starts vrfredist and FRR, and waits until both tenants reach each other.
func (n *network) start(more ...string) {
	n.T.Helper()
	n.peer = lab.StartFRRPE(n.frr.Core, lab.PEConfig{BGP: n.frrConfig(), VNIs: edge.Numbers, Tenants: n.frrNamespaces()})
	n.daemon = n.ours.Core.Daemon(n.config()+strings.Join(more, ""), "--graceful-restart")
	n.T.Cleanup(n.tell)
	for name := range edge.Numbers {
		n.reach(name)
	}
}

// tell says how everything stands where the test has failed, before what was started ends.
func (n *network) tell() {
	if !n.T.Failed() {
		return
	}
	for name, t := range n.ours.Tenants {
		for _, args := range [][]string{{"vrf", name}, {"route", "export", "--vrf", name}} {
			out, err := n.daemon.Try(args...)
			n.T.Logf("%v: %v\n%s", args, err, out)
		}
		for _, args := range [][]string{{"route"}, {"-6", "route"}, {"neigh"}} {
			out, err := t.NS.TryIP(args...)
			n.T.Logf("%s, ip %v: %v\n%s", name, args, err, out)
		}
		out, err := t.NS.Run("bridge", "fdb", "show", "dev", t.VXLAN())
		n.T.Logf("%s, the forwarding entries: %v\n%s", name, err, out)
	}
	for name, t := range n.frr.Tenants {
		out, err := t.NS.TryIP("route", "show", "table", fmt.Sprint(t.Table))
		n.T.Logf("%s at FRR, ip route: %v\n%s", name, err, out)
		out, err = t.NS.TryIP("neigh")
		n.T.Logf("%s at FRR, ip neigh: %v\n%s", name, err, out)
		out, err = t.NS.Run("bridge", "fdb", "show", "dev", t.VXLAN())
		n.T.Logf("%s at FRR, the forwarding entries: %v\n%s", name, err, out)
	}
}

// config is vrfredist's, with a session to FRR.
func (n *network) config() string { return n.ours.Config(n.frr.Addr()) }

// frrNamespaces are FRR's tenants where those are namespaces.
func (n *network) frrNamespaces() map[string]*lab.Namespace {
	if n.frr.Tenants["red"].Device != "" {
		return nil
	}
	namespaces := map[string]*lab.Namespace{}
	for name, t := range n.frr.Tenants {
		namespaces[name] = t.NS
	}
	return namespaces
}

// frrConfig is bgpd's, with a session to vrfredist.
func (n *network) frrConfig() string {
	var b strings.Builder
	fmt.Fprintf(&b, `frr defaults traditional
router bgp 65000
 bgp router-id 10.255.0.2
 no bgp default ipv4-unicast
 neighbor %[1]s remote-as 65000
 neighbor %[1]s update-source %[2]s
 neighbor %[1]s timers 3 9
 neighbor %[1]s timers connect 1
 address-family l2vpn evpn
  neighbor %[1]s activate
  advertise-all-vni
 exit-address-family
`, n.ours.Addr(), n.frr.Addr())
	for name, vni := range edge.Numbers {
		fmt.Fprintf(&b, `router bgp 65000 vrf %s
 bgp router-id 10.255.0.2
 no bgp network import-check
 address-family ipv4 unicast
  redistribute connected
 exit-address-family
 address-family ipv6 unicast
  redistribute connected
 exit-address-family
 address-family l2vpn evpn
  advertise ipv4 unicast
  advertise ipv6 unicast
  rd 65000:%d02
  route-target import 65000:%d
  route-target export 65000:%d
 exit-address-family
`, name, vni, vni, vni)
	}
	return b.String()
}

// reach waits until the hosts of a tenant reach each other, in both families.
func (n *network) reach(name string) {
	n.T.Helper()
	for _, six := range []bool{false, true} {
		n.ours.Tenants[name].Host.WaitPing("", edge.Host(2, six))
		n.frr.Tenants[name].Host.WaitPing("", edge.Host(1, six))
	}
}
