package gobgp3

import (
	"maps"
	"slices"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// limits counts what each neighbour has sent, and ends the session of one that sends
// more than its prefix-limit allows. GoBGP has such a limit, but counts one by one all
// that a neighbour ever sent at each message, which makes a table of 60,000 routes take
// 20 seconds in which BGP does nothing else, and never starts the session again.
type limits struct {
	k *keeper

	mu    sync.Mutex
	rules prefixLimits       // guarded by mu
	most  map[string]uint32  // guarded by mu; of a VRF by its name
	known map[string]*tally  // guarded by mu; by GoBGP's name of the neighbour
	vrfs  map[string]int     // guarded by mu; how many a VRF's neighbours have sent
	said  map[string]bool    // guarded by mu; the VRFs that were told to be nearly full
	over  map[string]*excess // guarded by mu; the neighbours that are stopped
}

// tally is what a neighbour has sent that GoBGP's loop checks accepted.
type tally struct {
	at       unsafe.Pointer // of the peer that was counted
	vrf      string
	group    string
	dynamic  bool
	families map[bgp.RouteFamily]int
	warned   map[bgp.RouteFamily]bool
	given    map[bgp.RouteFamily]prefixLimit // by another client of the API
}

func newLimits(k *keeper) *limits {
	return &limits{
		k: k, known: make(map[string]*tally), vrfs: make(map[string]int),
		said: make(map[string]bool), over: make(map[string]*excess),
	}
}

// configure brings other limits into force. A neighbour that was stopped for a limit
// that is another one now starts again.
func (l *limits) configure(c *conf) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for addr, e := range l.over {
		if now, has := c.limits.of(addr, e.tally)[e.family]; !has || now != e.limit {
			e.release = "its limit was changed"
		}
	}
	l.rules, l.most = c.limits, maps.Clone(c.maxPrefixes)
	for _, t := range l.known {
		clear(t.warned)
	}
	clear(l.said)
}

// accepted is how many prefixes a neighbour has sent that stand: for whoever counts on.
func (l *limits) accepted(addr string) int {
	l.mu.Lock()
	defer l.mu.Unlock()
	if t := l.known[addr]; t != nil {
		return t.sum()
	}
	return 0
}

// vrf is how many prefixes the neighbours of a VRF have sent, "default" being that of
// the neighbours in none.
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
	for family, limit := range l.rules.of(addr, t) {
		switch n := t.families[family]; {
		case n > int(limit.most):
			l.stop(addr, p, t, family, limit)
		case n < limit.warn:
			t.warned[family] = false
		case !t.warned[family]:
			t.warned[family] = true
			l.k.log.slog.Warn("A neighbour has sent nearly as many prefixes as its prefix-limit allows.",
				"neighbor", addr, "vrf", t.vrf, "family", family.String(), "prefixes", n, "limit", limit.most)
		}
	}
	if most := int(l.most[t.vrf]); most > 0 {
		if near := l.vrfs[t.vrf]*100 >= most*warnAt; near != l.said[t.vrf] {
			if l.said[t.vrf] = near; near {
				l.k.log.slog.Warn("The neighbours of a VRF have sent nearly as many prefixes as its max_prefixes allows.",
					"vrf", t.vrf, "prefixes", l.vrfs[t.vrf], "limit", most)
			}
		}
	}
}

// takeOver takes a limit that a client of the API has given GoBGP for a neighbour.
func (t *tally) takeOver(p livePeer) {
	has := false
	p.read(func(conf *oc.Neighbor, _ bgp.FSMState) {
		has = slices.ContainsFunc(conf.AfiSafis, func(a oc.AfiSafi) bool { return a.PrefixLimit.Config.MaxPrefixes != 0 })
	})
	if has {
		p.change(func(conf *oc.Neighbor) {
			t.given = limitsOf(conf.AfiSafis)
			conf.AfiSafis = withoutLimits(conf.AfiSafis)
		})
	}
}

// tally returns the neighbour's. The caller holds mu.
func (l *limits) tally(addr string, p livePeer) *tally {
	t := l.known[addr]
	if t != nil && t.at == p.at {
		return t
	}
	l.drop(addr)
	t = &tally{at: p.at, vrf: Default, families: make(map[bgp.RouteFamily]int), warned: make(map[bgp.RouteFamily]bool)}
	p.read(func(conf *oc.Neighbor, _ bgp.FSMState) {
		if conf.Config.Vrf != "" {
			t.vrf = conf.Config.Vrf
		}
		t.group = conf.Config.PeerGroup
		t.dynamic = conf.Config.NeighborAddress == "" && conf.Config.NeighborInterface == ""
	})
	t.takeOver(p)
	l.known[addr] = t
	if e := l.over[addr]; e != nil && (!t.dynamic || !e.tally.dynamic) {
		delete(l.over, addr) // it was taken out, and is a new one
	}
	return t
}

// drop forgets what a neighbour sent. The caller holds mu.
func (l *limits) drop(addr string) {
	if t := l.known[addr]; t != nil {
		if l.vrfs[t.vrf] -= t.sum(); l.vrfs[t.vrf] == 0 {
			delete(l.vrfs, t.vrf)
		}
		delete(l.known, addr)
	}
}

// Limit is how far a neighbour, or a VRF, is from its limit of prefixes.
type Limit struct {
	VRF      string // Default: the global table
	Neighbor string // by GoBGP's name for it; "": that of the VRF
	Family   string // "": all
	Prefixes int
	Most     uint32
	Near     bool      // a warning was due
	Stopped  string    // the reason why the session was ended; "": it was not
	Restart  time.Time // when it starts again; zero: not by itself
}

// Limits returns the limits that are configured, by VRF and neighbour, with what counts
// against them.
func (s *Speaker) Limits() []Limit { return s.keeper.limits.list() }

func (l *limits) list() []Limit {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []Limit
	for name, most := range l.most {
		n := l.vrfs[name]
		out = append(out, Limit{VRF: name, Prefixes: n, Most: most, Near: n*100 >= int(most)*warnAt})
	}
	tallies := maps.Clone(l.known)
	for addr, e := range l.over {
		tallies[addr] = e.tally
	}
	for addr, t := range tallies {
		for family, limit := range l.rules.of(addr, t) {
			n := t.families[family]
			x := Limit{VRF: t.vrf, Neighbor: addr, Family: family.String(), Prefixes: n, Most: limit.most, Near: n >= limit.warn}
			if e := l.over[addr]; e != nil && e.family == family {
				x.Stopped, x.Restart, x.Prefixes, x.Near = e.reason, e.until, e.count, true
			}
			out = append(out, x)
		}
	}
	slices.SortFunc(out, func(a, b Limit) int {
		return strings.Compare(a.VRF+" "+a.Neighbor+" "+a.Family, b.VRF+" "+b.Neighbor+" "+b.Family)
	})
	return out
}
