package devices_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// loose gives the member its interface, which is in no VRF device yet. Its IPv6 address is one that the
// kernel takes away when the interface is enslaved: see settle.
func (m *member) loose() []string {
	dev := m.dev()
	return []string{"link add " + dev + " type dummy", "link set " + dev + " up", "addr add 192.168.1.1/24 dev " + dev}
}

// settled waits until the member's interface is in its device, and gives it its IPv6 address then.
func (m *member) settled(t *testing.T) {
	t.Helper()
	lab.WaitFor(t, m.dev()+" is in "+m.name, lab.Patience, func() string {
		if shown, err := m.ns.TryIP("link", "show", m.dev()); err != nil || !strings.Contains(shown, "master "+m.name+" ") {
			return shown
		}
		return ""
	})
	m.ns.IP("addr", "replace", fmt.Sprintf("2001:db8:%x::1/64", m.number), "dev", m.dev(), "nodad")
}

// standing waits until the table that the daemon made has the member's routes and its ends.
func (m *member) standing(table int) {
	const end = "unreachable default metric 4278198272"
	m.ns.WaitOwn(table, append(m.routes(), end, end)...)
}

// device is how ip shows a device with its index; "": it is not there.
func (m *member) device() string {
	shown, err := m.ns.TryIP("-d", "link", "show", m.name)
	if err != nil {
		return ""
	}
	return shown
}

// wantMade fails where the daemon's device is not as it has to be.
func (m *member) wantMade(t *testing.T) {
	t.Helper()
	shown := m.device()
	for _, want := range []string{"UP", fmt.Sprintf("vrf table %d", m.made), fmt.Sprintf("alias vrfredist-device:%s-%s", m.ns.Role, m.name)} {
		if !strings.Contains(shown, want) {
			t.Errorf("without %q:\n%s", want, shown)
		}
	}
	for _, family := range []string{"-4", "-6"} {
		ends := m.ns.IP(family, "route", "show", "table", fmt.Sprint(m.made), "type", "unreachable")
		if !strings.Contains(ends, "default") || !strings.Contains(ends, "metric 4278198272") {
			t.Errorf("table %d does not end in %s:\n%s", m.made, family, ends)
		}
		if rules := m.ns.IP(family, "rule", "show"); !strings.Contains(rules, "[l3mdev-table]") {
			t.Errorf("no rule leads to VRF devices:\n%s", rules)
		}
	}
}

// waitState waits until a VRF is in a state, with a reason in which something is said.
func (f *fleet) waitState(m *member, state, reason string) {
	f.T.Helper()
	lab.WaitFor(f.T, fmt.Sprintf("VRF %s-%s is %s", m.ns.Role, m.name, state), lab.Patience, func() string {
		var is struct{ State, Reason string }
		f.daemon.JSON(&is, "vrf", m.ns.Role+"-"+m.name)
		if is.State != state || !strings.Contains(is.Reason, reason) {
			return fmt.Sprintf("%+v", is)
		}
		return ""
	})
}

