// Package guard stands between the socket of a BGP session and GoBGP v3, and judges
// every byte that a neighbour sends before GoBGP reads it.
//
// GoBGP v3 ends its process on many messages, some of them before the OPEN; it
// decodes families that were not negotiated; and it believes attributes and prefixes that
// a neighbour has no right to send: another tenant's route target, a LOCAL_PREF over eBGP,
// a prefix that belongs to nobody. A [Conn] takes the place of the session's connection.
// It passes one of three things:
//
//   - the neighbour's bytes as they came, where a message is plain: known attributes,
//     each once and well formed, and prefixes of negotiated families. Nearly all are,
//     and they cost a walk without an allocation;
//   - a message that was rewritten: an attribute cut out, prefixes withdrawn that were
//     announced, one of many prefixes divided into several;
//   - an odd message that was rehearsed: GoBGP's own code has dealt with a copy of it, on
//     the goroutine of this session, where a panic is caught. A message that does not
//     survive that goes down the ladder of RFC 7606: the attribute is discarded, else the
//     routes are withdrawn, else the session ends with a NOTIFICATION.
//
// Each intervention is counted by neighbour and [Reason], and the last prefixes that were
// refused are kept with their reasons, for whoever asks why a route is not there.
//
// A [Guard] owns the records of neighbours, which outlive their sessions, and knows the
// newest connection of each; a Conn owns its buffers and its judgement, for the one
// goroutine that reads. A reader begins with Conn.advance in conn.go, then
// rewriter.update in rewrite.go.
package guard

