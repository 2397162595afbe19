package devices_test

import (
	"fmt"
	"net/netip"
	"sort"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// fleet is a router with many VRFs, one of them the subject of a test, and an
// upstream router (FRR's bgpd) that sends every VRF one prefix of its own, one
// that all have, and a blackhole.
type fleet struct {
	*lab.Lab
	rtr, up *lab.Namespace
	peer    *lab.FRR
	daemon  *lab.Daemon
	members []*member
}

// member is one VRF: a device in a namespace.
type member struct {
	ns     *lab.Namespace
	name   string
	number int // in addresses, RD and route target
	made   int // the table with which the daemon makes the device, with the member's interface; 0: others make it
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	l := newLab(t)
	f := &fleet{Lab: l, rtr: l.Namespace("rtr"), up: l.Namespace("up")}
	l.Subnet(f.rtr, "eth0", f.up, "eth0", "10.0.0.1/24")
	return f
}

func (f *fleet) add(ns *lab.Namespace, name string) *member {
	m := &member{ns: ns, name: name, number: len(f.members) + 1}
	f.members = append(f.members, m)
	return m
}

// lan gives the VRF an interface, a dummy, and puts it into a device.
func (m *member) lan(master string) []string {
	dev := m.dev()
	return []string{
		"link add " + dev + " type dummy",
		fmt.Sprintf("link set %s master %s up", dev, master),
		"addr add 192.168.1.1/24 dev " + dev,
		fmt.Sprintf("addr add 2001:db8:%x::1/64 dev %s nodad", m.number, dev),
	}
}

func (m *member) dev() string { return fmt.Sprintf("lan%d", m.number) }
func (m *member) rt() string  { return fmt.Sprintf("65000:%d", m.number) }

// own and shared are the prefixes that the upstream router sends for a VRF; all
// VRFs have the shared ones, and the nexthop 192.168.1.2, but each its own lan.
func (m *member) own4() string  { return fmt.Sprintf("172.20.%d.0/24", m.number) }
func (m *member) own6() string  { return fmt.Sprintf("2001:db8:20%02x::/64", m.number) }
func (m *member) hole() string  { return fmt.Sprintf("172.21.%d.0/24", m.number) }
func (m *member) next6() string { return fmt.Sprintf("2001:db8:%x::2", m.number) }
func (m *member) routes() []string {
	return []string{
		fmt.Sprintf("%s via 192.168.1.2 dev %s metric 20", m.own4(), m.dev()),
		fmt.Sprintf("172.30.0.0/16 via 192.168.1.2 dev %s metric 20", m.dev()),
		fmt.Sprintf("%s via %s dev %s metric 20", m.own6(), m.next6(), m.dev()),
		"blackhole " + m.hole() + " metric 20",
	}
}

// start starts the upstream router and the daemon.
func (f *fleet) start() {
	f.T.Helper()
	var maps, four, six strings.Builder
	for _, m := range f.members {
		k := m.number
		fmt.Fprintf(&maps, "route-map P%d permit 10\n set extcommunity rt %s\n set ipv4 vpn next-hop 192.168.1.2\n", k, m.rt())
		fmt.Fprintf(&maps, "route-map H%d permit 10\n set extcommunity rt %s\n set ipv4 vpn next-hop 192.168.1.2\n set community 65535:666\n", k, m.rt())
		fmt.Fprintf(&maps, "route-map Q%d permit 10\n set extcommunity rt %s\n set ipv6 vpn next-hop %s\n", k, m.rt(), m.next6())
		fmt.Fprintf(&four, "  network %s rd 65100:%d label 100 route-map P%d\n", m.own4(), k, k)
		fmt.Fprintf(&four, "  network 172.30.0.0/16 rd 65100:%d label 100 route-map P%d\n", k, k)
		fmt.Fprintf(&four, "  network %s rd 65100:%d label 100 route-map H%d\n", m.hole(), k, k)
		fmt.Fprintf(&six, "  network %s rd 65100:%d label 100 route-map Q%d\n", m.own6(), k, k)
	}
	f.peer = f.up.FRR(`frr defaults traditional
` + maps.String() + `router bgp 65100
 bgp router-id 10.0.0.2
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor 10.0.0.1 remote-as 65000
 neighbor 10.0.0.1 timers connect 1
 address-family ipv4 vpn
  neighbor 10.0.0.1 activate
  neighbor 10.0.0.1 attribute-unchanged next-hop
` + four.String() + ` exit-address-family
 address-family ipv6 vpn
  neighbor 10.0.0.1 activate
  neighbor 10.0.0.1 attribute-unchanged next-hop
` + six.String() + ` exit-address-family
`)
	f.daemon = f.rtr.Daemon(f.file(f.members...))
	f.peer.WaitEstablished("10.0.0.1")
}

// file is a configuration of the daemon with the VRFs of these members.
func (f *fleet) file(members ...*member) string {
	var vrfs strings.Builder
	for _, m := range members {
		if m.made != 0 {
			vrfs.WriteString("[netlink]\n  manage_devices = true\n")
			break
		}
	}
	for _, m := range members {
		netns, made := "", ""
		if m.ns != f.rtr {
			netns = fmt.Sprintf("  netns = %q\n", m.ns.Name)
		}
		if m.made != 0 {
			made = fmt.Sprintf("  table = %d\n  interfaces = [%q]\n", m.made, m.dev())
		}
		vrf := fmt.Sprintf("%s-%s", m.ns.Role, m.name)
		fmt.Fprintf(&vrfs, "\n[[vrfs]]\n  [vrfs.config]\n    name = %q\n    rd = %q\n    both-rt-list = [%q]\n", vrf, m.rt(), m.rt())
		fmt.Fprintf(&vrfs, "[[netlink.vrfs]]\n  name = %q\n%s  device = %q\n%s  [netlink.vrfs.import]\n    enabled = true\n    interface_list = [\"lan*\"]\n"+
			"  [netlink.vrfs.export]\n    enabled = true\n    accept_blackhole = true\n", vrf, netns, m.name, made)
	}
	return `
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
` + vrfs.String()
}

// wait waits until a table has the member's routes, and no other of the daemon's.
func (m *member) wait(table int) { m.ns.WaitOwn(table, m.routes()...) }

// announced waits until the upstream router has exactly the lans of these.
func (f *fleet) announced(members ...*member) {
	f.T.Helper()
	four, six := []string{}, []string{}
	for _, m := range members {
		four = append(four, m.rt()+" 192.168.1.0/24 med 0")
		six = append(six, fmt.Sprintf("%s 2001:db8:%x::/64 med 256", m.rt(), m.number))
	}
	sort.Strings(four)
	sort.Strings(six)
	lab.WaitEqual(f.T, "what the upstream router has of IPv4", four, func() []string { return f.peer.VPN("ipv4", "10.0.0.1") })
	lab.WaitEqual(f.T, "what the upstream router has of IPv6", six, func() []string { return f.peer.VPN("ipv6", "10.0.0.1") })
}

// atHome is the assertion over all that ever happened: each route of the daemon
// was written into the table that its VRF's device had at that moment.
func (f *fleet) atHome() {
	f.T.Helper()
	written := 0
	seen := map[*lab.Namespace]bool{}
	for _, m := range f.members {
		if seen[m.ns] {
			continue
		}
		seen[m.ns] = true
		for _, e := range m.ns.Since(0) {
			if e.Deleted {
				continue
			}
			written++
			if !f.owns(m.ns, e) {
				f.T.Errorf("in %s: %v was written into table %d, which the VRF device %q has", m.ns.Role, e.Prefix, e.Table, e.Device)
			}
		}
	}
	if written < 4*len(f.members) {
		f.T.Errorf("only %d routes of the daemon were seen being written", written)
	}
}

func (f *fleet) owns(ns *lab.Namespace, e lab.Event) bool {
	for _, m := range f.members {
		if m.ns != ns {
			continue
		}
		for _, p := range []string{m.own4(), m.own6(), m.hole(), "172.30.0.0/16"} {
			if e.Prefix != netip.MustParsePrefix(p) {
				continue
			}
			if e.Device == m.name {
				return true
			}
		}
	}
	return false
}

// only asserts how many routes of the daemon all tables of a namespace have.
func (f *fleet) only(ns *lab.Namespace, routes int) {
	f.T.Helper()
	lab.Equal(f.T, "routes of the daemon in all tables of "+ns.Role, routes, len(ns.OwnEverywhere()))
}

// The life of a VRF device, and of an interface in it. A second VRF stands
// beside it, in the same namespace, and notices nothing.
func TestDeviceLife(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	red, blue := f.add(f.rtr, "red"), f.add(f.rtr, "blue")
	f.rtr.Batch(append([]string{"link add blue type vrf table 1002", "link set blue up"}, blue.lan("blue")...)...)

	t.Log("made after the daemon has started, with a table over 255")
	f.start()
	blue.wait(1002)
	f.announced(blue)
	f.only(f.rtr, 4)
	f.rtr.Batch(append([]string{"link add red type vrf table 1001", "link set red up"}, red.lan("red")...)...)
	red.wait(1001)
	f.announced(red, blue)
	f.only(f.rtr, 8)

	t.Log("the interface is released, and enslaved again")
	f.rtr.IP("link", "set", "lan1", "nomaster")
	f.rtr.WaitOwn(1001, red.routes()[3]) // the blackhole needs no interface
	f.announced(blue)
	f.rtr.Batch("link set lan1 master red", "addr replace 2001:db8:1::1/64 dev lan1 nodad")
	red.wait(1001)
	f.announced(red, blue)

	t.Log("the interface moves to the other VRF, which has the same subnet")
	f.rtr.IP("link", "set", "lan2", "down") // one of the two is enough
	f.rtr.WaitOwn(1002, blue.routes()[3])
	f.rtr.IP("link", "set", "lan1", "master", "blue")
	f.rtr.WaitOwn(1001, red.routes()[3])
	f.rtr.WaitOwn(1002, strings.ReplaceAll(blue.routes()[0], "lan2", "lan1"), strings.ReplaceAll(blue.routes()[1], "lan2", "lan1"), blue.routes()[3])
	f.rtr.Batch("link set lan1 master red", "addr replace 2001:db8:1::1/64 dev lan1 nodad",
		"link set lan2 up", "addr replace 2001:db8:2::1/64 dev lan2 nodad")
	red.wait(1001)
	blue.wait(1002)
	f.announced(red, blue)
	quiet := f.rtr.Mark()

	t.Log("deleted: the routes go, the blackhole too")
	f.rtr.IP("link", "del", "red")
	f.rtr.WaitOwn(1001)
	f.announced(blue)
	f.only(f.rtr, 4)

	t.Log("made again with another table")
	f.rtr.Batch("link add red type vrf table 70000", "link set red up", "link set lan1 master red",
		"addr replace 2001:db8:1::1/64 dev lan1 nodad")
	red.wait(70000)
	f.announced(red, blue)
	f.only(f.rtr, 8)

	t.Log("renamed: it is no longer the VRF's, until it has the name again")
	f.rtr.Batch("link set red down", "link set red name crimson", "link set crimson up")
	f.rtr.WaitOwn(70000)
	f.announced(blue)
	f.only(f.rtr, 4)
	f.rtr.Batch("link set crimson down", "link set crimson name red", "link set red up",
		"addr replace 2001:db8:1::1/64 dev lan1 nodad")
	red.wait(70000)
	f.announced(red, blue)

	for _, e := range f.rtr.Since(quiet) {
		if e.Device == "blue" {
			t.Errorf("the other VRF's routes changed meanwhile: %+v", e)
		}
	}
	f.atHome()
}

// Ten VRFs in each of three namespaces, all with the same nexthop and one prefix
// in common, under one daemon.
func TestThirtyDevices(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	spaces := []*lab.Namespace{f.rtr, f.Namespace("second"), f.Namespace("third")}
	table := map[*member]int{}
	for i, ns := range spaces {
		var lines []string
		for k := range 10 {
			m := f.add(ns, fmt.Sprintf("vrf%d", k))
			table[m] = 100*(i+1) + 1000*k // the same numbers stand for others elsewhere
			if k == 0 {
				table[m] = 100 // one that all namespaces have
			}
			lines = append(lines, fmt.Sprintf("link add %s type vrf table %d", m.name, table[m]), "link set "+m.name+" up")
			lines = append(lines, m.lan(m.name)...)
		}
		ns.Batch(lines...)
	}
	f.start()
	all := map[*lab.Namespace][]string{}
	for m, where := range table {
		for _, r := range m.routes() {
			all[m.ns] = append(all[m.ns], fmt.Sprintf("table %d: %s", where, r))
		}
	}
	for _, ns := range spaces {
		sort.Strings(all[ns])
		lab.WaitEqual(t, "routes of the daemon in all tables of "+ns.Role, all[ns], ns.OwnEverywhere)
	}
	f.announced(f.members...)

	t.Log("one device goes and comes back: its VRF's routes alone go and come")
	gone := f.members[14]
	marks := map[*lab.Namespace]int{f.rtr: f.rtr.Mark(), spaces[2]: spaces[2].Mark()}
	gone.ns.IP("link", "del", gone.name)
	gone.ns.WaitOwn(table[gone])
	f.only(gone.ns, 36)
	gone.ns.Batch(fmt.Sprintf("link add %s type vrf table 4000000", gone.name), "link set "+gone.name+" up",
		fmt.Sprintf("link set %s master %s", gone.dev(), gone.name), fmt.Sprintf("addr replace 2001:db8:%x::1/64 dev %s nodad", gone.number, gone.dev()))
	gone.wait(4000000)
	f.announced(f.members...)
	for ns, mark := range marks {
		lab.Equal(t, "what happened in "+ns.Role+" meanwhile", 0, len(ns.Since(mark)))
	}
	f.atHome()
}