// TestMadeDevices: devices are made from nothing, in two namespaces; routes stand over kill -9 without
// one being written; what is deleted or taken out by hand comes back; and of VRFs that go the devices go,
// with a daemon that runs and after one that was killed.
func TestMadeDevices(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	second := f.Namespace("second")
	red, blue := f.add(f.rtr, "red"), f.add(second, "blue")
	red.made, blue.made = 1001, 70000
	f.rtr.Batch(red.loose()...)
	second.Batch(blue.loose()...)
	f.rtr.Batch("link add own type vrf table 5", "link set own up") // another program's
	own := f.rtr.IP("-d", "link", "show", "own")

	t.Log("from nothing")
	f.start()
	for _, m := range f.members {
		m.settled(t)
		m.standing(m.made)
		m.wantMade(t)
	}
	f.announced(red, blue)

	t.Log("kill -9: the next run adopts the devices, and nothing is written")
	was, marks := []string{red.device(), blue.device()}, []int{f.rtr.Mark(), second.Mark()}
	f.daemon.Kill()
	f.daemon.Start()
	f.peer.WaitEstablished("10.0.0.1")
	f.announced(red, blue)
	f.waitState(red, "ready", "")
	f.waitState(blue, "ready", "")
	lab.Equal(t, "the devices after it", was, []string{red.device(), blue.device()})
	lab.Equal(t, "what was written meanwhile", 0, len(f.rtr.Since(marks[0]))+len(second.Since(marks[1])))

	t.Log("the interface is taken out, the device and the rule are deleted")
	f.rtr.IP("link", "set", "lan1", "nomaster")
	red.settled(t)
	red.standing(1001)
	f.rtr.IP("link", "del", "red")
	red.settled(t)
	red.standing(1001)
	red.wantMade(t)
	second.IP("-6", "rule", "del", "l3mdev", "pref", "1000")
	lab.WaitFor(t, "the rule is back", lab.Patience, func() string {
		if rules := second.IP("-6", "rule", "show"); !strings.Contains(rules, "[l3mdev-table]") {
			return rules
		}
		return ""
	})

	t.Log("another table")
	red.made = 1002
	f.daemon.Reload(f.file(red, blue))
	red.settled(t)
	red.standing(1002)
	red.wantMade(t)
	lab.Equal(t, "routes of the daemon in the old table", "", strings.TrimSpace(f.rtr.IP("route", "show", "table", "1001")))

	t.Log("a VRF goes: its device with it, and no other")
	f.daemon.Reload(f.file(blue))
	lab.WaitEqual(t, "the device of the VRF that went", "", red.device)
	if shown := f.rtr.IP("link", "show", "lan1"); strings.Contains(shown, "master") {
		t.Errorf("its interface is not let go:\n%s", shown)
	}
	blue.standing(70000)

	t.Log("the other goes while the daemon does not run")
	f.daemon.Kill()
	f.daemon.Write(f.file())
	f.daemon.Start()
	lab.WaitEqual(t, "the device of the VRF that went", "", blue.device)
	lab.Equal(t, "the device of another program", own, f.rtr.IP("-d", "link", "show", "own"))
}

// TestMadeBesideOthers: a device that another program made is used where its table is the one that is
// wanted, is said to be in the way otherwise, and never touched; interfaces that come later are enslaved.
func TestMadeBesideOthers(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	red, blue := f.add(f.rtr, "red"), f.add(f.rtr, "blue")
	red.made, blue.made = 1001, 1002
	f.rtr.Batch("link add red type vrf table 7", "link set red up", "link add blue type vrf table 1002", "link set blue up")
	f.rtr.Batch(blue.lan("blue")...)
	theirs := []string{red.device(), blue.device()}
	f.start()
	blue.wait(1002)
	f.waitState(red, "pending", "has table 7 where the configuration says 1001")
	lab.Equal(t, "the devices of another program", theirs, []string{red.device(), blue.device()})

	t.Log("it is removed: the daemon's takes its place, and waits for its interface")
	f.rtr.IP("link", "del", "red")
	f.waitState(red, "degraded", "3 unresolved")
	red.wantMade(t)
	f.rtr.Batch(red.loose()...)
	red.settled(t)
	red.standing(1001)
	f.announced(red, blue)

	t.Log("both go: what another program made stays")
	f.daemon.Reload(f.file())
	lab.WaitEqual(t, "the device of the VRF that went", "", red.device)
	lab.Equal(t, "the device of another program", theirs[1], blue.device())
}

// TestMadeByCommand: a VRF that is applied over the API has its device made, `plan` and `vrf` say so, and
// what goes with it is gone when it is deleted.
func TestMadeByCommand(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	rtr := l.Namespace("rtr")
	rtr.Batch("link add lan1 type dummy", "link set lan1 up")
	d := rtr.Daemon("\n[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n  port = -1\n[netlink]\n  manage_devices = true\n")
	red := &member{ns: rtr, name: "red", number: 1, made: 1001}
	add := []string{"vrf", "add", "rtr-red", "--rd", "65000:1", "--rt", "65000:1", "--device", "red", "--interfaces", "lan1", "--import", "lan*", "--table"}
	if out := d.Do(append(add, "1001", "--dry-run")...); !strings.Contains(out, "the VRF device red, table 1001 is made in the daemon's own namespace") {
		t.Errorf("the plan:\n%s", out)
	}
	if shown := red.device(); shown != "" {
		t.Errorf("a plan made\n%s", shown)
	}
	d.Do(append(add, "1001")...)
	red.settled(t)
	red.wantMade(t)
	if out := d.Do("vrf", "rtr-red"); !strings.Contains(out, "red, made here, table 1001, with lan1") {
		t.Errorf("the VRF:\n%s", out)
	}
	if out := d.Do("config", "--vrf", "rtr-red"); !strings.Contains(out, `interfaces = ["lan1"]`) || !strings.Contains(out, "table = 1001") {
		t.Errorf("its configuration:\n%s", out)
	}
	if out, err := d.Try("vrf", "add", "blue", "--rd", "65000:2", "--device", "blue", "--table", "1002", "--interfaces", "lan1"); err == nil || !strings.Contains(out, `has "lan1", which VRF "blue" has too`) {
		t.Errorf("one interface in two VRFs: %v, %s", err, out)
	}
	d.Do("vrf", "delete", "rtr-red") // which answers when all is gone
	lab.Equal(t, "the device of the VRF that went", "", red.device())
	if shown := rtr.IP("link", "show", "lan1"); strings.Contains(shown, "master") {
		t.Errorf("its interface is not let go:\n%s", shown)
	}
}

