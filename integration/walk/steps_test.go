package walk_test

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"strings"

	"github.com/vrfredist/vrfredist/bench/peer"
)

// step is one thing that happens. do makes it happen in the world; the state has
// it already when do is called.
type step struct {
	what string
	do   func(w *world)
	// alone: it happens while everything is at rest, and is waited for. The kernel
	// has no replace that spares other protocols, so a program that puts its route
	// over one that the daemon is just about to replace may lose it: nothing is
	// promised for that moment.
	alone bool
}

// walker makes the steps of a seed.
type walker struct {
	*state
	rng     *rand.Rand
	world   *world // nil: nothing happens
	taken   int
	journal []string
}

func newWalker(seed uint64) *walker {
	return &walker{state: newState(), rng: rand.New(rand.NewPCG(seed, 0))}
}

// burst makes some steps, as long as fewer than limit are made, and rests.
func (w *walker) burst(limit int) {
	for range 1 + w.rng.IntN(12) {
		s, ok := w.next()
		if !ok {
			continue
		}
		w.taken++
		w.journal = append(w.journal, fmt.Sprintf("%5d  %s", w.taken, s.what))
		if s.alone {
			w.mend()
		}
		if w.world != nil {
			if s.alone {
				w.world.rest()
			}
			s.do(w.world)
		}
		if s.alone || w.taken >= limit {
			break
		}
	}
	w.journal = append(w.journal, "       rest")
	w.mend()
	if w.world != nil {
		w.world.rest()
	}
}

// mend is what a rest begins with: the daemon runs, and the sessions are up.
func (w *walker) mend() {
	w.dead = false
	for i := range w.peers {
		w.peers[i].up = true
	}
}

// last returns the last steps that were made.
func (w *walker) last(n int) string {
	return strings.Join(w.journal[max(0, len(w.journal)-n):], "\n")
}

// kinds are the kinds of steps, each as often as it says of a hundred or so.
var kinds = []struct {
	weight int
	make   func(w *walker) (step, bool)
}{
	{36, (*walker).announce},
	{14, (*walker).withdraw},
	{10, (*walker).changeLink},
	{14, (*walker).foreignRoute},
	{4, (*walker).foreignOnOurs},
	{8, (*walker).hostile},
	{4, (*walker).hostileObject},
	{4, (*walker).tenant},
	{2, (*walker).overlay},
	{2, (*walker).end},
	{2, (*walker).reload},
	{1, (*walker).dropPeer},
	{5, (*walker).intrude},
	{3, (*walker).misbehave},
	{5, (*walker).apply},
}

func (w *walker) next() (step, bool) {
	sum := 0
	for _, k := range kinds {
		sum += k.weight
	}
	n := w.rng.IntN(sum)
	for _, k := range kinds {
		if n -= k.weight; n < 0 {
			return k.make(w)
		}
	}
	return step{}, false
}

func pick[T any](w *walker, list []T) T { return list[w.rng.IntN(len(list))] }

func (w *walker) chance(percent int) bool { return w.rng.IntN(100) < percent }

// prefix is one of those that peers send and other programs have routes for.
func (w *walker) prefix() netip.Prefix {
	switch n := w.rng.IntN(30); {
	case n == 0:
		return netip.MustParsePrefix("0.0.0.0/0")
	case n == 1:
		return netip.MustParsePrefix("20.0.0.0/16")
	case n < 20:
		return netip.MustParsePrefix(fmt.Sprintf("20.0.%d.0/24", n))
	case n == 20:
		return netip.MustParsePrefix("2001:db8:1000::/47")
	default:
		return netip.MustParsePrefix(fmt.Sprintf("2001:db8:%x::/48", 0x1000+n-21))
	}
}

// nexthop is on a link, behind another program's route, our own, or nowhere.
func (w *walker) nexthop(six bool) netip.Addr {
	number := w.rng.IntN(4)
	four, v6 := fmt.Sprintf("10.0.%d.2", number), fmt.Sprintf("2001:db8:%x::2", number)
	switch w.rng.IntN(10) {
	case 0, 1:
		four, v6 = fmt.Sprintf("172.20.%d.1", number), fmt.Sprintf("2001:db8:20%d::1", number)
	case 2:
		four, v6 = fmt.Sprintf("10.0.%d.1", number), fmt.Sprintf("2001:db8:%x::1", number)
	case 3:
		four, v6 = "10.9.9.9", "2001:db8:99::9"
	}
	if six {
		return netip.MustParseAddr(v6)
	}
	return netip.MustParseAddr(four)
}

