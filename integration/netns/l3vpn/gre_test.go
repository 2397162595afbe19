package l3vpn_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// greMTU is that of a GRE tunnel over the core's links.
const greMTU = edge.CoreMTU - 24

// TestTunnel: the core's interface to other PEs is a GRE tunnel over a network that knows no labels:
// tenants reach each other in both families with the VRF's label alone. The doctor finds that labels
// are not taken from the tunnel, and how large packets may be there.
func TestTunnel(t *testing.T) {
	n := newNetwork(t, edge.MPLS, 2)
	one, two := n.PEs[0], n.PEs[1]
	for i, pe := range n.PEs {
		other := n.PEs[1-i]
		n.Device(pe, "red")
		n.Linked(pe, "blue", true)
		pe.Core.Sysctl("mpls.conf.core.input", "0")
		n.P.Sysctl(fmt.Sprintf("mpls.conf.c%d.input", pe.N), "0")
		pe.Core.Batch(
			fmt.Sprintf("route add 10.0.%d.0/24 via 10.0.%d.2", other.N, pe.N),
			fmt.Sprintf("link add tunnel type gre local 10.0.%d.1 remote 10.0.%d.1 ttl 64", pe.N, other.N),
			"link set tunnel up",
			fmt.Sprintf("route replace %s/32 dev tunnel src %s", edge.Loopback(other.N), edge.Loopback(pe.N)))
		pe.Core.Sysctl("mpls.conf.tunnel.input", "1")
	}
	one.Core.Sysctl("mpls.conf.tunnel.input", "0")
	for _, pe := range n.PEs {
		config := strings.Replace(n.config(pe), `interfaces = ["core*"]`, `interfaces = ["tunnel"]`, 1)
		pe.Daemon = pe.Core.Launched(config, "--graceful-restart")
	}
	for _, pe := range n.PEs {
		pe.Daemon.Answers()
	}
	t.Cleanup(n.tell)
	edge.Ready(n.Network, one)
	n.mends(one, "mpls/conf/tunnel/input")
	for _, name := range edge.Names() {
		n.Reach(name, one, two)
		n.Reach(name, two, one)
	}
	label := one.Tenants["red"].Label(false)
	if out := two.Daemon.Do("route", "export", "--vrf", "red"); !strings.Contains(out, fmt.Sprintf("encap mpls %d", label)) || !strings.Contains(out, "dev tunnel") {
		t.Errorf("the label %d is not alone before packets, by the tunnel:\n%s", label, out)
	}
	for _, name := range edge.Names() {
		f, found := n.doctor(one).Find("core-mtu", name)
		if want := fmt.Sprint(greMTU - edge.TwoLabels); !found || !strings.Contains(f.Mend, "mtu "+want) {
			t.Errorf("of the MTU of %s the doctor finds %+v (%v), want %s", name, f, found, want)
		}
	}
	red := one.Tenants["red"].Host
	lab.WaitFor(t, "a host is told how large its packets may be", lab.Patience, func() string {
		out, err := red.Run("ping", "-c", "1", "-W", "1", "-M", "do", "-s", "1472", edge.Host(2, false))
		if said := out + fmt.Sprint(err); err == nil || !strings.Contains(said, fmt.Sprintf("mtu = %d", greMTU-4)) && !strings.Contains(said, fmt.Sprintf("mtu=%d", greMTU-4)) {
			return said
		}
		return ""
	})
}
