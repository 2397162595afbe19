package gobgp3

import (
	"net"
	"net/netip"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/guard"
)

// guarding puts the guard before each session's connection.
//
// GoBGP says that a session's state changed in its own loop, by the logger that it was
// given, with the session's lock held: after the connection was accepted or dialled and
// its TTL set, which needs a *net.TCPConn, and before the goroutine starts that reads
// from it. There the connection is swapped. The field is an interface, and from there
// on GoBGP calls nothing of it but Read, Write, Close, its addresses and deadlines,
// unless a neighbour's TTL is changed: see reload.UpdatePeer.
type guarding struct {
	*loop
	guard  *guard.Guard
	names  *peerNames
	local  *localAddresses
	whole  *wholeTables
	ours   func(vrf string, p netip.Prefix) bool                             // Options.OwnPrefix
	six    func(neighbour string, local netip.Addr, bound string) netip.Addr // Options.OwnSix
	config atomic.Pointer[conf.Config]                                       // in force
	log    *logger

	restarted bool            // the process was started as a graceful restart
	began     time.Time       // when it was
	had       map[string]bool // neighbours that had a session since; the loop's own

	mu     sync.Mutex
	limits map[string]*guard.Limit // guarded by mu; by VRF
}

func newGuarding(l *loop, ours func(vrf string, p netip.Prefix) bool, c *conf.Config, log *logger) *guarding {
	g := &guarding{loop: l, guard: guard.New(rehearse, log.slog), ours: ours, log: log, began: time.Now(), had: make(map[string]bool), limits: make(map[string]*guard.Limit)}
	g.config.Store(c)
	return g
}

// stateChanged is called in GoBGP's loop, which owns the map of neighbours and holds the
// lock of this one's session.
func (g *guarding) stateChanged(fields log.Fields) {
	if g.server() == nil {
		return
	}
	key, _ := fields["Key"].(string)
	p, there := g.peerOf(key)
	if !there {
		return
	}
	listenTo(p, g.log, fields["new"] == established)
	switch fields["new"] {
	case established:
		g.names.note(key, p, true)
		g.local.established(p)
		g.whole.told.established(key, p)
		if g.restarts() {
			g.had[key] = true
		}
		return
	case bgp.BGP_FSM_OPENSENT.String():
		g.names.note(key, p, false)
	default:
		return
	}
	if unguarded {
		return
	}
	conn := p.conn.in(p.fsm)
	tcp, is := (*conn).(*net.TCPConn)
	if !is {
		return // it is guarded
	}
	incoming := *p.incoming.in(p.fsm)
	// GoBGP has another one in each state, but none while a session of this state writes.
	outgoing := p.outgoing.in(p.fsm)
	rules := g.rules(key, p)
	rules.Restarted = g.restarts() && !g.had[key]
	rules.Loopback = rules.Loopback && isLoopback(tcp.LocalAddr()) && isLoopback(tcp.RemoteAddr())
	*conn = g.guard.Wrap(key, tcp, rules, guard.Queues{
		In: incoming.Len, Out: func() int { return (*outgoing).Len() },
		Before:  func() <-chan struct{} { return g.whole.gone.holds.before(key) },
		Refresh: func(f bgp.RouteFamily) bool { return g.whole.told.refresh(key, p, f) },
	})
}

// longestRestart is what the restart time of a neighbour's OPEN can say at most (RFC 4724, 3).
const longestRestart = 4095 * time.Second

// restarts tells whether a neighbour that had no session yet may have kept our routes of an earlier
// run. It is called in the loop.
func (g *guarding) restarts() bool { return g.restarted && time.Since(g.began) < longestRestart }

func isLoopback(a net.Addr) bool {
	t, is := a.(*net.TCPAddr)
	return is && t.IP.IsLoopback()
}

