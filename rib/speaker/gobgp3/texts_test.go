package gobgp3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/netip"
	"slices"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/apiutil"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// TestTextsGoBack: an IP prefix route that has its text with it says what it says by itself, and is
// itself again once GoBGP has looked it up, or when the message is over.
func TestTextsGoBack(t *testing.T) {
	var lent texts
	for asks := range lookups + 2 {
		for _, rd := range rdsOfAllKinds() {
			nlri := evpnNLRI(rd, netip.MustParsePrefix("2001:db8::/48"), 100)
			r, text := ipPrefixOf(nlri), nlri.String()
			wire, err := nlri.Serialize()
			if err != nil {
				t.Fatal(err)
			}
			lent.lend(nlri, r, text)
			if nlri.RouteTypeData == bgp.EVPNRouteTypeInterface(r) {
				t.Fatal("it has no text with it")
			}
			if b, err := nlri.Serialize(); err != nil || !slices.Equal(b, wire) {
				t.Errorf("%s is %x on the wire, and was %x: %v", text, b, wire, err)
			}
			for range asks {
				if got := tableKey(&bgpTable{}, nlri); got != text {
					t.Errorf("it is called %q, and not %q", got, text)
				}
			}
			if is := nlri.RouteTypeData == bgp.EVPNRouteTypeInterface(r); is != (asks >= lookups) {
				t.Errorf("after %d of %d look-ups it is itself: %v", asks, lookups, is)
			}
			lent.takeBack()
			if nlri.RouteTypeData != bgp.EVPNRouteTypeInterface(r) || lent.n != 0 || *lent.lent[0] != (routeWithText{}) {
				t.Errorf("after %d look-ups %s is not itself again", asks, text)
			}
		}
	}
}

// fives are an UPDATE that announces, or withdraws, IP prefix routes from the from-th on; by is the
// first AS of their path.
func (p *hostile) fives(withdraw bool, by uint16, from, n int) *bgp.BGPMessage {
	var list []bgp.AddrPrefixInterface
	for i := range n {
		list = append(list, evpnNLRI(bgp.NewRouteDistinguisherTwoOctetAS(p.as, 1), prefix(nth(false, from+i).String()), 100))
	}
	if withdraw {
		return bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{bgp.NewPathAttributeMpUnreachNLRI(list)}, nil)
	}
	return bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{
		bgp.NewPathAttributeOrigin(0),
		bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAsPathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint16{p.as, by})}),
		bgp.NewPathAttributeExtendedCommunities([]bgp.ExtendedCommunityInterface{bgp.NewTwoOctetAsSpecificExtended(bgp.EC_SUBTYPE_ROUTE_TARGET, 65000, 1, true)}),
		bgp.NewPathAttributeMpReachNLRI("192.0.2.7", list),
	}, nil)
}

// routes are the keys of the IP prefix routes that a neighbour was told of and not told to forget.
func (p *hostile) routes() map[string]bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	has := make(map[string]bool)
	for _, u := range p.news {
		for _, a := range u.PathAttributes {
			switch a := a.(type) {
			case *bgp.PathAttributeMpReachNLRI:
				for _, n := range a.Value {
					has[n.String()] = true
				}
			case *bgp.PathAttributeMpUnreachNLRI:
				for _, n := range a.Value {
					delete(has, n.String())
				}
			}
		}
	}
	return has
}

// itself tells that every route of EVPN that GoBGP has is as it was decoded, and under its own key.
func (r *running) itself(t *testing.T) {
	t.Helper()
	if err := r.keeper.inLoop(func() error {
		tables := []*bgpTable{r.keeper.rib().Tables[bgp.RF_EVPN]}
		for _, p := range r.keeper.peers() {
			tables = append(tables, p.adjIn().table[bgp.RF_EVPN])
		}
		for _, table := range tables {
			for key, d := range table.destinations {
				nlris := []bgp.AddrPrefixInterface{d.nlri}
				for _, p := range d.knownPathList {
					nlris = append(nlris, p.origin().nlri)
				}
				for _, n := range nlris {
					if ipPrefixOf(n) == nil || n.String() != key {
						return fmt.Errorf("%s is a %T, under %s", n, n.(*bgp.EVPNNLRI).RouteTypeData, key)
					}
				}
			}
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// TestTextsUnseen: nobody sees that routes have their texts with them: other neighbours are told of each,
// as GoBGP has it, whether it is new, comes again, is refused or withdrawn; and a client of the API that
// watches what neighbours send reads them.
func TestTextsUnseen(t *testing.T) {
	for _, watched := range []bool{false, true} {
		t.Run(fmt.Sprintf("watched: %v", watched), func(t *testing.T) {
			caps := []bgp.ParameterCapabilityInterface{bgp.NewCapMultiProtocol(bgp.RF_EVPN), bgp.NewCapRouteRefresh()}
			p, q := newHostile(t, "127.0.0.2", 65001, caps...), newHostile(t, "127.0.0.3", 65002, caps...)
			s := run(t, Options{Config: toJSON(t, baseConf(nil, []any{p.conf("l2vpn-evpn"), q.conf("l2vpn-evpn")}))})
			eventually(t, "two sessions", func() bool { return p.isUp() && q.isUp() })
			if watched {
				s.readsAll(t)
			}
			for _, says := range []struct {
				withdraw bool
				by       uint16
				want     int
			}{{false, 65010, 400}, {false, 65011, 400}, {true, 0, 0}, {true, 0, 0}, {false, 65010, 400}} {
				for from := 0; from < 400; from += 100 {
					p.send(p.fives(says.withdraw, says.by, from, 100))
				}
				s.awaitKept(t, says.want, says.want)
				eventually(t, fmt.Sprintf("the other neighbour has %d routes", says.want), func() bool { return len(q.routes()) == says.want })
				s.itself(t)
			}
			p.send(p.fives(false, 65000, 0, 50)) // by our own AS
			s.awaitKept(t, 350, 350)
			eventually(t, "the other neighbour has the rest", func() bool { return len(q.routes()) == 350 })
			s.itself(t)
		})
	}
}

// readsAll has a client watch what neighbours send, until the test ends, and fail where it cannot read a
// route.
func (r *running) readsAll(t *testing.T) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	filter := &api.WatchEventRequest_Table_Filter{Type: api.WatchEventRequest_Table_Filter_ADJIN}
	stream, err := r.client(t).WatchEvent(ctx, &api.WatchEventRequest{Table: &api.WatchEventRequest_Table{Filters: []*api.WatchEventRequest_Table_Filter{filter}}})
	if err != nil {
		t.Fatal(err)
	}
	read, done := 0, make(chan struct{})
	go func() {
		defer close(done)
		for {
			m, err := stream.Recv()
			if err != nil {
				if !errors.Is(err, io.EOF) && ctx.Err() == nil {
					t.Error(err)
				}
				return
			}
			for _, path := range m.GetTable().GetPaths() {
				if path.Nlri == nil {
					continue // an End-of-RIB
				}
				nlri, err := apiutil.GetNativeNlri(path)
				if err != nil || ipPrefixOf(nlri) == nil {
					t.Errorf("%v cannot be read: %v", path, err)
				}
				read++
			}
		}
	}()
	t.Cleanup(func() {
		cancel()
		if <-done; read == 0 {
			t.Error("the client was told of nothing")
		}
	})
	eventually(t, "the client watches", func() (is bool) {
		_ = r.keeper.inLoop(func() error { is = overheard(r.keeper.loop); return nil })
		return is
	})
}
