package gobgp3

import (
	"context"
	"fmt"
	"net/netip"
	"testing"
	"time"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
)

// noMED is a policy that rejects paths with some MED.
type noMED uint32

func (noMED) Name() string   { return "no-med" }
func (noMED) String() string { return "no-med (1 rule)" }
func (j noMED) Judge(s rib.Subject, _ *rib.Hearing) rib.Ruling {
	return rib.Ruling{Attrs: s.Attrs, Rejected: s.Attrs.MED == uint32(j) && s.Unacted}
}

// withhold has the VRF judged by a policy, and returns when that is in force.
func (x *trial) withhold(j rib.Judge) {
	x.t.Helper()
	policies := make(map[string]rib.Advertising)
	if j != nil {
		policies[x.vrf] = rib.Advertising{Rejects: j}
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := x.s.Withhold(ctx, policies); err != nil {
		x.t.Fatal(err)
	}
}

// med announces the prefix with a MED.
func (x *trial) med(from *hostile, med uint32) {
	x.t.Helper()
	x.send(from, x.update(from, x.prefix, x.hopOf(from), med))
}

// TestWithhold: neighbours are not told of a path that the policy of the VRF's export rejects,
// whenever it comes, but of the next one; and are told once the policy has it otherwise.
func TestWithhold(t *testing.T) {
	eachTrial(t, func(x *trial) {
		x.withhold(noMED(66))
		x.med(x.p, 66)
		x.hears(x.p, "the first path is rejected")
		x.med(x.q, 5)
		x.hears(x.q, "the next one", ofQ)
		x.med(x.p, 7)
		x.hears(x.p, "the better one is accepted now", ofP)
		x.med(x.p, 66)
		x.hears(x.p, "and rejected again", ofQ)
		x.withdraw(x.q)
		x.hears(x.q, "it alone is left", "-")
		x.withhold(noMED(5))
		x.hears(x.p, "another policy", ofP)
		x.withhold(noMED(66))
		x.hears(x.p, "the first one again", "-")
		x.med(x.q, 66)
		x.hears(x.q, "both are rejected")
		x.unreached(x.p)
		x.withhold(nil)
		x.hears(x.p, "no policy, and one is not reached", ofQ)
		x.unreached()
		x.hears(x.p, "all are reached", ofP)
		x.s.Unreached(x.vrf, nil)
		x.s.settled(x.t)
		x.s.holdsNothing(x.t)
	})
}

// TestWithheldFromTheFirst: what is said before BGP runs holds for routes that come while the
// speaker still starts, as those of a neighbour do that dials in at once.
func TestWithheldFromTheFirst(t *testing.T) {
	for _, vrf := range []string{speaker.Default, "red"} {
		for what, say := range map[string]func(*Speaker) error{
			"a policy": func(s *Speaker) error {
				return s.Withhold(t.Context(), map[string]rib.Advertising{vrf: {Rejects: noMED(66)}})
			},
			"installed": func(s *Speaker) error {
				return s.Withhold(t.Context(), map[string]rib.Advertising{vrf: {Installed: true}})
			},
			"unreached": func(s *Speaker) error {
				s.Unreached(vrf, map[rib.PathNexthop]struct{}{{Nexthop: netip.MustParseAddr("192.0.2.2")}: {}})
				return nil
			},
		} {
			t.Run(what+" in "+vrf, func(t *testing.T) {
				p, r := newHostile(t, "127.0.0.2", 65001, both()...), newHostile(t, "127.0.0.4", 65009, both()...)
				x := &trial{t: t, p: p, r: r, vrf: vrf, prefix: "10.1.0.0/24"}
				conf := redAnd(in(vrf, p.conf(allFamilies[:2]...)), in(vrf, r.conf(allFamilies[:2]...)))
				x.s = launch(t, Options{Config: toJSON(t, conf)}, func(s *Speaker) {
					if err := say(s); err != nil {
						t.Fatal(err)
					}
					s.changing.Lock() // so that the start does not come to its end
				})
				func() {
					defer x.s.changing.Unlock()
					eventually(t, "both are up", func() bool { return p.isUp() && r.isUp() })
					x.med(p, 66)
					x.s.await(t, vrf, x.prefix, count(1))
				}()
				x.s.awaitStart(t)
				x.confirm(false, false)
				x.hears(p, "the first path")
			})
		}
	}
}

// TestWithholdFromANewSession: who comes later is not told either, nor is who asks again.
func TestWithholdFromANewSession(t *testing.T) {
	eachTrial(t, func(x *trial) {
		x.withhold(noMED(66))
		x.med(x.p, 66)
		x.med(x.q, 5)
		x.hears(x.q, "the next one", ofQ)
		x.s.again(x.t, x.r)
		x.hears(x.p, "a new session", ofQ)
	})
}

// confirm says of the prefix, or with whole of all, whether it is confirmed.
func (x *trial) confirm(whole, is bool) {
	x.t.Helper()
	var list []rib.Confirmation
	if is || !whole {
		list = append(list, rib.Confirmation{Prefix: prefix(x.prefix), Is: is})
	}
	for i := range 64 { // the marks of hears are
		list = append(list, rib.Confirmation{Prefix: prefix(fmt.Sprintf("198.51.100.%d/32", i)), Is: true})
	}
	x.s.Confirmed(x.vrf, whole, list)
	x.s.settled(x.t)
}

func (x *trial) advertise(a rib.Advertising) {
	x.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	if err := x.s.Withhold(ctx, map[string]rib.Advertising{x.vrf: a}); err != nil {
		x.t.Fatal(err)
	}
}

// TestInstalled: neighbours are told of a prefix once its VRF confirms it, of its changes from
// then on at once, and take it back when it is confirmed no more.
func TestInstalled(t *testing.T) {
	eachTrial(t, func(x *trial) {
		x.announce(x.p)
		x.hears(x.p, "before", ofP)
		x.advertise(rib.Advertising{Installed: true})
		x.hears(x.p, "nobody has said anything yet")
		x.confirm(true, true)
		x.hears(x.p, "it is confirmed: nothing changes")
		x.confirm(false, false)
		x.hears(x.p, "not any more", "-")
		x.announce(x.q)
		x.hears(x.q, "another path comes, and is not confirmed either")
		x.confirm(false, true)
		x.hears(x.p, "it is confirmed", ofP)
		x.withdraw(x.p)
		x.hears(x.p, "the prefix is confirmed, whichever path it has", ofQ)
		x.med(x.p, 7)
		x.hears(x.p, "a better one is told at once", ofP)
		x.confirm(true, false)
		x.hears(x.p, "nothing is confirmed", "-")
		x.s.again(x.t, x.r)
		x.hears(x.p, "a new session is told nothing")
		x.advertise(rib.Advertising{Installed: true, Rejects: noMED(7)})
		x.confirm(false, true)
		x.hears(x.p, "what is confirmed may be rejected", ofQ)
		x.unreached(x.q)
		x.hears(x.p, "or not be reached", "-")
		x.advertise(rib.Advertising{})
		x.unreached()
		x.hears(x.p, "all is told", ofP)
		x.s.Unreached(x.vrf, nil)
		x.s.settled(x.t)
		x.s.holdsNothing(x.t)
	})
}
