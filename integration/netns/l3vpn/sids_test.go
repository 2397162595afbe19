package l3vpn_test

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/integration/netns/edge"
	"github.com/vrfredist/vrfredist/integration/netns/lab"
	"github.com/vrfredist/vrfredist/integration/netns/raw"
	"github.com/vrfredist/vrfredist/integration/vm/need"
)

// trusted is a core with tenants in namespaces that put packets into SRv6 themselves, which needs no
// VRF device.
func trusted(t *testing.T, count int, programs ...string) *network {
	t.Helper()
	need.SRv6(t)
	n := &network{Network: edge.New(newLab(t, programs...), edge.SRv6, count)}
	for _, pe := range n.PEs {
		for _, name := range edge.Names() {
			n.Trusted(pe, name)
		}
	}
	return n
}

// TestTrusted: tenants in namespaces that put packets into SRv6 themselves, on a kernel that need
// not have VRF devices: each reaches its own, in both families, by a SID a family. Vrfredist is
// killed and comes back, and no packet is lost.
func TestTrusted(t *testing.T) {
	t.Parallel()
	n := trusted(t, 2)
	one, two := n.PEs[0], n.PEs[1]
	n.ours(one, two)
	for _, name := range edge.Names() {
		n.Reach(name, one, two)
		n.Reach(name, two, one)
		n.Counted(one.Tenants[name], two.Tenants[name])
		n.Counted(two.Tenants[name], one.Tenants[name])
	}
	n.numbered()
	before := edge.Entrances(one)
	edge.Survives(n.Network, one, two)
	lab.Equal(t, "the SIDs of the tenants", before, edge.Entrances(one))
}

// TestUntrusted: a tenant in a namespace that nothing keeps from sending to any SID is refused, with
// the reason, unless it is trusted.
func TestUntrusted(t *testing.T) {
	t.Parallel()
	n := trusted(t, 1)
	one := n.PEs[0]
	file := n.File("untrusted.toml", strings.Replace(one.Config(), "trusted = true", "trusted = false", 1))
	out, err := one.Core.Run(n.Run.Daemon, "check", "-f", file)
	if err == nil || !strings.Contains(out+err.Error(), "trusted = true") {
		t.Errorf("check says %v: %s", err, out)
	}
}

// TestSIDOfAnother: another program has the SID that a VRF is to have: it stays there, the VRF says so, and
// tells nobody of a SID that leads elsewhere. Once that is gone, the VRF has it.
func TestSIDOfAnother(t *testing.T) {
	t.Parallel()
	const sid, foreign = "fd00:1:0:1:4242::", "fd00:1:0:1:4242:: dev lo proto static"
	n := trusted(t, 2)
	one, two := n.PEs[0], n.PEs[1]
	red := one.Tenants["red"]
	red.Keys += fmt.Sprintf("  sid = %q\n", sid)
	one.Core.IP("-6", "route", "add", sid, "dev", "lo", "proto", "static")
	n.ours(one, two)
	n.Reach("blue", one, two)
	n.wants(one, "red", sid)
	stands := func() {
		t.Helper()
		if out := one.Core.IP("-6", "route", "show", sid); !strings.Contains(out, foreign) {
			t.Errorf("the other program's route is not as it was:\n%s", out)
		}
	}
	stands()
	lab.WaitEqual(t, "what the other PE has of red", nil, func() (list []string) {
		for _, r := range two.Tenants["red"].Own() {
			if slices.ContainsFunc(red.Prefixes(), func(p string) bool { return strings.HasPrefix(r, p) }) {
				list = append(list, r)
			}
		}
		return list
	})
	n.notice("blue", one, two, func() {
		one.Core.IP("-6", "route", "del", sid)
		n.Reach("red", one, two)
	})
	n.Counted(two.Tenants["red"], red)

	t.Log("another program overwrites it, which the kernel allows")
	one.Core.IP("-6", "route", "replace", sid, "dev", "lo", "proto", "static")
	n.wants(one, "red", sid)
	stands()
	one.Daemon.Stop()
	stands()
}

// TestMalformedSIDs: what a neighbour with VPN families may say of SIDs that is wrong in every way
// does not end the daemon, and takes neither the session nor another one's routes along.
func TestMalformedSIDs(t *testing.T) {
	t.Parallel()
	n := trusted(t, 2)
	s := raw.Speaker{AS: 65000, ID: addr("10.0.1.2"), Nexthop: addr("10.0.1.2"), Nexthop6: addr("fd00:c:1::2"), Prefix: "10.9.0.0/24", Internal: true}
	n.maligned(s, s.Nexthop6, addr("fd00:c:1::1"), func(p netip.Prefix, sid []byte) []byte {
		return vpn(s, p, s.Nexthop6, 3, sid)
	})
	for _, r := range n.PEs[0].Tenants["red"].Own() {
		if strings.HasPrefix(r, "10.98.") {
			t.Errorf("a route with a SID that is none is in the kernel: %s", r)
		}
	}
}

// TestMalformedSIDsBesideLabels is TestMalformedSIDs where packets go by labels, and no SID is used.
func TestMalformedSIDsBesideLabels(t *testing.T) {
	n := newNetwork(t, edge.MPLS, 2)
	n.devices(n.PEs...)
	red := n.PEs[1].Tenants["red"]
	s := raw.Speaker{AS: 65000, ID: addr("10.0.1.2"), Nexthop: addr("10.0.1.2"), Nexthop6: addr("fd00:c:1::2"), Prefix: "10.9.0.0/24", Internal: true}
	n.maligned(s, s.Nexthop, addr("10.0.1.1"), func(p netip.Prefix, sid []byte) []byte {
		return vpn(s, p, addr(edge.Loopback(2)), red.Label(false), sid)
	})
	want := fmt.Sprintf("encap mpls %d/%d", edge.Transport(2), red.Label(false))
	if out := n.PEs[0].Daemon.Do("explain", edge.LastOfMaligned.String(), "--vrf", "red"); !strings.Contains(out, want) {
		t.Errorf("the route with a label does not lead by it, %s:\n%s", want, out)
	}
}

// maligned has a neighbour of PE 1's, a reflector at an address of the core, send all that, while
// packets go between PE 1 and PE 2.
func (n *network) maligned(s raw.Speaker, from, to netip.Addr, route func(p netip.Prefix, sid []byte) []byte) {
	n.T.Helper()
	one, two := n.PEs[0], n.PEs[1]
	n.more = map[*edge.PE]string{one: one.NeighborAt(from, to)}
	n.ours(one, two)
	n.Reach("red", one, two)
	edge.Maligned{PE: one, From: two, Speaker: s, Source: from, At: to, Route: route}.Play(n.Network)
}

// vpn is a VPN route of red's by a nexthop and a label, with this attribute.
func vpn(s raw.Speaker, p netip.Prefix, nexthop netip.Addr, label int, sid []byte) []byte {
	four := p.Addr().As4()
	nlri := append([]byte{byte(24 + 64 + p.Bits()), byte(label >> 12), byte(label >> 4), byte(label<<4) | 1, 0, 0, 0xfd, 0xe8, 0, 0, 0, 99}, four[:p.Bits()/8]...)
	reach := raw.Reach(1, 128, append(make([]byte, 8), nexthop.AsSlice()...), nlri)
	return raw.Update(nil, s.Attrs6(reach, raw.Communities(raw.RouteTarget(65000, 100)), raw.Attr(raw.Transitive, 40, sid...)), nil)
}
