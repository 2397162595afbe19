package frrpe_test

import (
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestBridgedTenant: a tenant of FRR's is bridged too, with a VNI of its own: FRR announces its MAC
// addresses and hosts (types 2 and 3), some with the route target of the tenant, its router's MAC
// address and both VNIs. None of that is a route here; the subnet, of type 5, is, and its hosts
// answer. What this router announces is no host there.
func TestBridgedTenant(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	here, there := n.ours.Tenants["red"], n.frr.Tenants["red"]
	n.frr.Core.IP("link", "add", "vx300", "type", "vxlan", "id", "300", "local", edge.Loopback(2), "dstport", "4789", "nolearning")
	if there.NS != n.frr.Core {
		n.frr.Core.IP("link", "set", "vx300", "netns", there.NS.Name)
	}
	there.NS.IP("link", "add", "br300", "type", "bridge", "stp_state", "0")
	there.Enslave("br300")
	h := n.Namespace("h-bridged")
	n.Link(there.NS, "port", h, "eth0")
	there.NS.Batch("link set br300 up", "link set vx300 master br300 addrgenmode none", "link set vx300 up", "link set port master br300")
	there.NS.Address("br300", "10.30.0.1/24", "2001:db8:30::1/64")
	h.Address("eth0", "10.30.0.10/24", "2001:db8:30::10/64")
	h.IP("route", "add", "default", "via", "10.30.0.1")
	h.IP("-6", "route", "add", "default", "via", "2001:db8:30::1")
	n.start()
	h.WaitPing("", "10.30.0.1") // so that FRR knows of the host
	h.WaitPing("", "2001:db8:30::1")
	lab.WaitFor(t, "FRR announces the host, with both VNIs", lab.Patience, func() string {
		out := n.peer.Ask("show bgp l2vpn evpn route type 2")
		if !strings.Contains(out, "[10.30.0.10]") || !strings.Contains(out, "[2001:db8:30::10]") {
			return out
		}
		return ""
	})
	if out := n.peer.Ask("show bgp l2vpn evpn route type 3"); !strings.Contains(out, "[3]:[0]:[32]:[10.255.0.2]") {
		t.Errorf("FRR announces no route of type 3: this proves less:\n%s", out)
	}
	for _, addr := range []string{"10.30.0.10", "2001:db8:30::10"} {
		here.Host.WaitPing("", addr)
	}
	lab.WaitEqual(t, "the routes in red", []string{
		"10.2.0.0/24 via fe80::aff:2:0:264 dev vx100 metric 20", "10.30.0.0/24 via fe80::aff:2:0:264 dev vx100 metric 20",
		"2001:db8:2::/64 via fe80::aff:2:0:264 dev vx100 metric 20", "2001:db8:30::/64 via fe80::aff:2:0:264 dev vx100 metric 20",
	}, here.Own)
	lab.Equal(t, "the times that FRR's session has ended", 0, n.peer.Dropped(edge.Loopback(1)))
	for c := range n.wire.Seen() {
		if c.VNI == 300 {
			t.Errorf("%+v is on the wire", c)
		}
	}
}
