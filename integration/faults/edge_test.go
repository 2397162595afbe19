package faults_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// edges are two PEs, each with the tenants red and blue, which have the same prefixes, and a host of
// each. Their cores are one link.
//
//	core of PE n: core 10.0.0.n, lo 10.255.0.n; red and blue: namespaces, lan 10.n.0.1, 2001:db8:n::1
//	hosts .10 and ::10
type edges struct {
	*lab.Lab
	pes  [2]*edge
	wire *lab.VXLANs
}

type edge struct {
	n              int
	core           *lab.Namespace
	tenants, hosts map[string]*lab.Namespace
	daemon         *lab.Daemon
}

// edgeVNIs are the tenants, and what they have on the wire.
var edgeVNIs = map[string]int{"red": 100, "blue": 200}

// newEdges builds the network, with both daemons running and every tenant reached.
func newEdges(t *testing.T) *edges {
	t.Helper()
	l := newLab(t, "bridge")
	e := &edges{Lab: l}
	for i := range e.pes {
		e.pes[i] = e.add(i + 1)
	}
	e.Subnet(e.pes[0].core, "core", e.pes[1].core, "core", "10.0.0.1/24")
	for i, pe := range e.pes {
		pe.core.IP("route", "add", e.pes[1-i].vtep()+"/32", "via", fmt.Sprintf("10.0.0.%d", 2-i), "src", pe.vtep())
	}
	e.wire = lab.ReadVXLANs(e.pes[0].core, "core")
	for i, pe := range e.pes {
		pe.daemon = pe.core.OwnDaemon(e.config(pe, e.pes[1-i].vtep()), "--graceful-restart")
	}
	for name := range edgeVNIs {
		for _, six := range []bool{false, true} {
			e.pes[0].hosts[name].WaitPing("", e.pes[1].host(six))
			e.pes[1].hosts[name].WaitPing("", e.pes[0].host(six))
		}
	}
	return e
}

func (e *edges) add(n int) *edge {
	pe := &edge{n: n, core: e.Namespace(fmt.Sprintf("pe%d", n)), tenants: map[string]*lab.Namespace{}, hosts: map[string]*lab.Namespace{}}
	pe.core.Address("lo", pe.vtep()+"/32")
	for name := range edgeVNIs {
		t, h := e.Namespace(fmt.Sprintf("t-%s%d", name, n)), e.Namespace(fmt.Sprintf("h-%s%d", name, n))
		t.Sysctl("ipv4.ip_forward", "1")
		t.Sysctl("ipv6.conf.all.forwarding", "1")
		e.Link(t, "lan", h, "eth0")
		t.Address("lan", fmt.Sprintf("10.%d.0.1/24", n), fmt.Sprintf("2001:db8:%d::1/64", n))
		h.Address("eth0", pe.host(false)+"/24", pe.host(true)+"/64")
		h.IP("route", "add", "default", "via", fmt.Sprintf("10.%d.0.1", n))
		h.IP("-6", "route", "add", "default", "via", fmt.Sprintf("2001:db8:%d::1", n))
		pe.tenants[name], pe.hosts[name] = t, h
	}
	return pe
}

func (pe *edge) vtep() string { return fmt.Sprintf("10.255.0.%d", pe.n) }

func (pe *edge) host(ipv6 bool) string {
	if ipv6 {
		return fmt.Sprintf("2001:db8:%d::10", pe.n)
	}
	return fmt.Sprintf("10.%d.0.10", pe.n)
}

func (e *edges) config(pe *edge, other string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `
[global.config]
  as = 65000
  router-id = %q
[[neighbors]]
  [neighbors.config]
    neighbor-address = %q
    peer-as = 65000
  [neighbors.timers.config]
    connect-retry = 1
  [neighbors.transport.config]
    local-address = %[1]q
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 60
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "l2vpn-evpn"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
[netlink]
  manage_links = true
[netlink.core]
  source = %[1]q
`, pe.vtep(), other)
	for name, vni := range edgeVNIs {
		fmt.Fprintf(&b, `
[[vrfs]]
  [vrfs.config]
    name = %q
    rd = "65000:%d%02d"
    both-rt-list = ["65000:%[2]d"]
[[netlink.vrfs]]
  name = %[1]q
  netns = %[4]q
  encap = "vxlan"
  vni = %[2]d
  [netlink.vrfs.import]
    enabled = true
    interface_list = ["lan"]
  [netlink.vrfs.export]
    enabled = true
`, name, vni, pe.n, pe.tenants[name].Name)
	}
	return b.String()
}

// router is the address of a PE's router for a tenant.
func (pe *edge) router(name string) string {
	fields := strings.Fields(pe.tenants[name].IP("-br", "link", "show", "dev", fmt.Sprintf("vx%d", edgeVNIs[name])))
	return fields[2]
}

// came is how many packets have come to each tenant of a PE by VXLAN.
func (pe *edge) came(t testing.TB) map[string]uint64 {
	t.Helper()
	counts := map[string]uint64{}
	for name, vni := range edgeVNIs {
		var n uint64
		file := fmt.Sprintf("/sys/class/net/vx%d/statistics/rx_packets", vni)
		if out, err := pe.tenants[name].Run("cat", file); err != nil {
			t.Fatal(err)
		} else if _, err := fmt.Sscan(out, &n); err != nil {
			t.Fatalf("read %s: %v: %q", file, err, out)
		}
		counts[name] = n
	}
	return counts
}

// waitReady waits until a VRF of a PE is.
func (pe *edge) waitReady(t *testing.T, vrf string) {
	t.Helper()
	lab.WaitFor(t, vrf+" is ready", limit(), func() string {
		var list struct {
			Vrfs []struct{ Name, State, Reason string }
		}
		pe.daemon.JSON(&list, "vrf")
		for _, v := range list.Vrfs {
			if v.Name == vrf && v.State == "ready" {
				return ""
			}
		}
		return pe.daemon.Do("vrf")
	})
}