// rules are those of a neighbour as GoBGP has it: one that dialled in, or that a client
// of the API added, is not in the file. It is called in the loop.
func (g *guarding) rules(key string, p livePeer) *guard.Rules {
	c, n, global := g.config.Load(), *p.conf.in(p.fsm), *p.global.in(p.fsm)
	r := &guard.Rules{
		VRF:        n.Config.Vrf,
		OwnASes:    []uint32{global.Config.As},
		AllowOwnAS: int(n.AsPathOptions.Config.AllowOwnAs),
		Dynamic:    isDynamic(n),
		Client:     n.RouteServer.Config.RouteServerClient,
		// The loopback is an alias's, of a neighbour who is elsewhere.
		Loopback: n.Transport.Config.BindInterface != "lo",
		Terms:    c.TermsOf(key, n.Config.PeerGroup),
	}
	if n.Transport.Config.BindInterface == "lo" { // of an alias
		r.Local, _ = netip.ParseAddr(n.Transport.Config.LocalAddress)
	}
	if g.six != nil {
		r.Six = func(local netip.Addr, bound string) netip.Addr { return g.six(key, local, bound) }
	}
	r.Direct = r.Terms.FastFailover && isDirect(n)
	if n.Config.LocalAs != 0 && n.Config.LocalAs != global.Config.As {
		r.OwnASes = append(r.OwnASes, n.Config.LocalAs)
	}
	if confed := global.Confederation.Config; confed.Enabled {
		r.OwnASes = append(r.OwnASes, confed.Identifier)
		r.Member = n.IsConfederationMember(global)
	}
	r.RouterID, _ = netip.ParseAddr(global.Config.RouterId) // GoBGP does not start without
	r.ClusterIDs = clusterIDs(r.RouterID, n, c.Set.Neighbors)
	if g.ours != nil {
		name := vrfOrDefault(n.Config.Vrf)
		r.Own = func(p netip.Prefix) bool { return g.ours(name, p) }
	}
	r.Limit = g.limit(n.Config.Vrf, c.Extras.MaxPrefixes)
	return r
}

// isDirect tells whether a neighbour can only be on a link of ours. Of one in a namespace the
// relay has the link.
func isDirect(n *oc.Neighbor) bool {
	return !n.EbgpMultihop.Config.Enabled && n.Transport.Config.BindInterface != "lo" &&
		(!n.TtlSecurity.Config.Enabled || n.TtlSecurity.Config.TtlMin == rib.OneHop)
}

// clusterIDs are the ids under which this router reflects, to whichever neighbour.
func clusterIDs(router netip.Addr, n *oc.Neighbor, others []oc.Neighbor) []netip.Addr {
	ids := []netip.Addr{router}
	add := func(r *oc.RouteReflector) { // not all of n: a session that is up counts its messages in it
		id, err := netip.ParseAddr(string(r.State.RouteReflectorClusterId))
		if err == nil && !slices.Contains(ids, id) {
			ids = append(ids, id)
		}
	}
	add(&n.RouteReflector)
	for i := range others {
		add(&others[i].RouteReflector)
	}
	return ids
}

// limit returns the limit of a VRF's sessions; nil: there is none.
func (g *guarding) limit(vrf string, most map[string]uint32) *guard.Limit {
	name := vrfOrDefault(vrf)
	n, limited := most[name]
	g.mu.Lock()
	defer g.mu.Unlock()
	l := g.limits[name]
	switch {
	case !limited:
		return nil
	case l == nil:
		l = guard.NewLimit(int64(n), func() { g.guard.AskAgain(vrf) })
		g.limits[name] = l
	default:
		l.Set(int64(n))
	}
	return l
}

// adopt takes in a configuration, for the sessions that are up as well.
func (g *guarding) adopt(c *conf.Config) {
	g.config.Store(c)
	g.judgeAgain()
}

