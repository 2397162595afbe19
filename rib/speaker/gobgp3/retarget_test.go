package gobgp3

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"google.golang.org/protobuf/types/known/anypb"

	"github.com/vrfredist/vrfredist/rib"
)

// retargeting is a router with the VRF red, which has two customers, and blue, with one; a PE that
// takes all VPN routes, and one that asks for those of some targets alone (RFC 4684).
type retargeting struct {
	*running
	t                     *testing.T
	pe, asking            *peer
	customer, site, other *peer
	neighbors             []any
	since                 map[*peer]int64
	own                   []string // red's: announced by ourselves, a client of the API, and the customer
}

func newRetargeting(t *testing.T) *retargeting {
	x := &retargeting{
		t: t, pe: newPeer(t, "127.0.0.2", 65000, allFamilies...), asking: newPeer(t, "127.0.0.3", 65000, "rtc", "l3vpn-ipv4-unicast"),
		customer: newPeer(t, "127.0.0.4", 65003, "ipv4-unicast"), site: newPeer(t, "127.0.0.5", 65004, "ipv4-unicast"),
		other: newPeer(t, "127.0.0.6", 65006, "ipv4-unicast"), since: make(map[*peer]int64),
		own: []string{"10.9.0.0/16", "10.8.0.0/16", "10.2.0.0/16"},
	}
	x.neighbors = []any{
		neighborConf(x.pe.addr, 65000, x.pe.port, allFamilies...), neighborConf(x.asking.addr, 65000, x.asking.port, "rtc", "l3vpn-ipv4-unicast"),
		inVRF(neighborConf(x.customer.addr, 65003, x.customer.port, "ipv4-unicast"), "red"),
		inVRF(neighborConf(x.site.addr, 65004, x.site.port, "ipv4-unicast"), "red"),
		inVRF(neighborConf(x.other.addr, 65006, x.other.port, "ipv4-unicast"), "blue"),
	}
	x.asking.asks(2)
	return x
}

// config is one with the import and export targets of red; blue has 65000:2.
func (x *retargeting) config(imports, exports string) []byte {
	return toJSON(x.t, baseConf([]any{
		vrfConf("blue", "65000:2", []string{"65000:2"}, []string{"65000:2"}), vrfConf("red", "65000:1", targetList(imports), targetList(exports)),
	}, x.neighbors))
}

// targetList are those of AS 65000 with some numbers.
func targetList(numbers string) (rts []string) {
	for n := range strings.FieldsSeq(numbers) {
		rts = append(rts, "65000:"+n)
	}
	return rts
}

// start runs the router, with routes.
func (x *retargeting) start(o Options, prepare func(*Speaker)) {
	x.t.Helper()
	x.running = runWith(x.t, o, prepare)
	x.pe.announce(spec{prefix: "10.7.0.0/16", rd: 7, rts: []uint32{7}})
	x.customer.announce(spec{prefix: x.own[2]})
	x.announce(x.t, "red", change(x.own[0], 1))
	if _, err := x.keeper.server().AddPath(x.t.Context(), &api.AddPathRequest{TableType: api.TableType_VRF, VrfId: "red", Path: x.customer.path(spec{prefix: x.own[1]})}); err != nil {
		x.t.Fatal(err)
	}
	for _, p := range []*peer{x.pe, x.asking, x.customer, x.site, x.other} {
		eventually(x.t, p.addr+" is up", func() bool { x.since[p] = x.established(x.t, p.addr); return x.since[p] != 0 })
	}
}

// asks has a PE ask for the routes of a target.
func (p *peer) asks(n uint32) {
	p.t.Helper()
	f := &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_ROUTE_TARGET_CONSTRAINTS}
	target := any_(p.t, &api.TwoOctetAsSpecificExtended{IsTransitive: true, SubType: 2, Asn: 65000, LocalAdmin: n})
	nlri := any_(p.t, &api.RouteTargetMembershipNLRI{Asn: 65000, Rt: target})
	reach := &api.MpReachNLRIAttribute{Family: f, NextHops: []string{"0.0.0.0"}, Nlris: []*anypb.Any{nlri}}
	path := &api.Path{Family: f, Nlri: nlri, Pattrs: []*anypb.Any{any_(p.t, &api.OriginAttribute{}), any_(p.t, reach)}}
	if _, err := p.AddPath(context.Background(), &api.AddPathRequest{Path: path}); err != nil {
		p.t.Fatal(err)
	}
}

