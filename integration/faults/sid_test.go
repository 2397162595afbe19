package faults_test

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	core "github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/fabric"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
)

// A tenant by VXLAN sends to the SIDs of a tenant by SRv6 in a trusted namespace, by all ways that it
// has: straight, and by its own router at another PE. From the core the same packets arrive; of the
// tenant's none does.
func TestFault56OtherSID(t *testing.T) {
	f := fabric.Mixed(newLab(t, "bgpd", "vtysh"), 2, core.VXLAN, core.SRv6)
	f.Start()
	if err := f.Reach(f.PEs, limit()); err != nil {
		t.Fatal(err)
	}
	const red, blue = 0, 1
	const away, genuine, forged = "10.66.0.9", 7777, 7778
	one, two := f.PEs[0], f.PEs[1]
	heard, overheard := listen(t, two.Tenants[blue], genuine), listen(t, two.Tenants[blue], forged)
	two.Tenants[blue].Address("lo", away+"/32")
	sid := sidOf(t, two.Tenants[blue])
	to := []string{"route", "add", away + "/32", "encap", "seg6", "mode", "encap", "segs", sid.String(), "dev"}
	one.Core.IP(append(to, "core")...)
	lab.WaitFor(t, "a packet from the core", lab.Patience, func() string {
		if err := datagram(one.Core, away, genuine); err != nil || heard.Load() == 0 {
			return fmt.Sprintf("not heard, %v: this proves nothing", err)
		}
		return ""
	})
	one.Tenants[red].IP(append(to, fabric.Device(red))...)
	const tries = 50
	ways := [][]string{nil, {"-6", "route", "add", sid.String(), "nhid", objectOf(t, one.Tenants[red], fabric.Shared(2, true))}}
	for _, way := range ways {
		if way != nil {
			one.Tenants[red].IP(way...)
		}
		for range tries {
			if err := datagram(one.Tenants[red], away, forged); err != nil && !errors.Is(err, unix.EHOSTUNREACH) && !errors.Is(err, unix.ENETUNREACH) && !errors.Is(err, unix.ECONNREFUSED) {
				t.Fatal(err)
			}
		}
		// What is behind them has gone all the way, so they have had their time.
		if err := f.Reach(f.PEs, limit()); err != nil {
			t.Fatal(err)
		}
	}
	lab.Equal(t, "packets of red that were heard in blue", 0, int(overheard.Load()))
	measured(t, "of %d packets of a tenant by VXLAN to the SID of a trusted one none came there, from the core they do", len(ways)*tries)
}

// A PE's daemon is killed and away for 15 seconds, under ten packets a second each way in both
// families, with tenants in trusted namespaces: none is lost, it comes back with the same SIDs, and
// writes nothing that stands.
func TestFault57CrashWithSIDs(t *testing.T) {
	n := core.New(newLab(t, "ping"), core.SRv6, 2)
	one, two := n.PEs[0], n.PEs[1]
	for _, pe := range n.PEs {
		for _, name := range core.Names() {
			n.Trusted(pe, name)
		}
	}
	core.Launch(n, one, two)
	for _, name := range core.Names() {
		n.Reach(name, one, two)
		n.Reach(name, two, one)
	}
	before := core.Entrances(one)
	away, sent := core.Survives(n, one, two)
	lab.Equal(t, "the SIDs of the tenants", before, core.Entrances(one))
	measured(t, "by SRv6 in trusted namespaces, away for %s: each of %d packets answered, the same SIDs, 0 writes", round(away), sent)
}

// sidOf is the SID of a trusted tenant for IPv4.
func sidOf(t *testing.T, tenant *lab.Namespace) netip.Addr {
	t.Helper()
	for line := range strings.Lines(tenant.IP("-6", "route", "show", "table", "all")) {
		if strings.Contains(line, "action End.DX4 ") {
			return netip.MustParseAddr(strings.TrimSuffix(strings.Fields(line)[0], "/128"))
		}
	}
	t.Fatal("the tenant has no SID")
	return netip.Addr{}
}

// objectOf is the nexthop object by which a tenant reaches an address.
func objectOf(t *testing.T, tenant *lab.Namespace, addr string) string {
	t.Helper()
	fields := strings.Fields(tenant.IP("route", "get", addr, "fibmatch"))
	for i := range fields[:len(fields)-1] {
		if fields[i] == "nhid" {
			return fields[i+1]
		}
	}
	t.Fatalf("the route to %s has no nexthop object: %v", addr, fields)
	return ""
}

// datagram sends an empty UDP packet.
func datagram(from *lab.Namespace, to string, port uint16) error {
	return from.Enter(func() error {
		c, err := net.DialUDP("udp", nil, net.UDPAddrFromAddrPort(netip.AddrPortFrom(netip.MustParseAddr(to), port)))
		if err != nil {
			return err
		}
		_, err = c.Write(nil)
		return errors.Join(err, c.Close())
	})
}
