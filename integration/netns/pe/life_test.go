package pe_test

import (
	"fmt"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestDeviceChanges: a VXLAN device that flaps, gets another MAC address or loses what leads to
// another PE is put right, and so is one that is deleted.
func TestDeviceChanges(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2)
	m.start()
	one, two := m.PEs[0], m.PEs[1]
	m.Reach("red", one, two)
	tenant, mac := one.Tenants["red"].NS, one.Tenants["red"].MAC()
	entries := func() string { return tenant.IP("neigh", "show", "dev", "vx100", "nud", "permanent") }
	before := entries()
	for _, change := range []struct {
		what string
		do   func()
	}{
		{"down and up", func() { tenant.IP("link", "set", "vx100", "down"); tenant.IP("link", "set", "vx100", "up") }},
		{"down", func() { tenant.IP("link", "set", "vx100", "down") }},
		{"another MAC address", func() { tenant.IP("link", "set", "vx100", "address", "02:00:00:00:99:99") }},
		{"no neighbour", func() { tenant.IP("neigh", "flush", "dev", "vx100", "nud", "permanent") }},
		{"no forwarding entry", func() {
			one.Tenants["red"].Bridge("fdb", "del", two.Tenants["red"].MAC(), "dev", "vx100", "dst", edge.Loopback(2), "self")
		}},
		{"deleted", func() { tenant.IP("link", "del", "vx100") }},
	} {
		t.Log(change.what)
		change.do()
		lab.WaitFor(t, change.what+": the entries are back", lab.Patience, func() string {
			if out, err := tenant.TryIP("neigh", "show", "dev", "vx100", "nud", "permanent"); err != nil || out != before {
				return out
			}
			return ""
		})
		m.Reach("red", one, two)
		m.Reach("red", two, one)
		if got := one.Tenants["red"].MAC(); got != mac {
			t.Errorf("%s: the device has %s, and had %s", change.what, got, mac)
		}
	}
}

// TestEntryOfAnother: a forwarding entry that another program puts in the place of ours is left as
// it is, and nothing is sent by it; once it is gone, ours is back.
func TestEntryOfAnother(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2)
	m.start()
	one, two := m.PEs[0], m.PEs[1]
	m.Reach("red", one, two)
	mac := two.Tenants["red"].MAC()
	one.Tenants["red"].Bridge("fdb", "replace", mac, "dev", "vx100", "dst", "10.255.0.77", "self", "permanent")
	lab.WaitFor(t, "the routes to the other PE are unresolved", lab.Patience, func() string {
		for _, r := range one.Daemon.RouteStates("export", "--vrf", "red") {
			if strings.HasPrefix(r.Prefix, "10.2.") && (r.State != "unresolved" || !strings.Contains(r.Reason, "10.255.0.77")) {
				return r.Prefix + " is " + r.State + ": " + r.Reason
			}
		}
		return strings.Join(one.Tenants["red"].NS.Own(lab.Main), "\n")
	})
	if out := one.Tenants["red"].Bridge("fdb", "show", "dev", "vx100"); !strings.Contains(out, "10.255.0.77") {
		t.Errorf("the other program's entry is gone: %s", out)
	}
	one.Tenants["red"].Bridge("fdb", "del", mac, "dev", "vx100", "dst", "10.255.0.77", "self")
	m.Reach("red", one, two)
}

// service is a prefix that two PEs have.
const service = "10.9.0.1"

// serve has the tenant red at all PEs but the first announce the service.
func (m *machines) serve() {
	for _, pe := range m.PEs[1:] {
		pe.Tenants["red"].Host.Address("lo", service+"/32")
		pe.Tenants["red"].NS.IP("route", "add", service+"/32", "via", edge.Host(pe.N, false))
	}
}

// TestPELost: two PEs announce a prefix, and packets go to both; when the core does not reach the
// one any more, all go to the other by one message, and come back with it.
func TestPELost(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 3)
	m.serve()
	one := m.PEs[0]
	for _, n := range []int{2, 3} { // as an IGP would
		one.Core.IP("route", "add", edge.Loopback(n)+"/32", "via", "10.0.1.2", "src", edge.Loopback(1))
	}
	one.Core.IP("route", "del", "10.255.0.0/24")
	m.start()
	tenant := one.Tenants["red"].NS
	ways := func(want ...int) {
		t.Helper()
		lab.WaitEqual(t, "the PEs that it goes to", want, func() (list []int) {
			routes := strings.Join(tenant.Own(lab.Main), "\n")
			for _, n := range []int{2, 3} {
				if leads(routes, service, fmt.Sprintf("fe80::aff:%d:", n)) {
					list = append(list, n)
				}
			}
			return list
		})
	}
	ways(2, 3)
	one.Tenants["red"].Host.WaitPing("", service)
	one.Core.IP("route", "del", edge.Loopback(2)+"/32")
	ways(3)
	one.Tenants["red"].Host.WaitPing("", service)
	one.Core.IP("route", "add", edge.Loopback(2)+"/32", "via", "10.0.1.2", "src", edge.Loopback(1))
	ways(2, 3)
	one.Core.IP("route", "add", "blackhole", edge.Loopback(3)+"/32", "metric", "1")
	one.Core.IP("route", "del", edge.Loopback(3)+"/32", "via", "10.0.1.2")
	ways(2)
	one.Tenants["red"].Host.WaitPing("", service)
}

