package gobgp3

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// external is a trial of eBGP neighbours in no VRF; inRed of such in a VRF.
var (
	external = kind{65001, 65002, 65009, speaker.Default, speaker.Default, false, false}
	inRed    = kind{65001, 65002, 65009, "red", "red", false, false}
)

const (
	ofP = "+65000 65001"
	ofQ = "+65000 65002 65002"
)

// both trials.
func eachTrial(t *testing.T, f func(x *trial)) {
	t.Helper()
	for name, k := range map[string]kind{"default": external, "VRF": inRed} {
		t.Run(name, func(t *testing.T) { f(k.start(t)) })
	}
}

// via announces the prefix by another nexthop.
func (x *trial) via(from *hostile, nexthop string) {
	x.t.Helper()
	x.send(from, x.update(from, x.prefix, nexthop, 0))
}

// gone says that nexthops are not reached.
func (x *trial) gone(nexthops ...string) {
	x.t.Helper()
	said := make(map[rib.PathNexthop]struct{})
	for _, n := range nexthops {
		said[rib.PathNexthop{Nexthop: netip.MustParseAddr(n)}] = struct{}{}
	}
	x.say(said)
}

// both has p announce, and then q.
func (x *trial) both() {
	x.t.Helper()
	x.announce(x.p)
	x.hears(x.p, "p announces", ofP)
	x.announce(x.q)
	x.hears(x.q, "q announces a worse path")
}

// awaitRefused waits until what the VRF says is not heeded, or is again.
func (x *trial) awaitRefused(is bool) {
	x.t.Helper()
	eventually(x.t, fmt.Sprintf("not heeded: %v", is), func() (as bool) {
		_ = x.s.keeper.inLoop(func() error { as = (x.s.keeper.reach.refused[x.vrf] != "") == is; return nil })
		return as
	})
	x.s.settled(x.t)
}

// TestUnreachedArrivals: of a path that arrives and is not reached nobody hears, whatever
// the neighbour said before, and however bad the path is.
func TestUnreachedArrivals(t *testing.T) {
	const dead, live = "192.0.2.66", "192.0.2.77"
	eachTrial(t, func(x *trial) {
		x.gone(dead)
		x.via(x.p, dead)
		x.hears(x.p, "the first path is not reached")
		x.via(x.p, live)
		x.hears(x.p, "it has another nexthop", ofP)
		x.via(x.p, dead)
		x.hears(x.p, "and the first one again", "-")
		x.announce(x.q)
		x.hears(x.q, "q announces", ofQ)
		x.via(x.p, dead)
		x.hears(x.p, "p says it again")
		x.via(x.p, live)
		x.hears(x.p, "p has another nexthop", ofP)
		x.via(x.p, dead)
		x.hears(x.p, "and the first one again", ofQ)
		x.withdraw(x.p)
		x.hears(x.p, "p withdraws")
		x.via(x.p, dead)
		x.hears(x.p, "it comes beside q's")
		x.withdraw(x.p)
		x.via(x.p, live)
		x.hears(x.p, "p is better", ofP)
		x.via(x.q, dead)
		x.hears(x.q, "the worse path is not reached")
		x.withdraw(x.p)
		x.hears(x.p, "the worse one is left", "-")
		x.gone()
		x.hears(x.p, "it is reached", ofQ)
		x.gone(dead)
		x.hears(x.p, "it is not", "-")
		x.withdraw(x.q)
		x.hears(x.p, "it goes")
		x.gone()
		x.s.holdsNothing(x.t)
	})
}

// TestUnreachedSessions: the end of a neighbour's session, a session that begins, and a
// route refresh.
func TestUnreachedSessions(t *testing.T) {
	eachTrial(t, func(x *trial) {
		again := func(p *hostile) {
			x.t.Helper()
			x.s.again(x.t, p)
		}
		x.both()
		x.unreached(x.p)
		x.hears(x.p, "p is not reached", ofQ)
		x.send(x.r, bgp.NewBGPRouteRefreshMessage(bgp.AFI_IP, 0, bgp.SAFI_UNICAST))
		eventually(x.t, "the route refresh is answered", func() bool {
			x.r.mu.Lock()
			defer x.r.mu.Unlock()
			return len(x.r.news) > 0
		})
		x.hears(x.p, "route refresh", ofQ)
		again(x.r)
		x.hears(x.p, "a new session of r", ofQ)
		if n := x.adjOut(); n != 1 {
			x.t.Errorf("%d paths in adj-out", n)
		}
		again(x.q)
		x.hears(x.p, "q's session ends", "-")
		again(x.r)
		x.hears(x.p, "a new session of r, where nothing is reached")
		again(x.p)
		x.hears(x.p, "p's session ends")
		x.unreached()
		x.s.holdsNothing(x.t)
	})
}