func (w *walker) announce() (step, bool) {
	who, id := w.rng.IntN(2), routeID{w.chance(60), w.prefix()}
	r := peer.Route{
		Prefix: id.prefix, Nexthop: w.nexthop(id.prefix.Addr().Is6()),
		LocalPref: pick(w, []uint32{100, 100, 100, 200}), MED: pick(w, []uint32{0, 0, 10}),
	}
	for _, c := range []uint32{as<<16 | 1, as<<16 | 2, blackholeCommunity} {
		if w.chance(25) && (c != blackholeCommunity || w.chance(30)) {
			r.Communities = append(r.Communities, c)
		}
	}
	if id.vpn {
		r.RD = uint16(100 + who)
		for _, rt := range targets {
			if w.chance(60) {
				r.Targets = append(r.Targets, rt)
			}
		}
	}
	w.peers[who].rib[id] = r
	return step{
		what: fmt.Sprintf("peer %d announces %s via %s pref %d med %d communities %x rd %d targets %d", who, r.Prefix, r.Nexthop, r.LocalPref, r.MED, r.Communities, r.RD, r.Targets),
		do:   func(w *world) { w.send(who, r) },
	}, true
}

func (w *walker) withdraw() (step, bool) {
	who, id := w.rng.IntN(2), routeID{w.chance(60), w.prefix()}
	r, there := w.peers[who].rib[id]
	if !there {
		return step{}, false
	}
	delete(w.peers[who].rib, id)
	return step{
		what: fmt.Sprintf("peer %d withdraws %s rd %d", who, r.Prefix, r.RD),
		do:   func(w *world) { w.take(who, r) },
	}, true
}

// dropPeer ends a session; the next rest opens it again.
func (w *walker) dropPeer() (step, bool) {
	who := w.rng.IntN(2)
	w.peers[who].up = false
	return step{what: fmt.Sprintf("peer %d ends its session", who), do: func(w *world) { w.hangUp(who) }}, true
}

// end ends the daemon; the next rest starts it again.
func (w *walker) end() (step, bool) {
	if w.dead {
		return step{}, false
	}
	w.dead, w.graceful = true, w.chance(40)
	next := map[bool]string{false: "", true: ", and starts next with --graceful-restart"}[w.graceful]
	if w.chance(70) {
		return step{what: "the daemon is killed" + next, do: (*world).kill}, true
	}
	return step{what: "the daemon is stopped" + next, do: (*world).stop}, true
}

func (w *walker) reload() (step, bool) {
	p := &w.policy
	switch w.rng.IntN(6) {
	case 0:
		p.metric = 50 - p.metric // 20 or 30
	case 1:
		p.maxPaths = 5 - p.maxPaths // 4 or 1
	case 2:
		p.communities = pick(w, [][]string{nil, nil, {"65000:1"}, {"65000:1", "65000:2"}})
	case 3:
		p.objects = !p.objects
	case 4:
		p.blackhole = !p.blackhole
	case 5:
		p.table = !p.table
	}
	return step{what: fmt.Sprintf("reload: %+v", *p), do: (*world).reload}, true
}

// tenant takes a tenant's namespace away, or brings it back.
func (w *walker) tenant() (step, bool) {
	at := w.sites[1+w.rng.IntN(len(w.sites)-1)]
	at.there = !at.there
	if !at.there {
		return step{what: at.name + " is deleted", do: func(w *world) { w.places[at.name].remove() }}, true
	}
	at.foreign = nil
	for i := range at.links {
		at.links[i] = newLink(i)
	}
	return step{what: at.name + " is made", do: func(w *world) { w.places[at.name].build(at) }}, true
}

// somewhere is a site that is there.
func (w *walker) somewhere() *site {
	for {
		if at := pick(w, w.sites); at.there {
			return at
		}
	}
}
