package gobgp3

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"unsafe"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// limits counts the prefixes of each neighbour, and ends the session of a neighbour that
// sends more than its prefix-limit allows. GoBGP has such a limit, but counts all prefixes
// of a neighbour one by one at each message, which makes a table of 60,000 routes take
// 20 seconds in which BGP does nothing else, and never starts the session again.
type limits struct {
	*loop
	log     *logger
	figures *figures

	mu    sync.Mutex
	rules conf.Limits        // guarded by mu
	most  map[string]uint32  // guarded by mu; of a VRF by its name
	known map[string]*tally  // guarded by mu; by GoBGP's name of the neighbour
	vrfs  map[string]int     // guarded by mu; how many a VRF's neighbours have sent
	said  map[string]bool    // guarded by mu; the VRFs that were told to be nearly full
	over  map[string]*excess // guarded by mu; the neighbours that are stopped
}

// tally counts the paths of a neighbour that no loop check of GoBGP's rejected.
type tally struct {
	at       unsafe.Pointer // of the peer that was counted
	vrf      string
	group    string
	dynamic  bool
	families map[bgp.RouteFamily]int
	warned   map[bgp.RouteFamily]bool
	given    map[bgp.RouteFamily]conf.Limit // by another client of the API
}

func newLimits(l *loop, log *logger) *limits {
	return &limits{
		loop: l, log: log, figures: &figures{loop: l}, known: make(map[string]*tally), vrfs: make(map[string]int),
		said: make(map[string]bool), over: make(map[string]*excess),
	}
}

// configure brings other limits into force. A neighbour that was stopped starts again
// where its limit has changed.
func (l *limits) configure(c *conf.Config) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for addr, e := range l.over {
		if now, has := e.tally.limits(c.Limits, addr)[e.family]; !has || now != e.limit {
			e.release = "its limit was changed"
		}
	}
	l.rules, l.most = c.Limits, maps.Clone(c.Extras.MaxPrefixes)
	for _, t := range l.known {
		clear(t.warned)
	}
	clear(l.said)
}

// accepted is how many prefixes of a neighbour stand.
func (l *limits) accepted(addr string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.known[addr]; t != nil {
		return t.sum()
	}
	return 0
}

// vrf is how many prefixes of a VRF's neighbours stand; the neighbours in no VRF count
// under "default".
func (l *limits) vrf(name string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.vrfs[name]
}

func (t *tally) sum() (n int) {
	for _, m := range t.families {
		n += m
	}
	return n
}

// check is called in the loop.
func (l *limits) check(addr string, p livePeer) {
	l.mu.Lock()
	defer l.mu.Unlock()
	t := l.tally(addr, p)
	before := t.sum()
	maps.Copy(t.families, p.adjIn().accepted)
	l.vrfs[t.vrf] += t.sum() - before
	for family, limit := range t.limits(l.rules, addr) {
		switch n := t.families[family]; {
		case n > int(limit.Most):
			l.stop(addr, p, t, family, limit)
		case n < limit.Warn:
			t.warned[family] = false
		case !t.warned[family]:
			t.warned[family] = true
			l.log.slog.Warn("A neighbour has sent nearly as many prefixes as its prefix-limit allows.",
				"neighbor", addr, "vrf", t.vrf, "family", family.String(), "prefixes", n, "limit", limit.Most)
		}
	}
	if most := int(l.most[t.vrf]); most > 0 {
		if near := l.vrfs[t.vrf]*100 >= most*conf.WarnAt; near != l.said[t.vrf] {
			if l.said[t.vrf] = near; near {
				l.log.slog.Warn("The neighbours of a VRF have sent nearly as many prefixes as its max_prefixes allows.",
					"vrf", t.vrf, "prefixes", l.vrfs[t.vrf], "limit", most)
			}
		}
	}
}

// limits are the configured limits of the neighbour, or else those that a client gave it.
func (t *tally) limits(all conf.Limits, addr string) map[bgp.RouteFamily]conf.Limit {
	if own := all.Of(addr, t.group, t.dynamic); own != nil {
		return own
	}
	return t.given
}

// takeOver takes a limit that a client of the API has given GoBGP for a neighbour.
func (t *tally) takeOver(p livePeer) {
	has := false
	p.read(func(n *oc.Neighbor, _ bgp.FSMState) {
		has = slices.ContainsFunc(n.AfiSafis, func(a oc.AfiSafi) bool { return a.PrefixLimit.Config.MaxPrefixes != 0 })
	})
	if has {
		p.change(func(n *oc.Neighbor) {
			t.given = conf.LimitsOf(n.AfiSafis)
			n.AfiSafis = conf.WithoutLimits(n.AfiSafis)
		})
	}
}

// tally returns the tally of a neighbour, and makes it where the peer is new. The caller
// holds mu.
func (l *limits) tally(addr string, p livePeer) *tally {
	t := l.known[addr]
	if t != nil && t.at == p.at {
		return t
	}
	l.drop(addr)
	t = &tally{at: p.at, families: make(map[bgp.RouteFamily]int), warned: make(map[bgp.RouteFamily]bool)}
	p.read(func(n *oc.Neighbor, _ bgp.FSMState) {
		t.vrf = vrfOrDefault(n.Config.Vrf)
		t.group, t.dynamic = n.Config.PeerGroup, isDynamic(n)
	})
	t.takeOver(p)
	l.known[addr] = t
	if e := l.over[addr]; e != nil && (!t.dynamic || !e.tally.dynamic) {
		delete(l.over, addr) // it was taken out, and this is a new peer
	}
	return t
}

// drop forgets the prefixes of a neighbour. The caller holds mu.
func (l *limits) drop(addr string) {
	if t := l.known[addr]; t != nil {
		if l.vrfs[t.vrf] -= t.sum(); l.vrfs[t.vrf] == 0 {
			delete(l.vrfs, t.vrf)
		}
		delete(l.known, addr)
	}
}

// stops tells whether a neighbour is down because of its limit, which is no client's doing.
func (l *limits) stops(addr string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.over[addr] != nil
}

// tell adds to sessions which of them there is none of because of a limit.
func (l *limits) tell(sessions map[string]shown) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for addr, e := range l.over {
		if s, there := sessions[addr]; there && s.State != stateName(api.PeerState_ESTABLISHED) {
			s.Stopped, s.Reason, s.Explained = true, e.reason, e.cut
			sessions[addr] = s
		}
	}
}

// list is Speaker.Limits.
func (l *limits) list() []speaker.Limit {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []speaker.Limit
	for name, most := range l.most {
		n := l.vrfs[name]
		out = append(out, speaker.Limit{VRF: name, Prefixes: n, Most: most, Near: n*100 >= int(most)*conf.WarnAt})
	}
	tallies := maps.Clone(l.known)
	for addr, e := range l.over {
		tallies[addr] = e.tally
	}
	for addr, t := range tallies {
		for family, limit := range t.limits(l.rules, addr) {
			n := t.families[family]
			x := speaker.Limit{VRF: t.vrf, Neighbor: addr, Family: family.String(), Prefixes: n, Most: limit.Most, Near: n >= limit.Warn}
			if e := l.over[addr]; e != nil && e.family == family {
				x.Stopped, x.Restart, x.Prefixes, x.Near = e.reason, e.until, e.count, true
			}
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b speaker.Limit) int {
		return strings.Compare(a.VRF+" "+a.Neighbor+" "+a.Family, b.VRF+" "+b.Neighbor+" "+b.Family)
	})
	return out
}
