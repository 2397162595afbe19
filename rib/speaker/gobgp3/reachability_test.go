package gobgp3

import (
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// trial has neighbours p, whose paths are better, and q, and one that listens, r.
type trial struct {
	t       *testing.T
	s       *running
	p, q, r *hostile
	prefix  string // that p and q announce
	vrf     string
	marks   int
}

// kind is what neighbours a trial has.
type kind struct {
	p, q, r   uint16 // their ASes
	vrf       string // of p and q
	rVRF      string
	v6        bool
	multipath bool
}

const ourAS = 65000

// start starts a trial, with all sessions up.
func (k kind) start(t *testing.T) *trial {
	t.Helper()
	families := []string{"ipv4-unicast", "ipv6-unicast"}
	x := &trial{t: t, vrf: k.vrf, prefix: "10.1.0.0/24"}
	if k.v6 {
		x.prefix = "2001:db8:1::/48"
	}
	x.p = newHostile(t, "127.0.0.2", k.p, both()...)
	x.q = newHostile(t, "127.0.0.3", k.q, both()...)
	caps, ofR := both(), families
	if k.rVRF != k.vrf {
		caps = append(caps, bgp.NewCapMultiProtocol(bgp.RF_IPv4_VPN), bgp.NewCapMultiProtocol(bgp.RF_IPv6_VPN))
		ofR = allFamilies
	}
	x.r = newHostile(t, "127.0.0.4", k.r, caps...)
	conf := redAnd(in(k.vrf, x.p.conf(families...)), in(k.vrf, x.q.conf(families...)), in(k.rVRF, x.r.conf(ofR...)))
	if k.multipath {
		set(conf, true, "global", "use-multiple-paths", "config", "enabled")
	}
	x.s = run(t, Options{Config: toJSON(t, conf)})
	eventually(t, "all sessions are up", func() bool { return x.p.isUp() && x.q.isUp() && x.r.isUp() })
	return x
}

// hopOf is the nexthop of a neighbour's paths.
func (x *trial) hopOf(p *hostile) string {
	n := p.addr[len(p.addr)-1:]
	if strings.Contains(x.prefix, ":") {
		return "2001:db8::" + n
	}
	return "192.0.2." + n
}

// update announces a prefix. Of q's paths the AS path is longer, or the preference lower.
func (x *trial) update(from *hostile, prefix, nexthop string, med uint32) *bgp.BGPMessage {
	var path []bgp.AsPathParamInterface
	if from.as != ourAS {
		ases := []uint16{from.as}
		if from == x.q {
			ases = append(ases, from.as)
		}
		path = append(path, bgp.NewAsPathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, ases))
	}
	attrs := []bgp.PathAttributeInterface{bgp.NewPathAttributeOrigin(0), bgp.NewPathAttributeAsPath(path)}
	pfx := netip.MustParsePrefix(prefix)
	if pfx.Addr().Is4() {
		attrs = append(attrs, bgp.NewPathAttributeNextHop(nexthop))
	}
	attrs = append(attrs, bgp.NewPathAttributeMultiExitDisc(med))
	if from.as == ourAS {
		pref := uint32(300)
		if from == x.q {
			pref = 200
		}
		attrs = append(attrs, bgp.NewPathAttributeLocalPref(pref))
	}
	if pfx.Addr().Is4() {
		return bgp.NewBGPUpdateMessage(nil, attrs, []*bgp.IPAddrPrefix{bgp.NewIPAddrPrefix(uint8(pfx.Bits()), pfx.Addr().String())})
	}
	nlri := bgp.NewIPv6AddrPrefix(uint8(pfx.Bits()), pfx.Addr().String())
	attrs = append(attrs, bgp.NewPathAttributeMpReachNLRI(nexthop, []bgp.AddrPrefixInterface{nlri}))
	return bgp.NewBGPUpdateMessage(nil, attrs, nil)
}

func (x *trial) announce(from *hostile) {
	x.t.Helper()
	x.send(from, x.update(from, x.prefix, x.hopOf(from), 0))
}

