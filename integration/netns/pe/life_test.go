package pe_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestDeviceChanges: a VXLAN device that flaps, gets another MAC address or loses what leads to
// another PE is put right, and so is one that is deleted.
func TestDeviceChanges(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2)
	m.start()
	one, two := m.pes[0], m.pes[1]
	m.reach("red", one, two)
	tenant, mac := one.tenants["red"], one.mac(t, "red")
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
		{"no forwarding entry", func() { one.bridge(t, "red", "fdb", "del", two.mac(t, "red"), "dev", "vx100", "dst", vtep(2), "self") }},
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
		m.reach("red", one, two)
		m.reach("red", two, one)
		if got := one.mac(t, "red"); got != mac {
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
	one, two := m.pes[0], m.pes[1]
	m.reach("red", one, two)
	mac := two.mac(t, "red")
	one.bridge(t, "red", "fdb", "replace", mac, "dev", "vx100", "dst", "10.255.0.77", "self", "permanent")
	lab.WaitFor(t, "the routes to the other PE are unresolved", lab.Patience, func() string {
		for _, r := range one.daemon.RouteStates("export", "--vrf", "red") {
			if strings.HasPrefix(r.Prefix, "10.2.") && (r.State != "unresolved" || !strings.Contains(r.Reason, "10.255.0.77")) {
				return r.Prefix + " is " + r.State + ": " + r.Reason
			}
		}
		return strings.Join(one.tenants["red"].Own(lab.Main), "\n")
	})
	if out := one.bridge(t, "red", "fdb", "show", "dev", "vx100"); !strings.Contains(out, "10.255.0.77") {
		t.Errorf("the other program's entry is gone: %s", out)
	}
	one.bridge(t, "red", "fdb", "del", mac, "dev", "vx100", "dst", "10.255.0.77", "self")
	m.reach("red", one, two)
}

// bridge runs bridge in the namespace of a tenant.
func (pe *machine) bridge(t *testing.T, name string, args ...string) string {
	t.Helper()
	out, err := pe.tenants[name].Run("bridge", args...)
	if err != nil {
		t.Fatalf("bridge %v: %v: %s", args, err, out)
	}
	return out
}

// TestPELost: two PEs announce a prefix, and packets go to both; when the core does not reach the
// one any more, all go to the other by one message, and come back with it.
func TestPELost(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 3)
	const service = "10.9.0.1"
	for _, pe := range m.pes[1:] {
		pe.hosts["red"].Address("lo", service+"/32")
		pe.tenants["red"].IP("route", "add", service+"/32", "via", host(pe.n, false))
	}
	one := m.pes[0]
	for _, n := range []int{2, 3} { // as an IGP would
		one.core.IP("route", "add", vtep(n)+"/32", "via", "10.0.1.2", "src", vtep(1))
	}
	one.core.IP("route", "del", "10.255.0.0/24")
	m.start()
	tenant := one.tenants["red"]
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
	one.hosts["red"].WaitPing("", service)
	one.core.IP("route", "del", vtep(2)+"/32")
	ways(3)
	one.hosts["red"].WaitPing("", service)
	one.core.IP("route", "add", vtep(2)+"/32", "via", "10.0.1.2", "src", vtep(1))
	ways(2, 3)
	one.core.IP("route", "add", "blackhole", vtep(3)+"/32", "metric", "1")
	one.core.IP("route", "del", vtep(3)+"/32", "via", "10.0.1.2")
	ways(2)
	one.hosts["red"].WaitPing("", service)
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
	one, two := m.pes[0], m.pes[1]
	m.Subnet(one.core, "core2", m.p, "d1", "10.1.1.1/24")
	m.start()
	m.reach("red", one, two)
	mark := one.tenants["red"].Mark()
	p := ping(one.hosts["red"], host(2, false))
	m.p.IP("route", "replace", vtep(1)+"/32", "via", "10.1.1.1")
	one.core.IP("route", "replace", "10.255.0.0/24", "via", "10.1.1.2", "src", vtep(1))
	one.core.IP("link", "set", "core", "down")
	seen := p.sent.Load() + 20
	lab.WaitFor(t, "two seconds have passed", lab.Patience, func() string {
		if p.sent.Load() < seen {
			return "not yet"
		}
		return ""
	})
	p.end(t, "while the underlay moves")
	for _, ev := range one.tenants["red"].Since(mark) {
		t.Errorf("in the tenant: %v", ev)
	}
}

// TestTenantGoes: a VRF that leaves the configuration takes its routes and its device along, and
// the other tenant notices nothing; a namespace that is deleted and made anew gets a device again.
func TestTenantGoes(t *testing.T) {
	t.Parallel()
	m := newMachines(t, 2)
	m.start()
	one, two := m.pes[0], m.pes[1]
	m.reach("red", one, two)
	m.reach("blue", one, two)
	config := m.config(one, vtep(2))
	from := strings.Index(config, "[[netlink.vrfs]]\n  name = \"red\"")
	rest := config[from+1:]
	if next := strings.Index(rest, "[[netlink.vrfs]]"); next >= 0 {
		rest = rest[next:]
	} else {
		rest = ""
	}
	p := ping(one.hosts["blue"], host(2, false))
	one.daemon.Reload(config[:from] + rest)
	lab.WaitFor(t, "the device and the routes of red are gone", 2*lab.Patience, func() string {
		if out, err := one.tenants["red"].TryIP("link", "show", "dev", "vx100"); err == nil {
			return out
		}
		return strings.Join(one.tenants["red"].Own(lab.Main), "\n")
	})
	lab.WaitEqual(t, "the other PE's routes of red", nil, func() []string {
		var left []string
		for _, r := range two.tenants["red"].Own(lab.Main) {
			if strings.HasPrefix(r, "10.1.") {
				left = append(left, r)
			}
		}
		return left
	})
	p.end(t, "blue, while red goes")
	one.daemon.Reload(config)
	m.reach("red", one, two)
}