// asked are the targets that we ask a PE for.
func (p *peer) asked() (list []string) {
	p.t.Helper()
	f := &api.Family{Afi: api.Family_AFI_IP, Safi: api.Family_SAFI_ROUTE_TARGET_CONSTRAINTS}
	if err := p.ListPath(context.Background(), &api.ListPathRequest{TableType: api.TableType_GLOBAL, Family: f}, func(d *api.Destination) {
		for _, path := range d.Paths {
			if path.NeighborIp == "127.0.0.1" {
				list = append(list, d.Prefix)
			}
		}
	}); err != nil {
		p.t.Fatal(err)
	}
	slices.Sort(list)
	return list
}

// losses are the routes that a peer was told to forget.
type losses struct {
	mu   sync.Mutex
	list []string // guarded by mu
}

func (l *losses) all() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.list)
}

// loses notes what a peer is told to forget from here on.
func (p *peer) loses(ctx context.Context) *losses {
	p.t.Helper()
	l := new(losses)
	filter := &api.WatchEventRequest_Table_Filter{Type: api.WatchEventRequest_Table_Filter_ADJIN}
	err := p.WatchEvent(ctx, &api.WatchEventRequest{Table: &api.WatchEventRequest_Table{Filters: []*api.WatchEventRequest_Table_Filter{filter}}}, func(r *api.WatchEventResponse) {
		l.mu.Lock()
		defer l.mu.Unlock()
		for _, path := range r.GetTable().GetPaths() {
			if path.IsWithdraw {
				l.list = append(l.list, path.String())
			}
		}
	})
	if err != nil {
		p.t.Fatal(err)
	}
	return l
}

// hears waits until a peer has red's own routes, as VPN routes where rd is not 0, or has none.
func (x *retargeting) hears(when string, p *peer, rd uint32, is bool) {
	x.t.Helper()
	for _, pfx := range x.own {
		if p == x.customer && pfx == x.own[2] {
			continue // it is its own
		}
		eventually(x.t, fmt.Sprintf("%s: %s hears %s: %v", when, p.addr, pfx, is), func() bool { return len(p.has(pfx, rd)) == 1 == is })
	}
}

// is waits until all have what the targets of red say.
func (x *retargeting) is(imports, exports string, screened bool) {
	x.t.Helper()
	when := fmt.Sprintf("import %s, export %s", imports, exports)
	of := func(list, n string) bool { return slices.Contains(strings.Fields(list), n) }
	meets := slices.ContainsFunc(strings.Fields(imports), func(n string) bool { return of(exports, n) })
	x.hears(when, x.customer, 0, meets)
	x.hears(when, x.site, 0, meets)
	x.hears(when, x.other, 0, of(exports, "2"))
	x.hears(when, x.asking, 1, of(exports, "2"))
	for _, pfx := range x.own {
		eventually(x.t, when+": the targets that the PE hears "+pfx+" with", func() bool {
			got := x.pe.has(pfx, 1)
			return len(got) == 1 && got[0].rts == len(strings.Fields(exports))
		})
		x.await(x.t, "blue", pfx, func(p []rib.Path) bool { return len(p) == 1 == of(exports, "2") })
		x.await(x.t, "red", pfx, func(p []rib.Path) bool { return len(p) == 1 == meets })
	}
	x.await(x.t, "red", "10.7.0.0/16", func(p []rib.Path) bool { return len(p) == 1 == of(imports, "7") })
	eventually(x.t, when+": what the PE sent is told", func() bool { return len(x.site.has("10.7.0.0/16", 0)) == 1 == (of(imports, "7") && !screened) })
	want := []string{"65000:65000:2"}
	for _, rt := range targetList(imports) {
		want = append(want, "65000:"+rt)
	}
	slices.Sort(want)
	eventually(x.t, when+": what the PE is asked for", func() bool { return slices.Equal(x.asking.asked(), slices.Compact(want)) })
	for p, since := range x.since {
		if now := x.established(x.t, p.addr); now != since {
			x.t.Errorf("%s: the session of %s is up since %d, was %d", when, p.addr, now, since)
		}
	}
	if got := x.Drift(); len(got) > 0 {
		x.t.Errorf("%s: BGP is taken for changed by others: %v", when, got)
	}
}

