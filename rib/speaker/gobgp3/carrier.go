package gobgp3

import (
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// carrier has what goes out of VRFs by EVPN in GoBGP's table of EVPN: for each prefix an IP prefix
// route that is made of the best VPN path of this router under the VRF's RD, as the policy of what
// goes out of the VRF leaves it (carriage.go). A policy of ours keeps the VPN path itself from
// other PEs (conf.SendStatement).
//
// Whenever the paths of a VPN destination may be others than before, or those of EVPN's, which a
// client of the API can take away, the route is found out again at the end of the turn of the
// loop, of some prefixes in each. So nothing is remembered of routes.
type carrier struct {
	*loop
	changes *changes
	log     *logger
	wake    chan struct{} // signalled when there is something to do

	said  atomic.Bool // next or awake may have something
	mu    sync.Mutex
	next  map[rib.RD]*carriage // guarded by mu; to be taken over; nil: there is none
	awake []chan struct{}      // guarded by mu; closed when all that was to do is done
	all   map[rib.RD]*carriage // guarded by mu; of the configuration; never modified
	deaf  map[string]bool      // guarded by mu: VRFs that can take no packets now

	// The loop's own.
	by     map[rib.RD]*carriage
	due    []speaker.Destination        // of the VPN table
	queued map[speaker.Destination]bool // what is due; true: in the table of EVPN alone something changed
	walk   *carryWalk                   // under way
	again  map[rib.RD]bool              // of which the next one is
	lost   int                          // routes that somebody else took away, since the log had it
	makes  *routeMaker
}

const (
	// carriedAtOnce is of how many prefixes neighbours are told in one turn of the loop, and
	// foundAtOnce how many are looked at: of most of those nothing has changed.
	carriedAtOnce = 100
	foundAtOnce   = 1024
	// carryTakes is how long looking may take.
	carryTakes = 5 * time.Millisecond
)

func newCarrier(of *changes, log *logger) *carrier {
	c := &carrier{
		loop: of.loop, changes: of, log: log, wake: make(chan struct{}, 1),
		queued: make(map[speaker.Destination]bool), makes: newRouteMaker(of.loop, log),
		deaf: make(map[string]bool), again: make(map[rib.RD]bool),
	}
	of.hear = c.told
	return c
}

// configure brings a configuration into force. It does not wait for the loop.
func (c *carrier) configure(next *conf.Config) {
	all := carriagesOf(next)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = all
	c.anew()
}

// setDeaf says whether a VRF can take no packets now: then other PEs are told of none of its
// routes. It does not wait for the loop.
func (c *carrier) setDeaf(vrf string, deaf bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.deaf[vrf] == deaf {
		return
	}
	if c.deaf[vrf] = deaf; !deaf {
		delete(c.deaf, vrf)
	}
	if c.all != nil {
		c.anew()
	}
}

// isDeaf tells whether a VRF can take no packets now.
func (c *carrier) isDeaf(vrf string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.deaf[vrf]
}

// settled tells whether all that is to go out by EVPN does. It is called in the loop.
func (c *carrier) settled() bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.next == nil && len(c.due) == 0 && c.walk == nil && len(c.again) == 0
}

// anew has it found out again how VRFs are carried. The caller holds mu.
func (c *carrier) anew() {
	c.next = c.heeding(c.all)
	c.stir()
}

// carriagesOf are those of a configuration that would be in force, of VRFs that can take packets
// now.
func (c *carrier) carriagesOf(next *conf.Config) map[rib.RD]*carriage {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.heeding(carriagesOf(next))
}

// heeding are those of VRFs that can take packets now. The caller holds mu.
func (c *carrier) heeding(all map[rib.RD]*carriage) map[rib.RD]*carriage {
	by := maps.Clone(all)
	maps.DeleteFunc(by, func(_ rib.RD, v *carriage) bool { return c.deaf[v.vrf] })
	return by
}

// idle is closed when nothing is to do.
func (c *carrier) idle() <-chan struct{} {
	done := make(chan struct{})
	c.mu.Lock()
	defer c.mu.Unlock()
	c.awake = append(c.awake, done)
	c.stir()
	return done
}

// stir has the loop look. The caller holds mu, or is in the loop.
func (c *carrier) stir() {
	c.said.Store(true)
	select {
	case c.wake <- struct{}{}:
	default: // it is awake
	}
}

// turn is an operation of the loop with nothing in it: what is due is done at its end.
func (c *carrier) turn() { _ = c.inLoop(func() error { return nil }) }

// told notes a destination of which the loop tells the watch.
func (c *carrier) told(nlri bgp.AddrPrefixInterface) {
	if len(c.by) == 0 {
		return
	}
	of := rdOf(nlri)
	if of == nil {
		return
	}
	rd, err := decodeRD(of)
	if err != nil || c.by[rd] == nil {
		return
	}
	prefix, err := innerPrefix(nlri)
	if err != nil {
		return
	}
	to := speaker.Destination{RD: rd, Prefix: prefix}
	if isEVPN(nlri) && !c.concerns(to) {
		return
	}
	c.put(to, isEVPN(nlri))
}

