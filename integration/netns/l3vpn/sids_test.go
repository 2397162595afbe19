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
	if out := n.PEs[0].Daemon.Do("explain", ofLast.String(), "--vrf", "red"); !strings.Contains(out, want) {
		t.Errorf("the route with a label does not lead by it, %s:\n%s", want, out)
	}
}

// ofLast is the prefix of the route with an attribute as it should be.
var ofLast = netip.MustParsePrefix("10.99.0.0/24")

// maligned has a neighbour of PE 1's, a reflector at an address of the core, send all that, each in a
// route of its own, and at last one that is as it should be, while packets go between PE 1 and PE 2.
func (n *network) maligned(s raw.Speaker, from, to netip.Addr, route func(p netip.Prefix, sid []byte) []byte) {
	n.T.Helper()
	one, two := n.PEs[0], n.PEs[1]
	n.more = map[*edge.PE]string{one: strings.Replace(one.Neighbor(from.String()), one.Addr(), to.String(), 1)}
	n.ours(one, two)
	n.Reach("red", one, two)
	pid := one.Daemon.PID()
	var session *raw.Session
	lab.WaitFor(n.T, "a session", lab.Patience, func() string {
		c, err := raw.Dial(n.P.Enter, from, to)
		if err != nil {
			return err.Error()
		}
		if err := c.Establish(s.OpenOf(append(raw.Every, raw.FourByteAS(s.AS)...))); err != nil {
			return err.Error()
		}
		session = c
		return ""
	})
	n.T.Cleanup(func() { session.Close() })
	pulse := n.Pulse()
	edge.Between(n.Network, pulse, "red", one, two, false, true)
	wrong, odd := malformed()
	for i, sid := range slices.Concat(wrong, odd) {
		second := byte(98) // of its prefix
		if i >= len(wrong) {
			second = 97
		}
		prefix := netip.PrefixFrom(netip.AddrFrom4([4]byte{10, second, byte(i), 0}), 24)
		if err := session.Send(route(prefix, sid)); err != nil {
			n.T.Fatalf("attribute %d, %x: %v; the session ended with %q", i, sid, err, session.Ended())
		}
	}
	// The last one is as it should be: it is a route, once all before it have been read.
	if err := session.Send(route(ofLast, proper())); err != nil {
		n.T.Fatal(err)
	}
	lab.WaitFor(n.T, "a route with a SID as it should be is in red", lab.Patience, func() string {
		for _, r := range one.Daemon.RouteStates("export", "--vrf", "red") {
			if r.Prefix == ofLast.String() {
				return ""
			}
		}
		return fmt.Sprintf("it is not there; the session has ended with %q", session.Ended())
	})
	pulse.EndWhole()
	if !one.Daemon.Running() || one.Daemon.PID() != pid {
		n.T.Error("the daemon has ended")
	}
}

// proper is a Prefix-SID attribute's value with the SID of a VRF at PE 2 (RFC 9252, 2 and 3).
func proper() []byte {
	sid := netip.MustParseAddr("fd00:2:0:1:4711::").As16()
	info := append(append([]byte{0}, sid[:]...), 0, 0, 19, 0)
	info = append(info, 1, 0, 6, 40, 24, 16, 0, 0, 0)
	return tlv(5, append([]byte{0}, tlv(1, info)...))
}

// tlv is a value with its type and length.
func tlv(kind byte, value []byte) []byte {
	return append([]byte{kind, byte(len(value) >> 8), byte(len(value))}, value...)
}

// malformed are attributes without a SID that could be used: sub-TLVs that are unknown or cut short,
// and lengths that do not fit, and every beginning of one that is right. Those of odd have one, and
// something else that is wrong.
func malformed() (wrong, odd [][]byte) {
	right := proper()
	for i := range right {
		wrong = append(wrong, right[:i])
	}
	structure := func(lengths ...byte) []byte {
		sid := netip.MustParseAddr("fd00:2:0:1:4711::").As16()
		info := append(append([]byte{0}, sid[:]...), 0, 0, 19, 0)
		return tlv(5, append([]byte{0}, tlv(1, append(info, tlv(1, lengths)...))...))
	}
	wrong = append(wrong,
		[]byte{5, 0, 5, 0, 2, 0, 1, 0}, []byte{5, 0, 0}, []byte{5, 0, 6, 0, 1, 0, 2, 0, 0}, []byte{1, 0, 7, 0, 0, 0, 0, 0, 0, 9},
		structure(40), structure(40, 24, 16, 0, 16), structure(255, 255, 255, 255, 255, 255), structure(40, 24, 16, 0, 20, 128), tlv(6, right[3:]))
	odd = append(odd, structure(), structure(40, 24, 16, 0, 0, 0, 0), slices.Concat(right, right), tlv(5, slices.Concat([]byte{0}, right[4:], right[4:])))
	return wrong, odd
}

// vpn is a VPN route of red's by a nexthop and a label, with this attribute.
func vpn(s raw.Speaker, p netip.Prefix, nexthop netip.Addr, label int, sid []byte) []byte {
	four := p.Addr().As4()
	nlri := append([]byte{byte(24 + 64 + p.Bits()), byte(label >> 12), byte(label >> 4), byte(label<<4) | 1, 0, 0, 0xfd, 0xe8, 0, 0, 0, 99}, four[:p.Bits()/8]...)
	reach := raw.Reach(1, 128, append(make([]byte, 8), nexthop.AsSlice()...), nlri)
	return raw.Update(nil, s.Attrs6(reach, raw.Communities(raw.RouteTarget(65000, 100)), raw.Attr(raw.Transitive, 40, sid...)), nil)
}