// TestMadeForTenants: each namespace that matches a template has its device, and another one of that name
// has it anew.
func TestMadeForTenants(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	rtr := l.Namespace("rtr")
	tenant := l.Bare("tenant")
	d := rtr.Daemon(fmt.Sprintf("\n[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n  port = -1\n[netlink]\n  manage_devices = true\n"+
		"[[netlink.templates]]\n  name = \"t\"\n  netns = \"%s*\"\n  device = \"blue\"\n  table = \"{id}\"\n  interfaces = [\"lan1\"]\n  rd = \"65000:{id}\"\n  ids = \"1001-1009\"\n"+
		"  [netlink.templates.import]\n    enabled = true\n    interface_list = [\"*\"]\n", tenant.Name))
	blue := &member{ns: tenant, name: "blue", number: 1, made: 1001}
	for range 2 {
		tenant.Make()
		tenant.Batch("link add lan1 type dummy", "link set lan1 up")
		blue.settled(t)
		lab.WaitFor(t, "the tenant is ready", lab.Patience, func() string {
			if out, err := d.Try("vrf", tenant.Name); err != nil || !strings.Contains(out, "ready since") {
				return out
			}
			return ""
		})
		if shown := blue.device(); !strings.Contains(shown, "vrf table 1001") || !strings.Contains(shown, "alias vrfredist-device:"+tenant.Name) {
			t.Errorf("its device:\n%s", shown)
		}
		tenant.Delete()
		lab.WaitFor(t, "the tenant goes", lab.Patience, func() string {
			if out := d.Do("vrf"); strings.Contains(out, tenant.Name) {
				return out
			}
			return ""
		})
	}
}

// TestMadeKeepsPackets: a host behind a device that the daemon made loses no packet to it over kill -9 and
// the next start.
func TestMadeKeepsPackets(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	lab.Need(t, "ping")
	rtr, cust := l.Namespace("rtr"), l.Namespace("cust")
	l.Link(rtr, "lan1", cust, "eth0")
	cust.Address("eth0", "192.168.1.2/24")
	rtr.Address("lan1", "192.168.1.1/24")
	d := rtr.Daemon("\n[global.config]\n  as = 65000\n  router-id = \"10.0.0.1\"\n  port = -1\n[netlink]\n  manage_devices = true\n" +
		"[[vrfs]]\n  [vrfs.config]\n    name = \"rtr-red\"\n    rd = \"65000:1\"\n[[netlink.vrfs]]\n  name = \"rtr-red\"\n  device = \"red\"\n  table = 1001\n  interfaces = [\"lan1\"]\n" +
		"  [netlink.vrfs.import]\n    enabled = true\n    interface_list = [\"*\"]\n")
	red := &member{ns: rtr, name: "red", number: 1, made: 1001}
	red.settled(t)
	cust.WaitPing("192.168.1.2", "192.168.1.1")
	ping := cust.Start("ping", "ping", "-i", "0.02", "-c", "250", "-W", "5", "192.168.1.1")
	d.Kill()
	d.Start()
	red.wantMade(t)
	if err := ping.Wait(3 * lab.Patience); err != nil {
		t.Errorf("ping: %v", err)
	}
	if !strings.Contains(ping.Output(), "250 received, 0% packet loss") {
		t.Errorf("it lost packets:\n%s", ping.Output())
	}
}
