package speaker

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/server"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/vrfredist/vrfredist/rib"
)

// Two BgpServers in one process share GoBGP's package variables of path
// selection; all tests but one leave them at their defaults, and none runs in
// parallel with another.

const deadline = 20 * time.Second

func prefix(s string) netip.Prefix { return netip.MustParsePrefix(s) }

func rt(t testing.TB, s string) rib.RT {
	t.Helper()
	v, err := parseRT(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func rd(t testing.TB, s string) rib.RD {
	t.Helper()
	v, err := parseRD(s)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// eventually waits for ok with a deadline.
func eventually(t testing.TB, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for end := time.After(deadline); !ok(); {
		select {
		case <-tick.C:
		case <-end:
			t.Fatalf("not in time: %s", what)
		}
	}
}

// freePort returns a TCP port that was free on every loopback address.
func freePort(t testing.TB) int {
	t.Helper()
	l, err := net.Listen("tcp", "0.0.0.0:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// syncBuffer is a log that two goroutines can use.
type syncBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *syncBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *syncBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}

type obj = map[string]any

func toJSON(t testing.TB, v any) []byte {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func vrfConf(name, rd string, imports, exports []string) obj {
	return obj{"config": obj{"name": name, "rd": rd, "import-rt-list": imports, "export-rt-list": exports}}
}

// neighborConf is a neighbour at 127.0.0.x that we dial.
func neighborConf(addr string, as, port int, families ...string) obj {
	n := obj{
		"config":    obj{"neighbor-address": addr, "peer-as": as},
		"transport": obj{"config": obj{"remote-port": port, "local-address": "127.0.0.1"}},
		"timers":    obj{"config": obj{"connect-retry": 1, "idle-hold-time-after-reset": 1}},
	}
	var list []any
	for _, f := range families {
		list = append(list, obj{"config": obj{"afi-safi-name": f}, "mp-graceful-restart": obj{"config": obj{"enabled": true}}})
	}
	n["afi-safis"] = list
	// GoBGP sends End-of-RIB only where graceful restart was negotiated.
	n["graceful-restart"] = obj{"config": obj{"enabled": true, "restart-time": 5}}
	return n
}

func baseConf(vrfs, neighbors []any) obj {
	return obj{
		"global":    obj{"config": obj{"as": 65000, "router-id": "192.0.2.1", "port": -1}},
		"vrfs":      vrfs,
		"neighbors": neighbors,
	}
}

var allFamilies = []string{"ipv4-unicast", "ipv6-unicast", "l3vpn-ipv4-unicast", "l3vpn-ipv6-unicast"}

// running is a speaker that runs.
type running struct {
	*Speaker
	socket string
	log    *syncBuffer
}

func run(t testing.TB, o Options) *running {
	t.Helper()
	r := &running{log: new(syncBuffer), socket: filepath.Join(t.TempDir(), "api.sock")}
	o.Listen = append([]string{"unix://" + r.socket}, o.Listen...)
	o.Logger = slog.New(slog.NewTextHandler(r.log, nil))
	s, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	r.Speaker = s
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		cancel()
		if err := <-done; err != nil {
			t.Errorf("Run: %v", err)
		}
		sctx, cancel := context.WithTimeout(context.Background(), deadline)
		defer cancel()
		if err := s.Stop(sctx, false); err != nil {
			t.Errorf("Stop: %v", err)
		}
		if t.Failed() {
			t.Logf("the speaker's log:\n%s", r.log)
		}
	})
	select {
	case <-s.Started():
	case err := <-done:
		done <- nil
		t.Fatalf("Run ended: %v", err)
	case <-time.After(deadline):
		t.Fatal("not started in time")
	}
	return r
}

func (r *running) feed(t testing.TB, vrf string) *rib.Feed {
	t.Helper()
	f, err := r.Feed(vrf)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// await waits until the paths of a prefix are as ok wants them.
func (r *running) await(t testing.TB, vrf, p string, ok func([]rib.Path) bool) []rib.Path {
	t.Helper()
	f := r.feed(t, vrf)
	var paths []rib.Path
	eventually(t, fmt.Sprintf("the paths of %s in VRF %s", p, vrf), func() bool {
		paths = f.Lookup(prefix(p))
		return ok(paths)
	})
	return paths
}

func count(n int) func([]rib.Path) bool { return func(p []rib.Path) bool { return len(p) == n } }

// peer is a router of its own: another GoBGP, at an address of 127/8.
type peer struct {
	*server.BgpServer
	t    testing.TB
	addr string
	as   uint32
	port int
}

// quiet drops GoBGP's log.
type quiet struct{}

func (quiet) Panic(m string, f log.Fields) { panic(m) }
func (quiet) Fatal(m string, f log.Fields) { panic(fmt.Sprint(m, f)) }
func (quiet) Error(string, log.Fields)     {}
func (quiet) Warn(string, log.Fields)      {}
func (quiet) Info(string, log.Fields)      {}
func (quiet) Debug(string, log.Fields)     {}
func (quiet) SetLevel(log.LogLevel)        {}
func (quiet) GetLevel() log.LogLevel       { return log.ErrorLevel }

// newPeer starts a router that awaits a session from 127.0.0.1.
func newPeer(t testing.TB, addr string, as uint32, families ...string) *peer {
	t.Helper()
	p := &peer{BgpServer: server.NewBgpServer(server.LoggerOption(quiet{})), t: t, addr: addr, as: as, port: freePort(t)}
	go p.Serve()
	ctx := context.Background()
	if err := p.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{
		Asn: as, RouterId: addr, ListenPort: int32(p.port), ListenAddresses: []string{addr},
		UseMultiplePaths: t.Name() == "TestMultipath",
	}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.StopBgp(ctx, &api.StopBgpRequest{}) })
	var list []*api.AfiSafi
	for _, f := range families {
		list = append(list, &api.AfiSafi{
			Config:            &api.AfiSafiConfig{Family: family(f), Enabled: true},
			MpGracefulRestart: &api.MpGracefulRestart{Config: &api.MpGracefulRestartConfig{Enabled: true}},
		})
	}
	if err := p.AddPeer(ctx, &api.AddPeerRequest{Peer: &api.Peer{
		Conf:            &api.PeerConf{NeighborAddress: "127.0.0.1", PeerAsn: 65000},
		Transport:       &api.Transport{PassiveMode: true, LocalAddress: addr},
		GracefulRestart: &api.GracefulRestart{Enabled: true, RestartTime: 5},
		AfiSafis:        list,
	}}); err != nil {
		t.Fatal(err)
	}
	return p
}

func family(name string) *api.Family {
	f := &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST}
	if strings.Contains(name, "ipv6") {
		f.Afi = api.Family_AFI_IP6
	}
	if strings.HasPrefix(name, "l3vpn") {
		f.Safi = api.Family_SAFI_MPLS_VPN
	}
	return f
}

func any_(t testing.TB, m proto.Message) *anypb.Any {
	t.Helper()
	a, err := anypb.New(m)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// spec is a route that a peer announces.
type spec struct {
	prefix  string
	rd      uint32 // 65001:rd; 0: a unicast route
	rts     []uint32
	nexthop string
	id      uint32
	attrs   []proto.Message
}

func (p *peer) path(s spec) *api.Path {
	net := prefix(s.prefix)
	f := &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_UNICAST}
	if net.Addr().Is6() {
		f.Afi = api.Family_AFI_IP6
	}
	var nlri proto.Message = &api.IPAddressPrefix{PrefixLen: uint32(net.Bits()), Prefix: net.Addr().String()}
	attrs := append([]proto.Message{&api.OriginAttribute{Origin: 0}}, s.attrs...)
	if s.rd != 0 {
		f.Safi = api.Family_SAFI_MPLS_VPN
		nlri = &api.LabeledVPNIPAddressPrefix{
			Labels: []uint32{100 + s.rd}, PrefixLen: uint32(net.Bits()), Prefix: net.Addr().String(),
			Rd: any_(p.t, &api.RouteDistinguisherTwoOctetASN{Admin: 65001, Assigned: s.rd}),
		}
		var rts []*anypb.Any
		for _, n := range s.rts {
			rts = append(rts, any_(p.t, &api.TwoOctetAsSpecificExtended{IsTransitive: true, SubType: 2, Asn: 65000, LocalAdmin: n}))
		}
		attrs = append(attrs, &api.ExtendedCommunitiesAttribute{Communities: rts})
	}
	if s.nexthop == "" {
		s.nexthop = "192.0.2.7"
		if net.Addr().Is6() {
			s.nexthop = "2001:db8::7"
		}
	}
	attrs = append(attrs, &api.MpReachNLRIAttribute{Family: f, NextHops: []string{s.nexthop}, Nlris: []*anypb.Any{any_(p.t, nlri)}})
	out := &api.Path{Family: f, Nlri: any_(p.t, nlri), Identifier: s.id}
	for _, a := range attrs {
		out.Pattrs = append(out.Pattrs, any_(p.t, a))
	}
	return out
}

func (p *peer) announce(s spec) {
	p.t.Helper()
	if _, err := p.AddPath(context.Background(), &api.AddPathRequest{Path: p.path(s)}); err != nil {
		p.t.Fatal(err)
	}
}

func (p *peer) withdraw(s spec) {
	p.t.Helper()
	if err := p.DeletePath(context.Background(), &api.DeletePathRequest{Path: p.path(s)}); err != nil {
		p.t.Fatal(err)
	}
}

// seen is a route that arrived at a peer, as far as tests look at it.
type seen struct {
	nexthop     string
	med         uint32
	hasMED      bool
	communities []uint32
	large       string
	rts         int
	origin      uint32
}

// has returns the routes of a prefix that arrived at the peer; for a VPN prefix
// of an RD 65000:rd.
func (p *peer) has(pfx string, rd uint32) []seen {
	p.t.Helper()
	f := p.path(spec{prefix: pfx, rd: rd}).Family
	var out []seen
	err := p.ListPath(context.Background(), &api.ListPathRequest{TableType: api.TableType_GLOBAL, Family: f}, func(d *api.Destination) {
		for _, path := range d.Paths {
			if path.NeighborIp != "127.0.0.1" {
				continue
			}
			want := pfx
			if rd != 0 {
				want = fmt.Sprintf("65000:%d:%s", rd, pfx)
			}
			if d.Prefix == want {
				out = append(out, p.decode(path))
			}
		}
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return out
}

func (p *peer) decode(path *api.Path) seen {
	var s seen
	for _, a := range path.Pattrs {
		m, err := a.UnmarshalNew()
		if err != nil {
			p.t.Fatal(err)
		}
		switch m := m.(type) {
		case *api.NextHopAttribute:
			s.nexthop = m.NextHop
		case *api.MpReachNLRIAttribute:
			s.nexthop = m.NextHops[0]
		case *api.MultiExitDiscAttribute:
			s.med, s.hasMED = m.Med, true
		case *api.CommunitiesAttribute:
			s.communities = m.Communities
		case *api.LargeCommunitiesAttribute:
			for _, c := range m.Communities {
				s.large += fmt.Sprintf("%d:%d:%d ", c.GlobalAdmin, c.LocalData1, c.LocalData2)
			}
		case *api.ExtendedCommunitiesAttribute:
			s.rts = len(m.Communities)
		case *api.OriginAttribute:
			s.origin = m.Origin
		}
	}
	return s
}

func TestGlobalRoutes(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65001, allFamilies...)
	s := run(t, Options{Config: toJSON(t, baseConf(nil, []any{neighborConf(p.addr, 65001, p.port, allFamilies...)}))})
	f := s.feed(t, Default)

	p.announce(spec{prefix: "10.1.0.0/16", attrs: []proto.Message{
		&api.MultiExitDiscAttribute{Med: 77},
		&api.CommunitiesAttribute{Communities: []uint32{65001<<16 | 100}},
		&api.LargeCommunitiesAttribute{Communities: []*api.LargeCommunity{{GlobalAdmin: 65001, LocalData1: 1, LocalData2: 100}}},
		&api.AsPathAttribute{Segments: []*api.AsSegment{
			{Type: api.AsSegment_AS_SEQUENCE, Numbers: []uint32{64999}},
			{Type: api.AsSegment_AS_SET, Numbers: []uint32{1, 2, 3}},
		}},
	}})
	p.announce(spec{prefix: "2001:db8:1::/48"})

	got := s.await(t, Default, "10.1.0.0/16", count(1))[0]
	if got.RD != 0 || got.ID == 0 || got.Age == 0 {
		t.Errorf("path %+v: want RD 0, an id and an age", got)
	}
	want := &rib.Attrs{
		Nexthop: netip.MustParseAddr("192.0.2.7"), Peer: netip.MustParseAddr("127.0.0.2"),
		RouterID: netip.MustParseAddr("127.0.0.2"), PeerAS: 65001,
		LocalPref: 100, MED: 77,
		ASPath: []uint32{65001, 64999, 1, 2, 3}, ASPathLen: 3,
		Communities: []rib.Community{65001<<16 | 100},
		Large:       []rib.LargeCommunity{{Global: 65001, Local1: 1, Local2: 100}},
	}
	if !reflect.DeepEqual(got.Attrs, want) {
		t.Errorf("attributes\n%+v, want\n%+v", got.Attrs, want)
	}
	six := s.await(t, Default, "2001:db8:1::/48", count(1))[0]
	if six.Attrs.Nexthop != netip.MustParseAddr("2001:db8::7") {
		t.Errorf("IPv6 nexthop %s", six.Attrs.Nexthop)
	}

	p.withdraw(spec{prefix: "10.1.0.0/16"})
	p.withdraw(spec{prefix: "2001:db8:1::/48"})
	s.await(t, Default, "10.1.0.0/16", count(0))
	s.await(t, Default, "2001:db8:1::/48", count(0))
	eventually(t, "the default feed converges", f.Converged)
}

func TestIBGP(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65000, "ipv4-unicast")
	s := run(t, Options{Config: toJSON(t, baseConf(nil, []any{neighborConf(p.addr, 65000, p.port, "ipv4-unicast")}))})
	p.announce(spec{prefix: "10.1.0.0/16", attrs: []proto.Message{&api.LocalPrefAttribute{LocalPref: 250}}})
	a := s.await(t, Default, "10.1.0.0/16", count(1))[0].Attrs
	if !a.IBGP || a.LocalPref != 250 || a.PeerAS != 65000 || a.ASPathLen != 0 {
		t.Errorf("attributes %+v: want iBGP with preference 250", a)
	}
}

func TestRouteTargets(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65001, allFamilies...)
	vrfs := []any{
		vrfConf("red", "65000:1", []string{"65000:1", "65000:9"}, []string{"65000:1"}),
		vrfConf("blue", "65000:2", []string{"65000:2", "65000:9"}, []string{"65000:2"}),
	}
	s := run(t, Options{Config: toJSON(t, baseConf(vrfs, []any{neighborConf(p.addr, 65001, p.port, allFamilies...)}))})

	for _, pfx := range []string{"10.1.0.0/16", "2001:db8:1::/48"} {
		t.Run(pfx, func(t *testing.T) {
			p.announce(spec{prefix: pfx, rd: 1, rts: []uint32{1}})
			got := s.await(t, "red", pfx, count(1))[0]
			if got.Label != 101 || got.RD != rd(t, "65001:1") || got.Attrs.Source != "" || got.Attrs.Imported ||
				!slices.Equal(got.Attrs.RTs, []rib.RT{rt(t, "65000:1")}) {
				t.Errorf("path %+v, attributes %+v", got, got.Attrs)
			}
			// Another RD with the same prefix: both are candidates.
			p.announce(spec{prefix: pfx, rd: 2, rts: []uint32{9}})
			s.await(t, "red", pfx, count(2))
			s.await(t, "blue", pfx, count(1))
			// The withdrawal of one leaves the other.
			p.withdraw(spec{prefix: pfx, rd: 1, rts: []uint32{1}})
			left := s.await(t, "red", pfx, count(1))
			if left[0].RD != rd(t, "65001:2") {
				t.Errorf("left is RD %x", left[0].RD)
			}
			// Other RTs: it leaves the one and stays in the other.
			p.announce(spec{prefix: pfx, rd: 2, rts: []uint32{2}})
			s.await(t, "red", pfx, count(0))
			s.await(t, "blue", pfx, count(1))
			// RTs of nobody.
			p.announce(spec{prefix: pfx, rd: 2, rts: []uint32{5}})
			s.await(t, "blue", pfx, count(0))
			if n, _ := s.feed(t, Default).Len(); n != 0 {
				t.Errorf("%d VPN routes in the default feed", n)
			}
			p.withdraw(spec{prefix: pfx, rd: 2, rts: []uint32{5}})
		})
	}
	eventually(t, "feeds converge", func() bool {
		return s.feed(t, "red").Converged() && s.feed(t, "blue").Converged()
	})
}

