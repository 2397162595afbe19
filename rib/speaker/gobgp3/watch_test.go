package gobgp3

import (
	"context"
	"fmt"
	"log/slog"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/timestamppb"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// harness is a watch without a server: tests put in what comes by the queue.
type harness struct {
	*watch
	t       testing.TB
	all     *speaker.Feeds
	markers *speaker.Markers
	feeds   map[string]*rib.Feed
}

func newHarness(t testing.TB, section obj) *harness {
	t.Helper()
	c := readConf(t, section, rib.Extras{})
	h := &harness{t: t, all: speaker.NewFeeds(c.VRFs), markers: speaker.NewMarkers(), feeds: make(map[string]*rib.Feed)}
	for _, name := range append([]string{speaker.Default}, names(c.VRFs)...) {
		f, err := h.all.Feed(name)
		if err != nil {
			t.Fatal(err)
		}
		h.feeds[name] = f
	}
	h.begin(c)
	return h
}

func names(vrfs []speaker.VRF) (list []string) {
	for _, v := range vrfs {
		list = append(list, v.Name)
	}
	return list
}

// begin makes a watch that nobody runs.
func (h *harness) begin(c *conf.Config) {
	log := newLogger(slog.New(slog.DiscardHandler))
	h.watch = newWatch(c, h.all, h.markers, newKeeper(new(loop), new(pacer), log), log)
	h.cancel, h.queue = func() {}, newQueue()
	close(h.done)
}

// send sends the paths of destinations as GoBGP renders them; the first time, of all that
// there are.
func (h *harness) send(paths ...*api.Path) {
	var list []*bgpPath
	for _, p := range paths {
		list = append(list, native(h.t, p))
	}
	h.sendPaths(list...)
}

func (h *harness) sendPaths(paths ...*bgpPath) { h.take(append(items(paths), item{of: tablesRead{}})) }

// items are the items of paths; those of a destination follow each other.
func items(paths []*bgpPath) (list []item) {
	last := ""
	for _, p := range paths {
		nlri := p.origin().nlri
		k := known{p, nlri.PathLocalIdentifier()}
		switch at := fmt.Sprint(nlri.AFI(), nlri.SAFI(), nlri); {
		case p.IsWithdraw:
			list, last = append(list, item{of: nlri}), ""
		case at == last:
			list[len(list)-1].paths = append(list[len(list)-1].paths, k)
		default:
			list, last = append(list, item{paths: []known{k}}), at
		}
	}
	return list
}

func native(t testing.TB, p *api.Path) *bgpPath {
	t.Helper()
	n, err := nativePath(p)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

func (h *harness) len(vrf string) int {
	n, _ := h.feeds[vrf].Len()
	return n
}

// from makes a peer's path one of an event.
func from(t testing.TB, s spec) *api.Path {
	p := (&peer{t: t}).path(s)
	p.NeighborIp, p.SourceId, p.SourceAsn = "127.0.0.2", "127.0.0.2", 65001
	p.LocalIdentifier = max(s.id, 1)
	p.Age = timestamppb.New(timestamppb.Now().AsTime())
	return p
}

func gone(t testing.TB, s spec) *api.Path {
	p := from(t, s)
	p.IsWithdraw = true
	return p
}

func eorOf(neighbor, fam string) *eorEvent {
	f := family(fam)
	return &eorEvent{Family: bgp.AfiSafiToRouteFamily(uint16(f.Afi), uint8(f.Safi)), PeerInfo: &bgpPeer{Address: net.ParseIP(neighbor)}}
}

func twoVRFs() obj {
	return baseConf([]any{
		vrfConf("blue", "65000:2", []string{"65000:2"}, nil),
		vrfConf("red", "65000:1", []string{"65000:1"}, nil),
	}, nil)
}

// TestSnapshot: what there is comes in however many parts, in any order with what changes
// meanwhile, and is complete when the tables were read.
func TestSnapshot(t *testing.T) {
	h := newHarness(t, twoVRFs())
	var snapshot []*bgpPath
	for i := range 2 * atOnce {
		// Three paths a prefix.
		snapshot = append(snapshot, native(t, from(t, spec{prefix: fmt.Sprintf("10.%d.%d.0/24", i/3/256, i/3%256), id: uint32(i + 1)})))
	}
	if converged(h.feeds[speaker.Default]) {
		t.Error("the snapshot is complete before it came")
	}
	all := items(snapshot)
	h.take(all[:len(all)/2])
	if converged(h.feeds[speaker.Default]) {
		t.Error("the snapshot is complete before its second half")
	}
	h.take(all[len(all)/2:])
	h.take([]item{{of: tablesRead{}}})
	if !converged(h.feeds[speaker.Default]) || h.intake.Sync() {
		t.Error("the snapshot is not complete")
	}
	for _, i := range []int{0, atOnce / 3, atOnce/3 + 1} {
		if got := len(h.feeds[speaker.Default].Lookup(prefix(fmt.Sprintf("10.0.%d.0/24", i)))); got != 3 {
			t.Errorf("%d paths of prefix %d", got, i)
		}
	}
	h.send()
	if got, want := h.len(speaker.Default), (2*atOnce+2)/3; got != want {
		t.Errorf("%d prefixes, want %d", got, want)
	}
}

// TestEndWhileTaking: a watch that is ended amid a snapshot takes no more of it, and
// does not count it as complete.
func TestEndWhileTaking(t *testing.T) {
	h := newHarness(t, twoVRFs())
	var some []item
	for i := range atOnce {
		some = append(some, items([]*bgpPath{native(t, from(t, spec{prefix: fmt.Sprintf("10.1.%d.0/24", i)}))})...)
	}
	const parts = 1000
	s := stream{live: h.queue}
	for range parts {
		s.live.put(some...)
	}
	s.live.put(item{of: tablesRead{}})
	h.done = make(chan struct{})
	ctx, cancel := context.WithCancel(t.Context())
	h.cancel = cancel
	h.mu.Lock()
	var ended sync.WaitGroup
	ended.Go(func() { defer close(h.done); h.follow(ctx, s) })
	ended.Go(h.end) // gets its turn after some part
	h.mu.Unlock()
	ended.Wait()
	if taken := parts*atOnce + 1 - s.live.waiting(); !h.intake.Sync() || taken == parts*atOnce+1 {
		t.Errorf("%d items were taken, and the snapshot counts as complete", taken)
	}
}

// TestMixedTargets: of the paths of one destination each VRF gets its own.
func TestMixedTargets(t *testing.T) {
	h := newHarness(t, twoVRFs())
	h.send()
	k := spec{prefix: "10.1.0.0/16", rd: 5}
	with := func(id uint32, rts ...uint32) *api.Path { s := k; s.id, s.rts = id, rts; return from(t, s) }
	ids := func(vrf string) (out []uint32) {
		for _, p := range h.feeds[vrf].Lookup(prefix(k.prefix)) {
			out = append(out, p.ID)
		}
		return out
	}
	h.send(with(1, 1), with(2, 2), with(3, 1, 2))
	if !slices.Equal(ids("red"), []uint32{1, 3}) || !slices.Equal(ids("blue"), []uint32{2, 3}) {
		t.Errorf("red %v, blue %v", ids("red"), ids("blue"))
	}
	h.send(with(1, 1))
	if !slices.Equal(ids("red"), []uint32{1}) || len(ids("blue")) != 0 {
		t.Errorf("red %v, blue %v", ids("red"), ids("blue"))
	}
	h.send(with(7, 1), with(7, 1)) // one id twice
	if !slices.Equal(ids("red"), []uint32{1, 2}) {
		t.Errorf("red %v", ids("red"))
	}
	h.send(gone(t, k)) // without RTs
	if len(ids("red")) != 0 {
		t.Errorf("red %v", ids("red"))
	}
}

// TestIgnored: nothing but IPv4 and IPv6 routes gets in, and a path that cannot
// be decoded takes its destination's old path away.
func TestIgnored(t *testing.T) {
	h := newHarness(t, twoVRFs())
	h.send()
	evpn := native(t, from(t, spec{prefix: "10.1.0.0/16"}))
	evpn.info.nlri = &bgp.EVPNNLRI{}
	labelled := native(t, from(t, spec{prefix: "10.1.0.0/16"}))
	labelled.info.nlri = &bgp.LabeledIPAddrPrefix{}
	zero := native(t, from(t, spec{prefix: "10.1.0.0/16", rd: 5, rts: []uint32{1}}))
	zero.info.nlri.(*bgp.LabeledVPNIPAddrPrefix).RD = &bgp.RouteDistinguisherTwoOctetAS{}
	unknown := native(t, from(t, spec{prefix: "10.1.0.0/16", rd: 5, rts: []uint32{1}}))
	unknown.info.nlri.(*bgp.LabeledVPNIPAddrPrefix).RD = &bgp.RouteDistinguisherUnknown{}
	broken := native(t, from(t, spec{prefix: "10.1.0.0/16"}))
	broken.info.nlri.(*bgp.IPAddrPrefix).Prefix = nil
	long := native(t, from(t, spec{prefix: "10.1.0.0/16"}))
	long.info.nlri.(*bgp.IPAddrPrefix).Length = 33
	h.sendPaths(evpn, labelled, zero, unknown, broken, long)
	if h.len(speaker.Default)+h.len("red")+h.len("blue") != 0 {
		t.Error("a path of another family, with RD 0:0 or an unknown one, or broken got in")
	}
	h.send(from(t, spec{prefix: "10.1.0.0/16"}))
	bad := native(t, from(t, spec{prefix: "10.1.0.0/16"}))
	bad.pathAttrs = append(slices.Clone(bad.pathAttrs), &bgp.PathAttributeOriginatorId{})
	h.sendPaths(bad)
	if h.len(speaker.Default) != 0 {
		t.Error("the old path stands for one that cannot be decoded")
	}
	h.end()
	h.send(from(t, spec{prefix: "10.1.0.0/16"}))
	if h.len(speaker.Default) != 0 {
		t.Error("an event after the end got in")
	}
}

// TestResnapshot: a watch in place of another leaves what is the same alone, and
// sweeps what is not there any more.
func TestResnapshot(t *testing.T) {
	h := newHarness(t, twoVRFs())
	keep, lose := spec{prefix: "10.1.0.0/16"}, spec{prefix: "10.2.0.0/16"}
	vpnKeep, vpnLose := spec{prefix: "10.1.0.0/16", rd: 5, rts: []uint32{1}}, spec{prefix: "10.2.0.0/16", rd: 5, rts: []uint32{1}}
	now := timestamppb.Now()
	at := func(s spec) *api.Path { p := from(t, s); p.Age = now; return p }
	h.send(at(keep), at(lose), at(vpnKeep), at(vpnLose))
	for _, f := range h.feeds {
		drain(f)
	}
	before := h.intake
	h.begin(readConf(t, twoVRFs(), rib.Extras{}))
	h.intake.Replace(before)
	h.send(at(keep), at(vpnKeep))
	for _, vrf := range []string{speaker.Default, "red"} {
		changed := h.feeds[vrf].Take(nil, 10)
		if len(changed) != 1 || changed[0].Prefix != prefix("10.2.0.0/16") || len(changed[0].Paths) != 0 {
			t.Errorf("VRF %s: changed %+v, want 10.2.0.0/16 to go and no more", vrf, changed)
		}
	}
}

func TestConvergence(t *testing.T) {
	down := neighborConf("127.0.0.5", 65001, 179, "l3vpn-ipv4-unicast")
	down["config"].(obj)["admin-down"] = true
	ce := neighborConf("127.0.0.4", 65001, 179, "ipv4-unicast")
	ce["config"].(obj)["vrf"] = "blue"
	conf := baseConf([]any{
		vrfConf("blue", "65000:2", []string{"65000:2"}, []string{"65000:1"}),
		vrfConf("red", "65000:1", []string{"65000:1"}, nil),
	}, []any{
		neighborConf("127.0.0.2", 65001, 179, "ipv4-unicast", "l3vpn-ipv4-unicast"),
		neighborConf("127.0.0.3", 65001, 179, "ipv6-unicast"),
		ce, down,
	})
	h := newHarness(t, conf)
	h.endOfRIB(eorOf("127.0.0.2", "ipv4-unicast")) // before the snapshot is complete
	h.send()
	state := func() string {
		s := ""
		for _, vrf := range []string{speaker.Default, "blue", "red"} {
			for of := range rib.Families {
				if h.feeds[vrf].Converged(of) {
					s += fmt.Sprintf("%s/%v ", vrf, of)
				}
			}
		}
		return s
	}
	const vpn6 = "blue/ipv6 red/ipv6 " // nobody sends it
	for _, step := range []struct {
		eor  *eorEvent
		want string
	}{
		{eorOf("127.0.0.9", "ipv6-unicast"), "default/ipv4 " + vpn6}, // that one came first
		{eorOf("127.0.0.3", "ipv6-unicast"), "default/ipv4 default/ipv6 " + vpn6},
		{eorOf("127.0.0.2", "l3vpn-ipv4-unicast"), "default/ipv4 default/ipv6 blue/ipv4 " + vpn6},
		{eorOf("127.0.0.4", "ipv4-unicast"), "default/ipv4 default/ipv6 blue/ipv4 blue/ipv6 red/ipv4 red/ipv6 "}, // red imports what blue exports
	} {
		h.endOfRIB(step.eor)
		if state() != step.want {
			t.Errorf("after %v: converged %q, want %q", step.eor, state(), step.want)
		}
	}
}

// TestFailLogsOnce: an error that every route brings is one log line.
func TestFailLogsOnce(t *testing.T) {
	h := newHarness(t, twoVRFs())
	var log strings.Builder
	h.log = slog.New(slog.NewTextHandler(&log, nil))
	for range 1000 {
		h.fail(fmt.Errorf("the same"))
	}
	if n := strings.Count(log.String(), "\n"); n != 1 {
		t.Errorf("%d lines", n)
	}
}

func BenchmarkEvent(b *testing.B) {
	for _, c := range []struct {
		name string
		spec spec
		vrfs int
	}{
		{"ipv4", spec{prefix: "10.1.0.0/16"}, 0},
		{"ipv6", spec{prefix: "2001:db8:1::/48"}, 0},
		{"vpnv4/2 VRFs", spec{prefix: "10.1.0.0/16", rd: 5, rts: []uint32{1}}, 2},
		{"vpnv4/1000 VRFs", spec{prefix: "10.1.0.0/16", rd: 5, rts: []uint32{1}}, 1000},
	} {
		b.Run(c.name, func(b *testing.B) {
			var vrfs []any
			for i := range c.vrfs {
				vrfs = append(vrfs, vrfConf(fmt.Sprint(i), fmt.Sprintf("65000:%d", i+1), []string{fmt.Sprintf("65000:%d", i+1)}, nil))
			}
			h := newHarness(b, baseConf(vrfs, nil))
			h.send()
			c.spec.attrs = []proto.Message{
				&api.AsPathAttribute{Segments: []*api.AsSegment{{Type: api.AsSegment_AS_SEQUENCE, Numbers: []uint32{65001, 65002, 65003}}}},
				&api.CommunitiesAttribute{Communities: []uint32{1, 2, 3}},
			}
			// A hundred prefixes, so that the feed's queue is bounded as a
			// worker bounds it.
			var events []item
			for i := range 100 {
				s := c.spec
				if strings.HasPrefix(s.prefix, "10.") {
					s.prefix = fmt.Sprintf("10.%d.0.0/16", i)
				} else {
					s.prefix = fmt.Sprintf("2001:db8:%d::/48", i+1)
				}
				events = append(events, items([]*bgpPath{native(b, from(b, s))})...)
				s.attrs = append(slices.Clone(s.attrs), &api.MultiExitDiscAttribute{Med: 1}) // a change
				events = append(events, items([]*bgpPath{native(b, from(b, s))})...)
			}
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				h.take(events[i%len(events) : i%len(events)+1])
			}
		})
	}
}
