package gobgp3

import (
	"net/netip"

	"github.com/osrg/gobgp/v3/pkg/packet/bgp"
)

// changes tells the watch of each destination whose paths may be others than before, with
// all paths that GoBGP has for it then. It is GoBGP's loop's own.
//
// GoBGP itself tells of best paths alone: of a path that comes, changes or goes behind the
// best one there is an event without anything in it. So the destinations of a message are
// kept while GoBGP handles it, and looked up when it has. Whatever changes paths outside of
// messages is told of by its best paths; where there was none, all tables are read again.
type changes struct {
	*loop
	shapes shapes
	live   *queue // of the watch that is on; nil: none is

	update *bgp.BGPUpdate // in hand; nil: none, or one without a destination
	from   netip.Addr     // whose it is
	known  bool           // what changes now is told of when it has
	owed   []owed         // to be told of at the end of the turn
	coming newcomers
	untold untold
	// foretold is set for a turn in which the paths that change without being best ones are
	// told of as those of a neighbour that goes.
	foretold bool

	retelling *retelling // under way; nil: none
	hush      *hush
	apart     *bystanders

	homes map[netip.Addr][]string // see homesOf
	// hear is called with each destination that is told of.
	hear  func(nlri bgp.AddrPrefixInterface)
	ended func(from netip.Addr, family bgp.RouteFamily) // is called with each End-of-RIB before GoBGP handles it
	lists []item                                        // to be put into the queue at once
	room  []known                                       // of lists to come
}

// owed is a destination that a neighbour in a VRF, or with "" in none, sent.
type owed struct {
	vrf  string
	nlri bgp.AddrPrefixInterface
}

func newChanges(l *loop) *changes {
	h := &hush{loop: l}
	return &changes{loop: l, untold: untold{loop: l}, hush: h, apart: &bystanders{hush: h}, hear: func(bgp.AddrPrefixInterface) {}, ended: func(netip.Addr, bgp.RouteFamily) {}}
}

// follow has another watch be told from here on.
func (c *changes) follow(live *queue) { c.live, c.homes = live, nil }

// event takes in an event of the watch that live is of, whose filter calls it, and hands
// those on to seen that are of best paths or End-of-RIB.
func (c *changes) event(live *queue, ev any, seen func(any)) {
	if c.live != live {
		return // another watch has taken its place
	}
	best, eor, message, err := c.shapes.read(ev)
	switch {
	case err != nil:
		live.put(item{of: err})
	case message != nil:
		c.received(message)
	case eor != nil:
		live.put(item{of: eor})
		seen(ev)
	default:
		c.best(best)
		seen(ev)
	}
}

// received keeps a message that GoBGP is about to handle.
func (c *changes) received(ev *messageEvent) {
	from, _ := addrOf(ev.PeerAddress)
	c.apart.from = from
	u, is := ev.Message.Body.(*bgp.BGPUpdate)
	if !is {
		return
	}
	// With an End-of-RIB GoBGP may take the stale paths of any destination out.
	if end, family := u.IsEndOfRib(); end {
		c.ended(from, family)
		return
	}
	c.update = u
	c.from = from
	if p, known := c.peerOf(from.String()); known { // nobody on a link, whose address has a zone here
		c.untold.begin(p, u)
		c.coming.expect(p, c.rib(), u, func() bool { return overheard(c.loop) }, c.untold.sees)
		if c.retelling == nil && !c.foretold && !c.known {
			c.untold.keep()
		}
		setVRFsAside(c.loop, p.vrf())
	}
}

// best tells of the destinations of an event of best paths, unless they are told of
// otherwise. In the event of a batch those are left out whose best path stays.
func (c *changes) best(ev *bestEvent) {
	if c.update != nil || c.known {
		return
	}
	var last bgp.AddrPrefixInterface
	tell := func(paths []*bgpPath) {
		for _, p := range paths {
			if nlri := p.origin().nlri; nlri != last {
				c.tell(nlri)
				last = nlri
			}
		}
	}
	tell(ev.PathList)
	for _, equal := range ev.MultiPathList { // where the best path stays, and one as good does not
		tell(equal[:min(len(equal), 1)])
	}
	if last == nil && !c.foretold {
		c.live.miss()
	}
	c.flush()
}