func TestSharedAttributes(t *testing.T) {
	p := newPeer(t, "127.0.0.2", 65001, allFamilies...)
	s := run(t, Options{Config: toJSON(t, baseConf(nil, []any{neighborConf(p.addr, 65001, p.port, allFamilies...)}))})
	p.announce(spec{prefix: "2001:db8:1::/48"})
	p.announce(spec{prefix: "2001:db8:2::/48"})
	p.announce(spec{prefix: "2001:db8:3::/48", nexthop: "2001:db8::8"})
	a := s.await(t, Default, "2001:db8:1::/48", count(1))[0]
	b := s.await(t, Default, "2001:db8:2::/48", count(1))[0]
	c := s.await(t, Default, "2001:db8:3::/48", count(1))[0]
	if a.Attrs != b.Attrs {
		t.Error("two paths with the same attributes do not share them")
	}
	if a.Attrs == c.Attrs {
		t.Error("paths with different nexthops share their attributes")
	}
}

func TestMultipath(t *testing.T) {
	var peers []*peer
	var neighbors []any
	for _, addr := range []string{"127.0.0.2", "127.0.0.3"} {
		p := newPeer(t, addr, 65001, allFamilies...)
		peers = append(peers, p)
		neighbors = append(neighbors, neighborConf(p.addr, 65001, p.port, allFamilies...))
	}
	conf := baseConf([]any{vrfConf("red", "65000:1", []string{"65000:1"}, []string{"65000:1"})}, neighbors)
	conf["global"].(obj)["use-multiple-paths"] = obj{"config": obj{"enabled": true}}
	s := run(t, Options{Config: toJSON(t, conf)})

	for i, p := range peers {
		nh := fmt.Sprintf("192.0.2.%d", 10+i)
		p.announce(spec{prefix: "10.1.0.0/16", nexthop: nh})
		p.announce(spec{prefix: "10.2.0.0/16", nexthop: nh, rd: 1, rts: []uint32{1}})
	}
	for vrf, pfx := range map[string]string{Default: "10.1.0.0/16", "red": "10.2.0.0/16"} {
		paths := s.await(t, vrf, pfx, count(2))
		if paths[0].ID == paths[1].ID || paths[0].Attrs.Nexthop == paths[1].Attrs.Nexthop {
			t.Errorf("two paths of %s that are not told apart: %+v", pfx, paths)
		}
	}
	peers[0].withdraw(spec{prefix: "10.1.0.0/16"})
	peers[0].withdraw(spec{prefix: "10.2.0.0/16", rd: 1, rts: []uint32{1}})
	s.await(t, Default, "10.1.0.0/16", count(1))
	s.await(t, "red", "10.2.0.0/16", count(1))
	peers[1].withdraw(spec{prefix: "10.1.0.0/16"})
	s.await(t, Default, "10.1.0.0/16", count(0))
}