// TestUnreachedBesideOurs: a route of our own comes and goes beside paths that are not
// reached, by whichever way it goes into GoBGP's tables.
func TestUnreachedBesideOurs(t *testing.T) {
	eachTrial(t, func(x *trial) {
		for name, put := range map[string]func(c rib.AnnounceChange){
			"batched": func(c rib.AnnounceChange) { x.s.announce(x.t, x.vrf, c) },
			"one by one": func(c rib.AnnounceChange) {
				_ = x.s.keeper.inLoop(func() error {
					serverPropagate(x.s.server(), nil, paths(x.s.keeper.rib().Vrfs[x.vrf], 65000, []rib.AnnounceChange{c}))
					return nil
				})
			},
		} {
			x.unreached(x.p)
			x.announce(x.p)
			x.hears(x.p, name+": p is not reached")
			put(change(x.prefix, 1))
			x.hears(x.p, name+": we announce", "+65000")
			put(withdrawal(x.prefix))
			x.hears(x.p, name+": we withdraw", "-")
			x.announce(x.q)
			x.hears(x.q, name+": q announces", ofQ)
			put(change(x.prefix, 1))
			x.unreached(x.p, x.q)
			x.hears(x.p, name+": we announce, and q is not reached", "+65000")
			put(withdrawal(x.prefix))
			x.hears(x.p, name+": we withdraw, and neither is reached", "-")
			x.withdraw(x.q)
			x.hears(x.q, name+": q withdraws")
			put(change(x.prefix, 1))
			x.hears(x.p, name+": we announce again", "+65000")
			x.withdraw(x.p)
			x.hears(x.p, name+": p withdraws")
			put(withdrawal(x.prefix))
			x.hears(x.p, name+": nothing is left", "-")
			x.unreached()
			x.s.holdsNothing(x.t)
		}
	})
}

// TestManyUnreached: neighbours hear of many prefixes in few messages, and of fewer at
// once where that takes long.
func TestManyUnreached(t *testing.T) {
	x := external.start(t)
	const n = 5000
	told := make(map[string]string)
	through := func(by string) func() bool {
		return func() bool {
			x.r.follow(told)
			k := 0
			for _, path := range told {
				if strings.TrimSpace(path) == "65000 "+by {
					k++
				}
			}
			return k == n
		}
	}
	x.send(x.p, x.p.some(false, false, 0, n)...)
	eventually(t, "r has p's", through("65001"))
	for _, m := range x.q.some(false, false, 0, n) {
		u := m.Body.(*bgp.BGPUpdate)
		u.PathAttributes = append(slices.Clone(u.PathAttributes), bgp.NewPathAttributeMultiExitDisc(9))
		u.PathAttributes[1] = bgp.NewPathAttributeAsPath([]bgp.AsPathParamInterface{bgp.NewAsPathParam(bgp.BGP_ASPATH_ATTR_TYPE_SEQ, []uint16{x.q.as, x.q.as})})
		x.send(x.q, m)
	}
	x.hears(x.q, "q's are worse")
	x.prefix = "10.0.0.0/24"
	x.gone(x.p.addr)
	messages := 0
	eventually(t, "r has q's", func() bool {
		x.r.mu.Lock()
		messages += len(x.r.news)
		x.r.mu.Unlock()
		return through("65002 65002")()
	})
	// A turn may have been long because of what else the machine does.
	if messages > n/toldAtLeast {
		t.Errorf("of %d prefixes r heard in %d messages", n, messages)
	}
	b := batch(toldAtOnce)
	for _, step := range []struct {
		took time.Duration
		want batch
	}{{tellingTakes + 1, 100}, {tellingTakes, 100}, {time.Hour, 50}, {time.Microsecond, 100}, {time.Microsecond, 200}, {time.Microsecond, 200}} {
		if b.took(int(b), step.took); b != step.want {
			t.Errorf("%d at once after %s, want %d", b, step.took, step.want)
		}
	}
	if b.took(1, time.Hour); b != 100 {
		t.Errorf("%d at once", b)
	}
	for range 20 {
		b.took(1, time.Hour)
	}
	if b.took(1, 0); b != toldAtLeast {
		t.Errorf("%d at once, where it takes long for a few", b)
	}
}
