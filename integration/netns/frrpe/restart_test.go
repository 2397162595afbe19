package frrpe_test

import (
	"fmt"
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// TestCrash: vrfredist is killed and away for 15 seconds; of ten packets a second each way, in both
// families and of both tenants, none is lost where FRR keeps the routes of a PE that restarts, as
// FRR 10 does. FRR 8 withdraws those of EVPN at once and has them again with the session. Vrfredist
// comes back with the same MAC addresses, and writes nothing that stands.
func TestCrash(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	n.start()
	macs, pulse, marks := map[string]string{}, n.Pulse(), map[string]int{}
	for name, here := range n.ours.Tenants {
		macs[name] = here.MAC()
		n.between(pulse, name)
	}
	keeps := n.peer.Keeps(edge.Loopback(1))
	n.daemon.Kill()
	pulse.Lasts(15 * time.Second)
	for name, here := range n.ours.Tenants {
		marks[name] = here.NS.Mark()
	}
	n.daemon.Start()
	n.ready()
	n.peer.WaitEstablished(edge.Loopback(1))
	pulse.Lasts(5 * time.Second)
	for name := range edge.Numbers {
		n.reach(name)
	}
	if keeps {
		pulse.EndWhole()
	} else if _, lost := pulse.End(); lost == 0 {
		t.Error("FRR says that it keeps no EVPN routes, and no packet was lost")
	}
	for name, here := range n.ours.Tenants {
		lab.Equal(t, "the MAC address of "+name, macs[name], here.MAC())
		for _, e := range here.NS.Since(marks[name]) {
			t.Errorf("%s, after the restart: %+v", name, e)
		}
	}
}

// between has packets go between the hosts of a tenant, both ways and in both families.
func (n *network) between(p *lab.Pulse, name string) {
	for _, six := range []bool{false, true} {
		p.Between(n.ours.Tenants[name].Host, edge.Host(2, six))
		p.Between(n.frr.Tenants[name].Host, edge.Host(1, six))
	}
}

// ready waits until all VRFs are.
func (n *network) ready() {
	n.T.Helper()
	lab.WaitFor(n.T, "the VRFs are ready", lab.Patience, func() string {
		var list struct {
			Vrfs []struct{ Name, State, Reason string }
		}
		n.daemon.JSON(&list, "vrf")
		for _, v := range list.Vrfs {
			if v.State != "ready" {
				return v.Name + " is " + v.State + ": " + v.Reason
			}
		}
		return ""
	})
}

// TestFRRChanges: FRR's router gets another MAC address, and its VTEP another one, and the packets
// go there; then FRR is killed and comes back, with the routes that it has then.
func TestFRRChanges(t *testing.T) {
	t.Parallel()
	n := newNetwork(t)
	n.start()
	here, there := n.ours.Tenants["red"], n.frr.Tenants["red"]
	const mac = "02:00:00:00:02:99"
	blue := n.Pulse()
	n.between(blue, "blue")
	there.NS.IP("link", "set", "br100", "address", mac)
	lab.WaitFor(t, "the new MAC address is the only one", lab.Patience, func() string {
		if e := here.Endpoints(); !strings.Contains(e, mac) || strings.Contains(e, frrMAC("red")) {
			return e
		}
		if e, err := here.NS.Run("bridge", "fdb", "show", "dev", here.VXLAN()); err != nil || !strings.Contains(e, mac) || strings.Contains(e, frrMAC("red")) {
			return e
		}
		return ""
	})
	n.goesTo(here, lab.Carried{From: netip.MustParseAddr(edge.Loopback(1)), To: netip.MustParseAddr(edge.Loopback(2)), VNI: 100, Router: mac})

	t.Log("its VTEP has another address, with the same MAC address")
	n.frr.Core.Address("lo", "10.255.0.22/32")
	n.P.IP("route", "add", "10.255.0.22/32", "via", "10.0.2.1")
	there.NS.IP("link", "set", "vx100", "type", "vxlan", "local", "10.255.0.22")
	lab.WaitFor(t, "the old VTEP has no entry", lab.Patience, func() string {
		if e := here.Endpoints(); strings.Contains(e, "fe80::aff:2:") || !strings.Contains(e, "fe80::aff:16:") {
			return e
		}
		return ""
	})
	if e, err := here.NS.Run("bridge", "fdb", "show", "dev", here.VXLAN()); err != nil || !strings.Contains(e, mac+" dst 10.255.0.22") {
		t.Errorf("the MAC address leads elsewhere: %v: %s", err, e)
	}
	n.goesTo(here, lab.Carried{From: netip.MustParseAddr(edge.Loopback(1)), To: netip.MustParseAddr("10.255.0.22"), VNI: 100, Router: mac})
	blue.EndWhole()

	t.Log("it is killed, and comes back with other routes")
	n.peer.Kill()
	there.NS.IP("addr", "add", "10.22.0.1/24", "dev", there.Lan())
	there.NS.IP("addr", "del", "2001:db8:2::1/64", "dev", there.Lan())
	n.peer.Restart()
	lab.WaitFor(t, "the routes that FRR has now", 2*lab.Patience, func() string {
		routes := strings.Join(here.Own(), "\n")
		if !strings.Contains(routes, "10.22.0.0/24") || strings.Contains(routes, "2001:db8:2::/64") {
			return routes
		}
		return ""
	})
	there.NS.Address(there.Lan(), "2001:db8:2::1/64")
	for name := range edge.Numbers {
		n.reach(name)
	}
}

// goesTo waits until packets of a tenant's host go there, and arrive. Their answers are FRR's: with
// another address of its router or VTEP it forgets what leads to other PEs, until it restarts.
func (n *network) goesTo(from *edge.Tenant, there lab.Carried) {
	n.T.Helper()
	to := n.frr.Tenants[from.Name]
	came := to.Received()
	lab.WaitFor(n.T, fmt.Sprintf("packets go as %+v", there), lab.Patience, func() string {
		err := from.Host.Ping("", edge.Host(2, false))
		if n.wire.Seen()[there] == 0 || to.Received() == came {
			return fmt.Sprintf("%v: %v", err, n.wire.Seen())
		}
		return ""
	})
}