import (
	"log/slog"
	"maps"
	"net"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// Rules say how the messages of a neighbour are judged. They are immutable: a reload
// gives a session other ones (see [Guard.Update]).
type Rules struct {
	VRF string // "": the global table

	// OwnASes are the AS numbers that make a path a loop: this router's, its local-as
	// towards the neighbour, and its confederation's. AllowOwnAS is how often they may be
	// in one path.
	OwnASes    []uint32
	AllowOwnAS int
	// RouterID and ClusterIDs are this router's, for RFC 4456, section 8.
	RouterID   netip.Addr
	ClusterIDs []netip.Addr
	// Member says that the neighbour is in another member AS of this confederation.
	Member bool
	// Dynamic says that a prefix let the neighbour in: when its session ends it is there
	// no more.
	Dynamic bool
	// Client says that this router is the neighbour's route server, which passes attributes on as
	// they are (RFC 7947, 2.2).
	Client bool
	// Loopback says that both ends of the session are loopback addresses, so that a
	// nexthop may be one.
	Loopback bool
	// Local is our end of a session that is carried from another namespace; invalid: it is
	// that of the connection.
	Local netip.Addr
	// Six returns this router's IPv6 address on the link on which it has an IPv4 address, of
	// a session that is bound to an interface or VRF device; invalid: it has none. nil: it
	// is not known. It may block for a moment.
	Six func(local netip.Addr, bound string) netip.Addr
	// Direct says that an eBGP neighbour is one hop away, and its session ends with its link.
	Direct bool
	Terms  rib.Terms
	// Restarted says that the neighbour may have kept our routes while we restarted: our OPEN says
	// that forwarding went on (RFC 4724, 4.1).
	Restarted bool
	// Own tells whether a prefix is a subnet or an address of this VRF; nil: none is.
	Own func(netip.Prefix) bool
	// Limit is the VRF's, for all its sessions together; nil: there is none.
	Limit *Limit
}

// Session is the agreement of both OPENs, for a rehearsal. It is immutable.
type Session struct {
	Families   Families
	External   bool // eBGP
	Member     bool // of this confederation
	Loopback   bool
	PeerAS     uint32
	FourByteAS bool
}

// Rehearsal has GoBGP's code deal with a whole message as it would with one of this
// session, and returns an error where GoBGP would not survive it, or would answer it
// with a NOTIFICATION. It may panic.
type Rehearsal func(message []byte, s *Session) error

// Guard guards the sessions of one BGP server. Its methods are safe for concurrent use.
type Guard struct {
	rehearse Rehearsal
	log      *slog.Logger
	now      func() time.Time

	mu      sync.Mutex
	records map[string]*record // guarded by mu; by the neighbour's name
	conns   map[string]*Conn   // guarded by mu; the newest connection of each
	gone    []*record          // guarded by mu; of dynamic neighbours whose sessions ended, oldest first

	stopping bool // guarded by mu; see Quiet

	offered offered
}

// New makes a guard without sessions.
func New(rehearse Rehearsal, log *slog.Logger) *Guard {
	return &Guard{
		rehearse: rehearse, log: log, now: time.Now,
		records: make(map[string]*record), conns: make(map[string]*Conn),
	}
}

// Wrap puts the guard before a connection of the neighbour called name. Nothing may have
// been read from the connection.
func (g *Guard) Wrap(name string, conn net.Conn, rules *Rules, q Queues) *Conn {
	g.mu.Lock()
	r := g.records[name]
	if r == nil {
		r = newRecord(name)
		g.records[name] = r
	}
	r.rules.Store(rules)
	c := newConn(g, r, conn, q)
	old := g.conns[name]
	g.conns[name] = c
	stopping := g.stopping
	g.mu.Unlock()
	if stopping {
		c.hush()
	}
	if old != nil {
		old.places.release()
	}
	return c
}

// mostGone is how many dynamic neighbours are remembered that are there no more: who has
// a prefix of them has all its addresses to come from, 2⁶⁴ in IPv6.
const mostGone = 512

// closed lets go of a connection, and of the oldest dynamic neighbour that is gone where
// there are too many. A connection holds two messages of room.
func (g *Guard) closed(c *Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.conns[c.record.name] != c {
		return
	}
	delete(g.conns, c.record.name)
	if !c.rules().Dynamic {
		return
	}
	c.record.forgetAll()
	g.gone = append(g.gone, c.record)
	if len(g.gone) <= mostGone {
		return
	}
	oldest := g.gone[0]
	g.gone = slices.Delete(g.gone, 0, 1)
	if g.conns[oldest.name] == nil && g.records[oldest.name] == oldest && !slices.Contains(g.gone, oldest) {
		delete(g.records, oldest.name)
	}
}

// Update gives a neighbour other rules. The neighbour is asked again for routes that were
// refused under the old ones, where it can refresh its routes (RFC 2918).
func (g *Guard) Update(name string, rules *Rules) {
	g.mu.Lock()
	r, c := g.records[name], g.conns[name]
	g.mu.Unlock()
	if r == nil {
		return
	}
	old := r.rules.Swap(rules)
	if c != nil && !old.same(rules) {
		c.askAgain()
	}
}

// AskAgain has the neighbours of a VRF asked for their routes again, where they can
// refresh them (RFC 2918).
func (g *Guard) AskAgain(vrf string) {
	for _, c := range g.of(vrf) {
		c.askAgain()
	}
}

// of are the connections of a VRF's neighbours.
func (g *Guard) of(vrf string) []*Conn {
	g.mu.Lock()
	defer g.mu.Unlock()
	conns := make([]*Conn, 0, len(g.conns))
	for _, c := range g.conns {
		if c.rules().VRF == vrf {
			conns = append(conns, c)
		}
	}
	return conns
}

// Forget drops the record of a neighbour that is there no more.
func (g *Guard) Forget(name string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	delete(g.conns, name)
	delete(g.records, name)
}

// Names are the neighbours of which something is known.
func (g *Guard) Names() []string {
	g.mu.Lock()
	defer g.mu.Unlock()
	names := make([]string, 0, len(g.records))
	for name := range g.records {
		names = append(names, name)
	}
	return names
}

// Own says that subnets or addresses of a VRF came or went: routes of the VRF's neighbours
// to those that came are withdrawn, and they are asked again for routes to those that went.
func (g *Guard) Own(vrf string, came, went []netip.Prefix) {
	for _, c := range g.of(vrf) {
		c.own(came, went)
	}
}

// Serve says which services there are. Routes that have those of the last call are still sent; of
// other ones they are withdrawn. It is called by one goroutine at a time.
func (g *Guard) Serve(now Services) { g.offered.offer(now) }

// LinkLost ends the sessions that go over an interface over which nothing goes any more, of
// neighbours that are directly connected. GoBGP sees a connection that broke: a neighbour may
// restart gracefully with its link. after calls what ends a connection, now or later.
func (g *Guard) LinkLost(l rib.LinkFate, after func(end func())) {
	g.mu.Lock()
	conns := slices.Collect(maps.Values(g.conns))
	g.mu.Unlock()
	for _, c := range conns {
		if !c.rules().Direct || c.internal.Load() || !l.Carries(addrOf(c.LocalAddr()), addrOf(c.RemoteAddr()), boundTo(c.Conn)) {
			continue
		}
		c.record.cut(l.Reason, g.now())
		g.log.Warn("A BGP session is ended with its link.", "neighbor", c.record.name, "vrf", c.rules().VRF, "reason", l.Reason)
		after(func() { _ = c.Conn.Close() }) // its reader hears of it
	}
}

// same tells whether rules let the same in, as far as values say so.
func (r *Rules) same(o *Rules) bool {
	return r.VRF == o.VRF && slices.Equal(r.OwnASes, o.OwnASes) && r.AllowOwnAS == o.AllowOwnAS && r.Limit == o.Limit &&
		slices.Equal(r.Terms.AcceptRTs, o.Terms.AcceptRTs) && r.Terms.AnyRT == o.Terms.AnyRT &&
		r.Terms.EnforceFirstAS == o.Terms.EnforceFirstAS && slices.Equal(r.Terms.AcceptMartians, o.Terms.AcceptMartians)
}
