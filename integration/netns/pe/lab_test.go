package pe_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// machines are PEs around one router that knows their loopbacks and nothing else, each with the
// tenants red and blue, which have the same prefixes, and a host of each tenant.
//
//	core namespace of PE n: core 10.0.n.1, lo 10.255.0.n; red and blue: namespaces of their own,
//	lan 10.n.0.1 and 2001:db8:n::1; hosts .10 and ::10
type machines struct {
	*lab.Lab
	p   *lab.Namespace
	pes []*machine
}

type machine struct {
	n       int
	core    *lab.Namespace
	tenants map[string]*lab.Namespace
	hosts   map[string]*lab.Namespace
	daemon  *lab.Daemon
}

// vnis are the tenants, and what they have on the wire.
var vnis = map[string]int{"red": 100, "blue": 200}

// newMachines builds the network without any daemon.
func newMachines(t *testing.T, count int, programs ...string) *machines {
	t.Helper()
	l := newLab(t, programs...)
	m := &machines{Lab: l, p: l.Namespace("p")}
	forwards(m.p)
	for n := 1; n <= count; n++ {
		pe := &machine{n: n, core: l.Namespace(fmt.Sprintf("pe%d", n)), tenants: map[string]*lab.Namespace{}, hosts: map[string]*lab.Namespace{}}
		forwards(pe.core)
		l.Subnet(pe.core, "core", m.p, fmt.Sprintf("c%d", n), fmt.Sprintf("10.0.%d.1/24", n))
		pe.core.Address("lo", vtep(n)+"/32")
		pe.core.IP("route", "add", "10.255.0.0/24", "via", fmt.Sprintf("10.0.%d.2", n), "src", vtep(n))
		m.p.IP("route", "add", vtep(n)+"/32", "via", fmt.Sprintf("10.0.%d.1", n))
		for name := range vnis {
			m.tenant(pe, name)
		}
		m.pes = append(m.pes, pe)
	}
	return m
}

func vtep(n int) string { return fmt.Sprintf("10.255.0.%d", n) }

func forwards(n *lab.Namespace) {
	n.Sysctl("ipv4.ip_forward", "1")
	n.Sysctl("ipv6.conf.all.forwarding", "1")
}

// tenant gives a PE a tenant with a host.
func (m *machines) tenant(pe *machine, name string) {
	role := func(what string) string { return fmt.Sprintf("%s-%s%d", what, name, pe.n) }
	t, h := m.Namespace(role("t")), m.Namespace(role("h"))
	forwards(t)
	m.Link(t, "lan", h, "eth0")
	t.Address("lan", fmt.Sprintf("10.%d.0.1/24", pe.n), fmt.Sprintf("2001:db8:%d::1/64", pe.n))
	h.Address("eth0", host(pe.n, false)+"/24", host(pe.n, true)+"/64")
	h.IP("route", "add", "default", "via", fmt.Sprintf("10.%d.0.1", pe.n))
	h.IP("-6", "route", "add", "default", "via", fmt.Sprintf("2001:db8:%d::1", pe.n))
	pe.tenants[name], pe.hosts[name] = t, h
}

// host is the address of a PE's host of any tenant.
func host(n int, ipv6 bool) string {
	if ipv6 {
		return fmt.Sprintf("2001:db8:%d::10", n)
	}
	return fmt.Sprintf("10.%d.0.10", n)
}