// concerns tells whether a route of EVPN may be ours: else it is another PE's that has the same RD,
// of which there may be many.
func (c *carrier) concerns(d speaker.Destination) bool {
	if c.rib().Vrfs[c.by[d.RD].vrf] == nil {
		return true
	}
	family := bgp.RF_IPv4_VPN
	if d.Prefix.Addr().Is6() {
		family = bgp.RF_IPv6_VPN
	}
	t := c.rib().Tables[family]
	if t == nil {
		return true
	}
	var room [roomForKey]byte
	return t.destinations[string(appendVPNKey(room[:0], d.RD, d.Prefix))] != nil
}

// put has the route of a destination found out again. evpn says that it was EVPN's table in which
// something changed.
func (c *carrier) put(d speaker.Destination, evpn bool) {
	also, is := c.queued[d]
	if c.queued[d] = evpn && (also || !is); !is {
		c.due = append(c.due, d)
	}
}

// putSome is put in a walk, and tells whether there is enough to do.
func (c *carrier) putSome(d speaker.Destination) bool {
	c.put(d, false)
	return len(c.due) >= carriedAtOnce
}

// after is called in the loop at the end of each of its operations.
func (c *carrier) after() {
	if len(c.due) == 0 && !c.said.Swap(false) {
		return
	}
	if !c.takeOver() {
		return // BGP begins
	}
	if c.walk == nil && len(c.again) > 0 {
		c.walk, c.again = newCarryWalk(c.rib(), c.again), make(map[rib.RD]bool)
	}
	if c.walk != nil && len(c.due) < carriedAtOnce && !c.walk.step(c.putSome) {
		c.walk = nil
	}
	c.carry()
	if len(c.due) > 0 || c.walk != nil || len(c.again) > 0 {
		c.stir()
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.next == nil {
		for _, done := range c.awake {
			close(done)
		}
		c.awake = nil
	}
}

// stop gives a walk up. It is called in the loop.
func (c *carrier) stop() {
	if c.walk != nil {
		c.walk.stop()
		c.walk = nil
	}
}

// takeOver takes a configuration into the loop; false: there are no tables yet.
func (c *carrier) takeOver() bool {
	if c.server() == nil || c.rib() == nil {
		c.said.Store(true)
		return false
	}
	c.mu.Lock()
	by := c.next
	c.next = nil
	c.mu.Unlock()
	if by == nil {
		return true
	}
	again := make(map[rib.RD]bool)
	for rd, v := range by {
		if !v.same(c.by[rd]) {
			again[rd] = true
		}
	}
	for rd := range c.by {
		if by[rd] == nil {
			again[rd] = true
		}
	}
	c.by = by
	c.makes.forget()
	maps.Copy(c.again, again) // behind the walk that is under way, which would not end in a time of many changes
	return true
}

// carry brings the routes of some destinations in line.
func (c *carrier) carry() {
	if len(c.due) == 0 {
		return
	}
	var paths []*bgpPath
	n := 0
	for began := time.Now(); n < len(c.due) && n < foundAtOnce && len(paths) < carriedAtOnce && (n%16 != 15 || time.Since(began) < carryTakes); n++ {
		if p := c.change(c.due[n]); p != nil {
			paths = append(paths, p)
		}
		delete(c.queued, c.due[n])
	}
	if c.due = c.due[n:]; len(c.due) == 0 {
		c.due = nil
	}
	if len(paths) > 0 {
		c.tell(paths)
	}
}

// tell puts paths into GoBGP's table of EVPN, and tells the neighbours.
func (c *carrier) tell(paths []*bgpPath) {
	known := c.changes.known
	c.changes.known = true // for no VRF they are candidates
	defer func() { c.changes.known = known }()
	if c.toSomeoneAll() {
		for _, p := range paths {
			serverTellNeighbors(c.server(), c.rib(), nil, p, tablesUpdate(c.rib(), p), true)
		}
		return
	}
	var updates []*bgpUpdate
	for _, p := range paths {
		updates = append(updates, tablesUpdate(c.rib(), p)...)
	}
	serverTellNeighbors(c.server(), c.rib(), nil, paths[0], updates, true)
}

// toSomeoneAll tells whether a neighbour gets more than the best path of a prefix, for which
// GoBGP looks at one path at a time.
func (c *carrier) toSomeoneAll() bool {
	for _, p := range c.peers() {
		if p.sendsAll() {
			return true
		}
	}
	return false
}

// change is the path that brings GoBGP's table of EVPN in line with that of VPN routes; nil: it is.
func (c *carrier) change(d speaker.Destination) *bgpPath {
	table := c.rib().Tables[bgp.RF_EVPN]
	if table == nil {
		return nil // GoBGP runs without it; conf.addFamilies
	}
	v := c.by[d.RD]
	var want *bgpPath
	if v != nil {
		want = c.makes.wanted(v, d)
	}
	have := ourRoute(table, d)
	switch {
	case want == nil && have == nil:
		return nil
	case want == nil:
		gone := *have.origin()
		gone.nlri = evpnNLRI(rdOf(gone.nlri), d.Prefix, 0)
		gone.nlri.SetPathIdentifier(ourIdentifier)
		return &bgpPath{info: &gone, IsWithdraw: true, dropped: true}
	case have == nil:
		if c.queued[d] {
			c.lost++
		}
		return want
	case sameRoute(want, have):
		return nil
	}
	return want
}

// mourn tells of routes that another client of the API took away. It is called in the loop, once
// a second.
func (c *carrier) mourn() {
	if c.lost > 0 {
		c.log.slog.Warn("another client of the API deleted routes of EVPN; they were sent again", "routes", c.lost)
		c.lost = 0
	}
}
