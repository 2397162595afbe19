package netns_test

import (
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// frrOnLink is an FRR that has a neighbour by its interface alone, with a route of each
// family.
const frrOnLink = `
frr defaults traditional
router bgp 65001
 bgp router-id 192.0.2.1
 no bgp ebgp-requires-policy
 no bgp network import-check
 neighbor eth0 interface remote-as external
 neighbor eth0 timers 3 9
 neighbor eth0 timers connect 1
 address-family ipv4 unicast
  network 10.2.0.0/16
 exit-address-family
 address-family ipv6 unicast
  neighbor eth0 activate
  network 2001:db8:2::/48
 exit-address-family
`

// TestRouterAdvertisements: FRR, which learns a neighbour on an interface from its router
// advertisements alone, finds us by ours, and both families go both ways over the session
// (RFC 8950). Nobody has an IPv4 address on the link.
func TestRouterAdvertisements(t *testing.T) {
	t.Parallel()
	l := newLab(t, frr, "vtysh")
	dut, p := l.Namespace("dut"), l.Namespace("p")
	l.Link(dut, "eth0", p, "eth0")
	l.Link(dut, "lan0", p, "lan0")
	dut.Address("lan0", "2001:db8:7::1/64", "10.7.0.1/24")
	dut.Sysctl("ipv6.conf.all.forwarding", "1")
	p.Sysctl("ipv6.conf.all.forwarding", "1")
	peer := p.Router(frrOnLink)
	without := linkGlobal + linkNeighbor("eth0", 65001) + defaultTable
	with := linkGlobal + linkNeighbor("eth0", 65001, "router_advertisements = true") + defaultTable
	d := dut.Daemon(with)
	far := p.LinkLocal("eth0")
	dut.WaitOwn(lab.Main, "10.2.0.0/16 via "+far+" dev eth0 metric 20", "2001:db8:2::/48 via "+far+" dev eth0 metric 20")
	own := dut.LinkLocal("eth0")
	for _, prefix := range []string{"10.7.0.0/24", "2001:db8:7::/64"} {
		family := map[bool]string{true: "ipv4", false: "ipv6"}[strings.Contains(prefix, ".")]
		lab.WaitFor(t, prefix+" at the neighbour", lab.Patience, func() string {
			if out := peer.Ask("show bgp " + family + " unicast " + prefix); !strings.Contains(out, own) {
				return out
			}
			return ""
		})
		// In its kernel, by our address and nobody else's.
		lab.WaitFor(t, prefix+" in the neighbour's table", lab.Patience, func() string {
			family := map[bool]string{true: "-4", false: "-6"}[strings.Contains(prefix, ".")]
			if out := p.IP(family, "route", "show", prefix); !strings.Contains(out, own) {
				return "it has " + out
			}
			return ""
		})
	}

	// As FRR's own: every ten seconds, with the link-layer address.
	said := lab.ListenForAdverts(p, "eth0")
	lab.WaitFor(t, "two advertisements more", 2*lab.Patience, func() string {
		if len(said.From(own)) < 2 {
			return "heard " + said.String()
		}
		return ""
	})
	mine, theirs := said.From(own)[0], said.From(far)
	if len(theirs) > 0 && (mine.Lifetime != theirs[0].Lifetime || len(mine.Rest) != len(theirs[0].Rest)) {
		t.Errorf("it advertises %+v, and FRR %+v", mine, theirs[0])
	}

	// The key off: we take them back, and the session stands.
	d.Reload(without)
	lab.WaitEqual(t, "the lifetime of the last advertisement", 0, func() int {
		list := said.From(own)
		return list[len(list)-1].Lifetime
	})
	if got := neighborsOf(d, "default"); len(got) != 1 || got[0].State != "established" {
		t.Errorf("the reload ended the session: %+v", got)
	}
	if !peer.Established("eth0") {
		t.Error("the neighbour gave the session up")
	}
}

// TestRouterAdvertisementsBesideAnotherProgram: where another program of the host advertises
// on the link, nothing is sent that would contradict it. An interface that comes later is
// advertised on when it is there, and the daemon's end takes the advertisements back.
func TestRouterAdvertisementsBesideAnotherProgram(t *testing.T) {
	t.Parallel()
	l := newLab(t)
	dut, p := l.Namespace("dut"), l.Namespace("p")
	l.Link(dut, "eth0", p, "eth0")
	for _, n := range []*lab.Namespace{dut, p} {
		n.Sysctl("ipv6.conf.all.forwarding", "1")
	}
	own := dut.LinkLocal("eth0")
	said := lab.ListenForAdverts(p, "eth0")
	const theirs, ours = 1800, 30 // lifetimes
	count := func(on *lab.Adverts, from string, lifetime int) (n int) {
		for _, a := range on.From(from) {
			if a.Lifetime == lifetime {
				n++
			}
		}
		return n
	}
	waitCount := func(what string, on *lab.Adverts, from string, lifetime, least int) {
		t.Helper()
		lab.WaitFor(t, what, 2*lab.Patience, func() string {
			if n := count(on, from, lifetime); n < least {
				return "heard " + on.String()
			}
			return ""
		})
	}
	d := dut.Daemon(linkGlobal + linkNeighbor("eth0", 65001, "router_advertisements = true") + linkNeighbor("eth1", 65001, "router_advertisements = true") + defaultTable)
	lab.WaitFor(t, "the daemon has heard the other program", lab.Patience, func() string {
		lab.SendAdvert(dut, "eth0", theirs)
		if !strings.Contains(d.Output(), "another program of this host sends router advertisements") {
			return "it says nothing of it"
		}
		return ""
	})
	before := count(said, own, ours)

	l.Link(dut, "eth1", p, "eth1")
	other := dut.LinkLocal("eth1")
	later := lab.ListenForAdverts(p, "eth1")
	waitCount("advertisements on the interface that came", later, other, ours, 4) // over more than an interval
	if n := count(said, own, ours); n != before {
		t.Errorf("%d advertisements were sent after another program's was heard", n-before)
	}
	d.Stop()
	lab.WaitFor(t, "the daemon takes them back", lab.Patience, func() string {
		if list := later.From(other); list[len(list)-1].Lifetime != 0 {
			return "heard " + later.String()
		}
		return ""
	})
	if n := count(said, own, 0); n != 0 {
		t.Errorf("the other program's were taken back")
	}
}
