package gobgp3

import (
	"context"
	"fmt"
	"strings"
	"testing"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/server"
	"google.golang.org/protobuf/proto"
	"google.golang.org/protobuf/types/known/anypb"
)

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

// stopBGP ends a router's sessions before the router: GoBGP's StopBgp clears the global
// configuration while the goroutine of a session that is up still reads it.
func stopBGP(b *server.BgpServer) {
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	var names []string
	up := func(do func(*api.Peer)) (n int) {
		_ = b.ListPeer(ctx, &api.ListPeerRequest{}, func(p *api.Peer) { // it fails where it was stopped already
			if p.State.SessionState == api.PeerState_ESTABLISHED {
				n++
			}
			do(p)
		})
		return n
	}
	up(func(p *api.Peer) { names = append(names, p.State.NeighborAddress) })
	for _, name := range names {
		_ = b.DisablePeer(ctx, &api.DisablePeerRequest{Address: name}) // so does this where a dynamic one left
	}
	for up(func(*api.Peer) {}) > 0 && ctx.Err() == nil {
		time.Sleep(time.Millisecond)
	}
	_ = b.StopBgp(ctx, &api.StopBgpRequest{})
}

// newServer is a server of GoBGP's, which whoever asks for it has serve, and stop before the test ends.
func newServer(t testing.TB) *server.BgpServer {
	t.Helper()
	t.Cleanup(countServer())
	return server.NewBgpServer(server.LoggerOption(quiet{}))
}

// newPeer starts a router that awaits a session from 127.0.0.1.
func newPeer(t testing.TB, addr string, as uint32, families ...string) *peer {
	t.Helper()
	p := &peer{BgpServer: newServer(t), t: t, addr: addr, as: as, port: freePort(t)}
	go p.Serve()
	ctx := context.Background()
	if err := p.StartBgp(ctx, &api.StartBgpRequest{Global: &api.Global{
		Asn: as, RouterId: addr, ListenPort: int32(p.port), ListenAddresses: []string{addr},
		UseMultiplePaths: t.Name() == "TestMultipath",
	}}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stopBGP(p.BgpServer) })
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
		Timers:          &api.Timers{Config: &api.TimersConfig{IdleHoldTimeAfterReset: 1}},
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
	if name == "rtc" {
		f.Safi = api.Family_SAFI_ROUTE_TARGET_CONSTRAINTS
	}
	if name == "l2vpn-evpn" {
		f.Afi, f.Safi = api.Family_AFI_L2VPN, api.Family_SAFI_EVPN
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
	asPath      []uint32
}

// has returns the routes of a prefix that arrived at the peer; for a VPN prefix
// of an RD 65000:rd.
func (p *peer) has(pfx string, rd uint32) []seen {
	p.t.Helper()
	return p.hasText("65000", pfx, rd)
}

// hasText is has for an RD as:rd.
func (p *peer) hasText(as, pfx string, rd uint32) []seen {
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
				want = fmt.Sprintf("%s:%d:%s", as, rd, pfx)
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
		case *api.AsPathAttribute:
			for _, segment := range m.Segments {
				s.asPath = append(s.asPath, segment.Numbers...)
			}
		}
	}
	return s
}