// put tells of another thing than a destination.
func (c *changes) put(of any) {
	if c.live != nil {
		c.live.put(item{of: of})
	}
}

// after ends a turn of the loop.
func (c *changes) after() {
	c.coming.after()
	if u := c.update; u != nil {
		homes := c.homesOf(c.from)
		for _, vrf := range homes {
			c.within(u, vrf)
		}
		if len(homes) == 0 {
			c.live.miss()
		}
		c.flush()
	}
	c.settle()
	c.update, c.foretold = nil, false
}

// oweAll has all destinations of an adj-RIB-in told of at the end of the turn.
func (c *changes) oweAll(vrf string, in *bgpTable) {
	for _, d := range in.destinations {
		c.owed = append(c.owed, owed{vrf, d.nlri})
	}
}

// settle tells of what is owed.
func (c *changes) settle() {
	if len(c.owed) == 0 {
		return
	}
	in := make(map[string]*vrfNLRI)
	for _, o := range c.owed {
		if _, known := in[o.vrf]; !known {
			in[o.vrf] = c.inVRF(o.vrf)
		}
		c.tell(in[o.vrf].nlri(o.nlri))
	}
	c.owed = nil
	c.flush()
}

// within tells of the destinations of an UPDATE of a neighbour in a VRF; "": in none.
func (c *changes) within(u *bgp.BGPUpdate, vrf string) {
	in := c.inVRF(vrf)
	for _, n := range u.WithdrawnRoutes {
		c.tell(in.nlri(n))
	}
	for _, a := range u.PathAttributes {
		switch a := a.(type) {
		case *bgp.PathAttributeMpReachNLRI:
			for _, n := range a.Value {
				c.tell(in.nlri(n))
			}
		case *bgp.PathAttributeMpUnreachNLRI:
			for _, n := range a.Value {
				c.tell(in.nlri(n))
			}
		}
	}
	for _, n := range u.NLRI {
		c.tell(in.nlri(n))
	}
}

// during calls do, which changes paths of a VRF's neighbour, or with "" of another source,
// and tells of their destinations.
func (c *changes) during(vrf string, paths []*bgpPath, do func()) {
	known, in := c.known, c.inVRF(vrf)
	c.known = true
	if c.allVRFs == nil {
		setVRFsAside(c.loop, vrf)
		defer putVRFsBack(c.loop)
	}
	c.apart.release() // whom GoBGP tells is another matter from here on
	c.retelling.around(in.nlri, paths, do)
	c.known = known
	for _, p := range paths {
		c.tell(in.nlri(p.origin().nlri))
	}
	c.flush()
}

// foretelling calls do, in which best paths may change alone, or paths of which was told.
func (c *changes) foretelling(do func()) {
	foretold := c.foretold
	c.foretold = true
	do()
	c.foretold = foretold
}

// listRoom is for how many paths room is made at once.
const listRoom = 64

// tell tells of a destination. Its NLRI may be a scratch of the caller's.
func (c *changes) tell(nlri bgp.AddrPrefixInterface) {
	if !considered(nlri) {
		return
	}
	t := c.rib().Tables[bgp.AfiSafiToRouteFamily(nlri.AFI(), nlri.SAFI())]
	if t == nil {
		return
	}
	d := destinationOf(t, nlri)
	if d == nil || len(d.knownPathList) == 0 {
		c.hear(nlri)
		c.lists = append(c.lists, item{of: kept(nlri)})
		return
	}
	c.list(d)
}

// list adds a destination that has paths. GoBGP changes the list of them in place later.
func (c *changes) list(d *bgpDestination) {
	c.hear(d.nlri)
	n := len(d.knownPathList)
	if cap(c.room)-len(c.room) < n {
		c.room = make([]known, 0, max(n, listRoom))
	}
	from := len(c.room)
	for _, p := range d.knownPathList {
		c.room = append(c.room, known{p, p.origin().nlri.PathLocalIdentifier()})
	}
	c.lists = append(c.lists, item{paths: c.room[from:len(c.room):len(c.room)]})
}

// flush puts what was told of into the queue.
func (c *changes) flush() {
	if c.live != nil {
		c.live.put(c.lists...)
	}
	clear(c.lists)
	c.lists = c.lists[:0]
}