// judgeAgain brings the rules of all sessions up to date.
func (g *guarding) judgeAgain() {
	if g.server() == nil {
		return
	}
	_ = g.inAnyLoop(func() error { // its error is ours, and there is none
		have := make(map[string]bool)
		for key, p := range g.peers() {
			have[key] = true
			g.guard.Update(key, g.rules(key, p))
		}
		for _, name := range g.guard.Names() {
			if !have[name] {
				g.guard.Forget(name)
			}
		}
		return nil
	})
}

// reports are what the guard did to the messages of each neighbour.
func (g *guarding) reports() []speaker.Report {
	var list []speaker.Report
	for _, r := range g.guard.Reports() {
		list = append(list, speaker.Report{Neighbour: r.Neighbour, VRF: r.VRF, Plain: r.Plain, Rehearsed: r.Rehearsed, Removed: byReason(r)})
	}
	return list
}

func byReason(r guard.Report) map[string]uint64 {
	counts := make(map[string]uint64, len(r.Counts))
	for reason, n := range r.Counts {
		counts[reason.Name()] = n
	}
	return counts
}

// refused are the announcements of a VRF's neighbours that were taken for a withdrawal.
func (g *guarding) refused(vrf string, p netip.Prefix) []rib.Refusal {
	var list []rib.Refusal
	for _, r := range g.guard.Refused(vrfOrGlobal(vrf), p) {
		text := r.Reason.String()
		if r.Detail != "" {
			text += ": " + r.Detail
		}
		list = append(list, rib.Refusal{Prefix: r.Prefix, Neighbour: r.Neighbour, Reason: text, At: r.At})
	}
	return list
}

// vrfOrGlobal is a VRF as GoBGP names it in a neighbour: "" for the global table.
func vrfOrGlobal(vrf string) string {
	if vrf == speaker.Default {
		return ""
	}
	return vrf
}

// tell adds to sessions what the guard removed from their messages, and why it ended them.
func (g *guarding) tell(sessions map[string]shown) {
	for _, r := range g.guard.Reports() {
		s, there := sessions[r.Neighbour]
		if !there {
			continue
		}
		if len(r.Counts) > 0 {
			s.Removed = byReason(r)
		}
		s.Heard, s.Said = notification(r.Heard), notification(r.Said)
		up := s.State == stateName(api.PeerState_ESTABLISHED)
		if up {
			s.Families = r.Opened.Families // who asks before the figures are taken has them too
		}
		switch {
		case up && r.Opened.PeerAS != 0 && len(r.Opened.Families) == 0:
			s.Reason = "the session carries nothing: the two sides have no address family in common; compare afi-safis here with what it is configured for"
		case up && r.RouteServer:
			s.Reason = "every route of it is refused, because the first AS is not its own: is it a route server? Then write enforce_first_as = false"
		// GoBGP hears of the end as of a connection that broke.
		case !up && !s.Stopped && r.Ended != "" && s.endedAt.Sub(r.EndedAt) < endTogether:
			s.Reason, s.Explained = "vrfredist ended the session: "+r.Ended, r.EndedAt
		case !up && !s.Stopped && s.closed:
			g.noticed(&s, &r)
		}
		sessions[r.Neighbour] = s
	}
}

// noticed takes a NOTIFICATION for the reason of the end of a session that had one.
func (g *guarding) noticed(s *shown, r *guard.Report) {
	n, heard := r.Said, r.Heard.At.After(r.Said.At)
	if heard {
		n = r.Heard
	}
	if n.At.IsZero() || s.endedAt.Sub(n.At).Abs() > endTogether {
		return
	}
	if n.Code != bgp.BGP_ERROR_HOLD_TIMER_EXPIRED { // that it does not answer, the relay says too
		s.Explained = n.At
	}
	if heard {
		s.Reason = heardReason(n, s.localAS)
		return
	}
	s.Reason = saidReason(n, r.Opened.PeerAS, s.PeerAS)
}

// endTogether is how soon GoBGP hears of a session that the guard ended.
const endTogether = 5 * time.Second
