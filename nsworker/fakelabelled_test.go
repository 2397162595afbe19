package nsworker

import (
	"fmt"
	"maps"
	"net/netip"
	"strings"
	"testing"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/vrf"
)

// The parts of VRFs whose packets go by MPLS or SRv6: the core is the daemon's own namespace, with
// eth0 and eth1.
const (
	ownDevice, secondIndex = 50, 51
	coreVeth, tenantVeth   = 60, 7
)

var (
	redDevice = rib.Binding{Device: "red"}
	srRed     = rib.Binding{Device: "sr-red"}
	theCore   = rib.Core{VTEP: netip.MustParseAddr("10.255.0.1"), Six: netip.MustParseAddr("fd00:255::1")}
)

// labelled is a VRF device in the core's namespace whose label is 100.
func labelled() vrf.Spec {
	s := spec("red")
	s.Binding = redDevice
	s.Carriage = rib.Carriage{Kind: rib.EncapMPLS, Core: theCore, Label: 100}
	return s
}

// bySegment is the same by SRv6, with a second VRF device.
func bySegment() vrf.Spec {
	s := labelled()
	s.Carriage = rib.Carriage{
		Kind: rib.EncapSRv6, Core: theCore, SRv6: rib.SRv6{SID: netip.MustParseAddr("fd00:1:0:1:100::")},
		Through: rib.Through{Device: "sr-red", To: srRed},
	}
	return s
}

// behindLink is a namespace that a veth leads to from the core, where a VRF device has the labels.
func behindLink() vrf.Spec {
	s := spec("red")
	s.Carriage = rib.Carriage{Kind: rib.EncapMPLS, Core: theCore, Label: 100, Through: rib.Through{Link: "vr-red", To: redDevice}}
	return s
}

// further is the further table of a VRF.
func further(t *testing.T, s vrf.Spec) vrf.Spec {
	t.Helper()
	f, has := vrf.Further(&s)
	if !has {
		t.Fatal("the VRF has no further table")
	}
	return f
}

// device makes the table of a VRF device in the core's namespace.
func (l *lab) device(b rib.Binding, index int, table uint32) *fakeTable {
	t := l.kernel.add(b, 9)
	l.kernel.mu.Lock()
	defer l.kernel.mu.Unlock()
	clear(t.routes)
	t.where.Table, t.where.Device = table, index
	for i, name := range map[int]string{ownDevice: "red", secondIndex: "sr-red"} {
		t.links[i] = rib.Link{Index: i, Name: name, Up: true, Admin: true, VRFTable: uint32(1001 + (i-ownDevice)*1000)}
	}
	return t
}

// labelledStory is a story of the table of a VRF device, with a core that reaches PEs 2 and 3 by labels.
func labelledStory(t *testing.T, tell func(l *lab, table *fakeTable, core *fakeCore)) {
	t.Helper()
	story(t, func(l *lab, _ *fakeTable) {
		core := newFakeCore()
		core.leads[vtepOf(pe2)], core.leads[vtepOf(pe3)] = byLabels(pe2, over("192.0.2.9", 2, 16002)), byLabels(pe3, over("192.0.2.9", 2, 16003))
		l.core = core
		table := l.device(redDevice, ownDevice, 1001)
		l.converge("red")
		tell(l, table, core)
	})
}

// over is a hop of the core with labels in front.
func over(gateway string, index int, labels ...uint32) rib.Hop {
	h := rib.Hop{Ifindex: index, Weight: 1}
	if gateway != "" {
		h.Gateway = netip.MustParseAddr(gateway)
	}
	if len(labels) > 0 {
		h.Encap = rib.ByMPLS(rib.LabelStack(labels...))
	}
	return h
}

// byLabels is a PE, or a SID, that a route of the core leads to.
func byLabels(pe string, hops ...rib.Hop) rib.Lead {
	addr := netip.MustParseAddr(pe)
	return rib.Lead{By: &rib.Route{Prefix: netip.PrefixFrom(addr, addr.BitLen()), Kind: rib.KindUnicast, Protocol: rib.ProtoStatic, Hops: hops}, Hops: hops}
}

// byVPN makes a path a VPN route with a label.
func byVPN(label uint32) func(*rib.Path) {
	return func(p *rib.Path) { p.Label, p.Attrs.Carrier = label, rib.ByVPN }
}

// withSID gives a VPN route a SID, some bits of which are in the label.
func withSID(sid string, from, bits uint8) func(*rib.Path) {
	return func(p *rib.Path) {
		p.Attrs.SID, p.Attrs.SIDFrom, p.Attrs.SIDBits = netip.MustParseAddr(sid), from, bits
	}
}

// wrote takes what was written: routes, and objects.
func (k *fakeKernel) wrote() (routes []string, objects string) {
	k.mu.Lock()
	defer k.mu.Unlock()
	routes, objects = k.writes, strings.Join(k.objectWrites, ", ")
	k.writes, k.objectWrites = nil, nil
	return routes, objects
}

// many are n prefixes of one path.
func many(n int, nexthop string, change ...func(*rib.Path)) []rib.Path {
	shared := bgpPath("10.0.0.0/32", nexthop, change...)
	paths := make([]rib.Path, n)
	for i := range paths {
		paths[i] = shared
		paths[i].Prefix = netip.MustParsePrefix(fmt.Sprintf("10.%d.%d.%d/32", 100+i>>16, i>>8&255, i&255))
	}
	return paths
}

// change changes an interface, and changed puts all of them in place of those that are there.
func (t *fakeTable) change(index int, change func(*rib.Link)) {
	t.k.mu.Lock()
	links := maps.Clone(t.links)
	t.k.mu.Unlock()
	l := links[index]
	change(&l)
	links[index] = l
	t.changed(links)
}

func (t *fakeTable) changed(links rib.Links) {
	t.k.mu.Lock()
	defer t.k.mu.Unlock()
	t.links = links
	t.emit(rib.KernelEvents{Resync: true, Reason: rib.ResyncLink, Links: maps.Clone(links)})
}