func (x *trial) withdraw(from *hostile) {
	x.t.Helper()
	pfx := netip.MustParsePrefix(x.prefix)
	if pfx.Addr().Is4() {
		x.send(from, bgp.NewBGPUpdateMessage([]*bgp.IPAddrPrefix{bgp.NewIPAddrPrefix(uint8(pfx.Bits()), pfx.Addr().String())}, nil, nil))
		return
	}
	nlri := bgp.NewIPv6AddrPrefix(uint8(pfx.Bits()), pfx.Addr().String())
	x.send(from, bgp.NewBGPUpdateMessage(nil, []bgp.PathAttributeInterface{bgp.NewPathAttributeMpUnreachNLRI([]bgp.AddrPrefixInterface{nlri})}, nil))
}

func (x *trial) send(from *hostile, m ...*bgp.BGPMessage) {
	x.t.Helper()
	if !from.send(m...) {
		x.t.Fatalf("%s has no session", from.addr)
	}
}

// unreached says that the nexthops of neighbours are not reached, and waits until BGP has
// taken that in.
func (x *trial) unreached(of ...*hostile) {
	x.t.Helper()
	said := make(map[rib.PathNexthop]struct{})
	for _, p := range of {
		said[rib.PathNexthop{Nexthop: netip.MustParseAddr(x.hopOf(p))}] = struct{}{}
	}
	x.say(said)
}

func (x *trial) say(said map[rib.PathNexthop]struct{}) {
	x.t.Helper()
	x.s.Unreached(x.vrf, said)
	x.s.settled(x.t)
}

// settled waits until all that was said is taken in, and neighbours are told.
func (r *running) settled(t testing.TB) {
	t.Helper()
	eventually(t, "what was said of nexthops is taken in", func() (is bool) {
		reach := r.keeper.reach
		_ = r.keeper.inLoop(func() error {
			reach.mu.Lock()
			defer reach.mu.Unlock()
			is = !reach.again && len(reach.news) == 0 && reach.walk == nil && len(reach.flags.owed) == 0
			return nil
		})
		return is
	})
}

// holdsNothing fails where a prefix counts as one with flagged paths.
func (r *running) holdsNothing(t testing.TB) {
	t.Helper()
	r.settled(t)
	_ = r.keeper.inLoop(func() error {
		if r.keeper.reach.flags.holds() {
			t.Error("prefixes are still held")
		}
		return nil
	})
}

// hears fails unless r has heard just that since the last call: "+" and an AS path, or
// "-". by is who was at work: with a prefix of its own it marks the end.
func (x *trial) hears(by *hostile, what string, want ...string) {
	x.t.Helper()
	x.marks++
	mark := fmt.Sprintf("198.51.100.%d/32", x.marks)
	x.send(by, x.update(by, mark, "192.0.2.200", 0))
	var got []string
	eventually(x.t, what+": the mark comes", func() bool {
		for _, u := range x.r.heard() {
			got = append(got, u...)
		}
		return slices.ContainsFunc(got, func(s string) bool { return strings.Contains(s, mark) })
	})
	got = slices.DeleteFunc(got, func(s string) bool { return !strings.Contains(s, x.prefix) })
	for i, s := range got {
		got[i], _, _ = strings.Cut(s, " of ")
	}
	if !slices.Equal(got, want) {
		x.t.Errorf("%s: r hears %q, want %q", what, got, want)
	}
}

// heard are the UPDATEs since the last call: "+65000 65001 of 10.1.0.0/24", or "- of
// 10.1.0.0/24".
func (p *hostile) heard() (all [][]string) {
	p.mu.Lock()
	news := p.news
	p.news = nil
	p.mu.Unlock()
	for _, u := range news {
		var lines []string
		path := "+"
		for _, a := range u.PathAttributes {
			if a, is := a.(*bgp.PathAttributeAsPath); is {
				path = "+" + bgp.AsPathString(a)
			}
		}
		for _, n := range u.NLRI {
			lines = append(lines, path+" of "+n.String())
		}
		for _, n := range u.WithdrawnRoutes {
			lines = append(lines, "- of "+n.String())
		}
		for _, a := range u.PathAttributes {
			switch a := a.(type) {
			case *bgp.PathAttributeMpReachNLRI:
				for _, n := range a.Value {
					lines = append(lines, path+" of "+n.String())
				}
			case *bgp.PathAttributeMpUnreachNLRI:
				for _, n := range a.Value {
					lines = append(lines, "- of "+n.String())
				}
			}
		}
		all = append(all, lines)
	}
	return all
}