// config is that of a PE's daemon, with sessions to the PEs at these addresses. Of two PEs one
// waits for the other: GoBGP closes what comes in for five seconds after a connection was closed,
// and two of them can take turns in that for long.
func (m *machines) config(pe *machine, neighbors ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "[global.config]\n  as = 65000\n  router-id = %q\n", vtep(pe.n))
	for _, addr := range neighbors {
		fmt.Fprintf(&b, `
[[neighbors]]
  [neighbors.config]
    neighbor-address = %q
    peer-as = 65000
  [neighbors.timers.config]
    connect-retry = 1
    hold-time = 9
    keepalive-interval = 3
  [neighbors.transport.config]
    local-address = %q
    passive-mode = %t
  [neighbors.graceful-restart.config]
    enabled = true
    restart-time = 60
  [[neighbors.afi-safis]]
    [neighbors.afi-safis.config]
      afi-safi-name = "l2vpn-evpn"
    [neighbors.afi-safis.mp-graceful-restart.config]
      enabled = true
`, addr, vtep(pe.n), addr < vtep(pe.n))
	}
	for name := range vnis {
		fmt.Fprintf(&b, "\n[[vrfs]]\n  [vrfs.config]\n    name = %q\n    rd = \"65000:%d%02d\"\n    both-rt-list = [\"65000:%d\"]\n", name, vnis[name], pe.n, vnis[name])
	}
	fmt.Fprintf(&b, "\n[netlink]\n  manage_links = true\n[netlink.core]\n  source = %q\n  interfaces = [\"core\"]\n", vtep(pe.n))
	for name, vni := range vnis {
		fmt.Fprintf(&b, `
[[netlink.vrfs]]
  name = %q
  netns = %q
  encap = "vxlan"
  vni = %d
  [netlink.vrfs.import]
    enabled = true
    interface_list = ["lan*"]
  [netlink.vrfs.export]
    enabled = true
    max_paths = 4
`, name, pe.tenants[name].Name, vni)
	}
	return b.String()
}

// start starts all daemons, each with sessions to all others.
func (m *machines) start() {
	m.T.Helper()
	for _, pe := range m.pes {
		var others []string
		for _, o := range m.pes {
			if o != pe {
				others = append(others, vtep(o.n))
			}
		}
		pe.daemon = pe.core.OwnDaemon(m.config(pe, others...), "--graceful-restart")
	}
	m.T.Cleanup(m.tell)
}

// tell says how everything stands where the test has failed.
func (m *machines) tell() {
	if !m.T.Failed() {
		return
	}
	for _, pe := range m.pes {
		for name := range vnis {
			for _, args := range [][]string{{"vrf", name}, {"route", "export", "--vrf", name}} {
				out, err := pe.daemon.Try(args...)
				m.T.Logf("PE %d, %v: %v\n%s", pe.n, args, err, out)
			}
			for _, args := range [][]string{{"-d", "link", "show", "dev", fmt.Sprintf("vx%d", vnis[name])}, {"route"}, {"neigh", "show", "nud", "permanent"}} {
				out, err := pe.tenants[name].TryIP(args...)
				m.T.Logf("PE %d, %s, ip %v: %v\n%s", pe.n, name, args, err, out)
			}
		}
	}
}

// reach waits until the host of a tenant at one PE gets answers from that at another, in both
// families.
func (m *machines) reach(name string, from, to *machine) {
	m.T.Helper()
	from.hosts[name].WaitPing("", host(to.n, false))
	from.hosts[name].WaitPing("", host(to.n, true))
}

// received is how many packets the VXLAN device of a tenant has got.
func (pe *machine) received(t *testing.T, name string) (packets uint64) {
	t.Helper()
	var links []struct {
		Stats64 struct {
			Rx struct{ Packets uint64 } `json:"rx"`
		} `json:"stats64"`
	}
	out := pe.tenants[name].IP("-s", "-j", "link", "show", "dev", fmt.Sprintf("vx%d", vnis[name]))
	if err := json.Unmarshal([]byte(out), &links); err != nil || len(links) != 1 {
		t.Fatalf("read the counters of %s: %v: %s", name, err, out)
	}
	return links[0].Stats64.Rx.Packets
}

// mac is this router's address for a tenant.
func (pe *machine) mac(t *testing.T, name string) string {
	t.Helper()
	var links []struct{ Address string }
	out := pe.tenants[name].IP("-j", "link", "show", "dev", fmt.Sprintf("vx%d", vnis[name]))
	if err := json.Unmarshal([]byte(out), &links); err != nil || len(links) != 1 {
		t.Fatalf("read the address of %s: %v: %s", name, err, out)
	}
	return links[0].Address
}