// turns are targets of red, one after the other.
var turns = [][2]string{
	{"1", "1"}, {"1 7", "1"}, {"1", "1"}, {"1", "1 2"}, {"1", "1"}, {"5", "5"}, {"1 7", "1 2"}, {"1", "3"}, {"3", "2 3"}, {"3", "3"}, {"2 3", "3"}, {"3", "3"},
}

func (x *retargeting) turns(extras rib.Extras) {
	x.t.Helper()
	x.is(turns[0][0], turns[0][1], len(extras.Screened) > 0)
	for i, turn := range turns[1:] {
		ctx, cancel := context.WithCancel(x.t.Context())
		site, red := x.site.loses(ctx), x.feed(x.t, "red")
		drain(red)
		if _, err := x.Reload(x.t.Context(), x.config(turn[0], turn[1]), extras); err != nil {
			x.t.Fatal(err)
		}
		x.is(turn[0], turn[1], len(extras.Screened) > 0)
		if was := turns[i]; was[0] == was[1] && turn[0] == turn[1] {
			if lost := site.all(); len(lost) > 0 {
				x.t.Errorf("%v: a neighbour of the VRF was told to forget %v", turn, lost)
			}
		}
		cancel()
	}
}

// TestRetargetedVRF: with other route targets a VRF's routes come and go as the targets say, in the VRF, in
// others, at neighbours and PEs, and no session ends.
func TestRetargetedVRF(t *testing.T) {
	x := newRetargeting(t)
	x.start(Options{Config: x.config(turns[0][0], turns[0][1])}, func(*Speaker) {})
	x.turns(rib.Extras{})
}

// TestRetargetedScreenedVRF: the same where a policy of the VRF judges what its neighbours hear of others.
func TestRetargetedScreenedVRF(t *testing.T) {
	x := newRetargeting(t)
	extras := rib.Extras{Screened: []string{"red"}}
	x.start(Options{Config: x.config(turns[0][0], turns[0][1]), Extras: extras}, func(s *Speaker) {
		if err := s.Withhold(context.Background(), screened("red")); err != nil {
			t.Fatal(err)
		}
	})
	x.turns(extras)
}

// TestMembershipOfScreenedVRF: where two VRFs want a target, and one of them goes, other routers go on
// being asked for it, if a policy judges what the other hears, too.
func TestMembershipOfScreenedVRF(t *testing.T) {
	x := newRetargeting(t)
	extras := rib.Extras{Screened: []string{"red"}}
	x.start(Options{Config: x.config("1 2", "1"), Extras: extras}, func(s *Speaker) {
		if err := s.Withhold(context.Background(), screened("red")); err != nil {
			t.Fatal(err)
		}
	})
	eventually(t, "the PE is asked", func() bool { return slices.Equal(x.asking.asked(), []string{"65000:65000:1", "65000:65000:2"}) })
	lost := x.asking.loses(t.Context())
	red := baseConf([]any{vrfConf("red", "65000:1", targetList("1 2"), targetList("1 7"))}, x.neighbors[:4])
	if _, err := x.Reload(t.Context(), toJSON(t, red), extras); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the PE has heard of the reload", func() bool { got := x.pe.has(x.own[0], 1); return len(got) == 1 && got[0].rts == 2 })
	if got := x.asking.asked(); !slices.Equal(got, []string{"65000:65000:1", "65000:65000:2"}) || len(lost.all()) > 0 {
		t.Errorf("the PE is asked for %v, and was told to forget %v", got, lost.all())
	}
}