// TestWeights: of two PEs that announce a prefix each has the share that a policy gives it by the
// neighbour that sent the path, and packets go on as the shares change.
func TestWeights(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 3)
	m.serve()
	m.start()
	one := m.PEs[0]
	tenant := one.Tenants["red"].NS
	shared := func(two, three int) string {
		config := strings.ReplaceAll(one.Config(edge.Addrs(m.Others(one)...)...), "    max_paths = 4\n", "    max_paths = 4\n    policy = \"shares\"\n")
		config += "\n[[netlink.policies]]\n  name = \"shares\"\n  default = \"accept\"\n"
		for n, weight := range map[int]int{2: two, 3: three} {
			config += fmt.Sprintf("  [[netlink.policies.rules]]\n    neighbors = [%q]\n    set_weight = %d\n    action = \"accept\"\n", edge.Loopback(n), weight)
		}
		return config
	}
	weights := func(two, three int) {
		t.Helper()
		lab.WaitFor(t, fmt.Sprintf("PE 2 has the share %d, and PE 3 has %d", two, three), lab.Patience, func() string {
			route := tenant.IP("route", "show", service)
			for n, weight := range map[int]int{2: two, 3: three} {
				if !regexp.MustCompile(fmt.Sprintf(`via (inet6 )?fe80::aff:%d:\S+ dev \S+ weight %d\b`, n, weight)).MatchString(route) {
					return route
				}
			}
			return ""
		})
		one.Tenants["red"].Host.WaitPing("", service)
	}
	weights(1, 1)
	for _, share := range [][2]int{{3, 1}, {1, 4}} {
		one.Daemon.Reload(shared(share[0], share[1]))
		weights(share[0], share[1])
	}
}

// leads tells whether the routes of a prefix lead by a gateway.
func leads(routes, prefix, gateway string) bool {
	for _, line := range strings.Split(routes, "\n") {
		if strings.HasPrefix(line, prefix) && strings.Contains(line, gateway) {
			return true
		}
	}
	return false
}

// TestSecondUnderlay: the core has a second link; when the first one goes, packets go on by the
// other, and nothing is written in the tenant.
func TestSecondUnderlay(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2)
	one, two := m.PEs[0], m.PEs[1]
	m.Subnet(one.Core, "core2", m.P, "d1", "10.1.1.1/24")
	m.start()
	m.Reach("red", one, two)
	mark := one.Tenants["red"].NS.Mark()
	pulse := m.Pulse()
	pulse.Between(one.Tenants["red"].Host, edge.Host(2, false))
	m.P.IP("route", "replace", edge.Loopback(1)+"/32", "via", "10.1.1.1")
	one.Core.IP("route", "replace", "10.255.0.0/24", "via", "10.1.1.2", "src", edge.Loopback(1))
	one.Core.IP("link", "set", "core", "down")
	pulse.Lasts(2 * time.Second)
	pulse.EndWhole()
	for _, ev := range one.Tenants["red"].NS.Since(mark) {
		t.Errorf("in the tenant: %v", ev)
	}
}

// TestTenantGoes: a VRF that leaves the configuration takes its routes and its device along, and
// the other tenant notices nothing; a namespace that is deleted and made anew gets a device again.
func TestTenantGoes(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2)
	m.start()
	one, two := m.PEs[0], m.PEs[1]
	m.Reach("red", one, two)
	m.Reach("blue", one, two)
	config := one.Config(edge.Loopback(2))
	from := strings.Index(config, "[[netlink.vrfs]]\n  name = \"red\"")
	rest := config[from+1:]
	if next := strings.Index(rest, "[[netlink.vrfs]]"); next >= 0 {
		rest = rest[next:]
	} else {
		rest = ""
	}
	pulse := m.Pulse()
	pulse.Between(one.Tenants["blue"].Host, edge.Host(2, false))
	one.Daemon.Reload(config[:from] + rest)
	lab.WaitFor(t, "the device and the routes of red are gone", 2*lab.Patience, func() string {
		if out, err := one.Tenants["red"].NS.TryIP("link", "show", "dev", "vx100"); err == nil {
			return out
		}
		return strings.Join(one.Tenants["red"].NS.Own(lab.Main), "\n")
	})
	lab.WaitEqual(t, "the other PE's routes of red", nil, func() []string {
		var left []string
		for _, r := range two.Tenants["red"].NS.Own(lab.Main) {
			if strings.HasPrefix(r, "10.1.") {
				left = append(left, r)
			}
		}
		return left
	})
	pulse.EndWhole()
	one.Daemon.Reload(config)
	m.Reach("red", one, two)
}

// TestPEChanges: a PE that gets another VNI for a tenant, or another address in the core, with the
// MAC address that it had, is reached as before.
func TestPEChanges(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2)
	m.start()
	one, two := m.PEs[0], m.PEs[1]
	config, source := two.Config(edge.Loopback(1)), fmt.Sprintf("source = %q", edge.Loopback(2))
	const other = "10.255.0.77"
	two.Core.Address("lo", other+"/32")
	m.P.IP("route", "add", other+"/32", "via", "10.0.2.1")
	for _, c := range []struct{ old, now, leads string }{
		{"", "", "encap vxlan 100 to " + edge.Loopback(2)},
		{"vni = 100", "vni = 150", "encap vxlan 150 to " + edge.Loopback(2)},
		{source, fmt.Sprintf("source = %q", other), "encap vxlan 100 to " + other},
		{"", "", "encap vxlan 100 to " + edge.Loopback(2)},
	} {
		two.Daemon.Reload(strings.Replace(config, c.old, c.now, 1))
		lab.WaitFor(t, "a packet for red goes by "+c.leads, lab.Patience, func() string {
			if out := one.Daemon.Do("explain", "10.2.0.0/24", "--vrf", "red"); !strings.Contains(out, c.leads) {
				return out
			}
			return ""
		})
		m.Reach("red", one, two)
		m.Reach("blue", one, two)
	}
}