// reset has a session reset softly, and tells in which direction.
func (x *trial) reset(of *hostile, d api.ResetPeerRequest_SoftResetDirection) {
	x.t.Helper()
	if err := x.s.server().ResetPeer(context.Background(), &api.ResetPeerRequest{Address: of.addr, Soft: true, Direction: d}); err != nil {
		x.t.Fatal(err)
	}
	x.s.allParts(x.t) // it goes on in parts, between which others are told
}

// adjOut is how many paths of the prefix GoBGP says that r was told of.
func (x *trial) adjOut() (n int) {
	x.t.Helper()
	for _, f := range allFamilies {
		_ = x.s.server().ListPath(context.Background(), &api.ListPathRequest{
			TableType: api.TableType_ADJ_OUT, Name: x.r.addr, Family: family(f),
		}, func(d *api.Destination) {
			if strings.Contains(d.Prefix, x.prefix) {
				n += len(d.Paths)
			}
		})
	}
	return n
}

func kinds() map[string]kind {
	const none = speaker.Default
	return map[string]kind{
		"eBGP":             {65001, 65002, 65009, none, none, false, false},
		"towards iBGP":     {65001, 65002, ourAS, none, none, false, false},
		"from iBGP":        {ourAS, ourAS, 65009, none, none, false, false},
		"IPv6":             {65001, 65002, 65009, none, none, true, false},
		"multipath":        {65001, 65002, 65009, none, none, false, true},
		"VRF":              {65001, 65002, 65009, "red", "red", false, false},
		"VRF IPv6":         {65001, 65002, 65009, "red", "red", true, false},
		"VRF from iBGP":    {ourAS, ourAS, 65009, "red", "red", false, false},
		"VRF to PE":        {65001, 65002, ourAS, "red", none, false, false},
		"VRF to PE IPv6":   {65001, 65002, ourAS, "red", none, true, false},
		"VRF to eBGP's PE": {65001, 65002, 65009, "red", none, false, true},
	}
}

// paths are what r hears of p's path and of q's.
func (k kind) paths() (p, q string) {
	text := func(as uint16, n int) string {
		var list []string
		if k.r != ourAS {
			list = append(list, "65000")
		}
		for range n {
			if as != ourAS {
				list = append(list, fmt.Sprint(as))
			}
		}
		return "+" + strings.Join(list, " ")
	}
	return text(k.p, 1), text(k.q, 2)
}

// TestUnreachedNexthops: neighbours are told of the next path, or of none, and of nothing
// twice.
func TestUnreachedNexthops(t *testing.T) {
	for name, k := range kinds() {
		t.Run(name, func(t *testing.T) {
			x := k.start(t)
			ofP, ofQ := k.paths()
			x.announce(x.p)
			x.hears(x.p, "p announces", ofP)
			x.announce(x.q)
			x.hears(x.q, "q announces a worse path")

			x.unreached(x.p)
			x.hears(x.p, "p is not reached", ofQ)
			x.announce(x.p)
			x.hears(x.p, "p says it again")
			x.reset(x.p, api.ResetPeerRequest_IN)
			x.hears(x.p, "soft reset in of p")
			x.reset(x.q, api.ResetPeerRequest_IN)
			x.hears(x.q, "soft reset in of q")
			x.reset(x.r, api.ResetPeerRequest_OUT)
			x.hears(x.p, "soft reset out", ofQ)
			x.unreached(x.p, x.q)
			x.hears(x.q, "neither is reached", "-")
			if n := x.adjOut(); n != 0 {
				t.Errorf("neither is reached: %d paths in adj-out", n)
			}
			x.announce(x.q)
			x.hears(x.q, "q says it again")
			x.reset(x.r, api.ResetPeerRequest_OUT)
			x.hears(x.p, "soft reset out, with nothing to tell")
			x.withdraw(x.p)
			x.hears(x.p, "p withdraws what was not told")
			x.announce(x.p)
			x.hears(x.p, "p announces what is not reached")

			x.unreached(x.q)
			x.hears(x.p, "p is reached again", ofP)
			x.withdraw(x.p)
			x.hears(x.p, "p withdraws, and q is not reached", "-")
			x.announce(x.p)
			x.hears(x.p, "p announces again", ofP)
			x.unreached(x.p)
			x.hears(x.p, "they change places", ofQ)
			x.withdraw(x.q)
			x.hears(x.q, "q withdraws, and p is not reached", "-")
			x.unreached()
			x.hears(x.p, "all are reached", ofP)
			x.s.holdsNothing(t)
		})
	}
}
