package gobgp3

import (
	"net"
	"net/netip"
	"reflect"
	"slices"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"github.com/eapache/channels"
	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/log"
	"github.com/osrg/gobgp/v3/pkg/server"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/guard"
)

//go:linkname mgmtOperation github.com/osrg/gobgp/v3/pkg/server.(*BgpServer).mgmtOperation
func mgmtOperation(s *server.BgpServer, f func() error, checkActive bool) error

// guarding puts the guard before each session's connection.
//
// GoBGP says that a session's state changed in its own loop, by the logger that it was
// given, with the session's lock held: after the connection was accepted or dialled and
// its TTL set, which needs a *net.TCPConn, and before the goroutine starts that reads
// from it. There the connection is swapped. The field is an interface, and from there
// on GoBGP calls nothing of it but Read, Write, Close, its addresses and deadlines,
// unless a neighbour's TTL is changed: see changesTTL.
type guarding struct {
	guard *guard.Guard
	own   func(vrf string, p netip.Prefix) bool
	bgp   atomic.Pointer[server.BgpServer]
	conf  atomic.Pointer[conf] // what is in force
	at    fsmFields

	mu     sync.Mutex
	limits map[string]*guard.Limit // guarded by mu; by VRF
}

// fsmFields are where GoBGP keeps what a session is about.
type fsmFields struct {
	neighborMap                                   reflect.StructField // of BgpServer
	fsm                                           uintptr             // of peer
	global, neighbour, conn, incomings, outgoings uintptr             // of fsm
}

func newGuarding(o Options, log *logger) (*guarding, error) {
	at, err := learnFSM()
	if err != nil {
		return nil, err
	}
	return &guarding{guard: guard.New(rehearse, log.slog), own: o.OwnPrefix, at: at, limits: make(map[string]*guard.Limit)}, nil
}

// learnFSM finds GoBGP's fields, and compares their types with what is read and written
// as one.
func learnFSM() (at fsmFields, err error) {
	m, ok := reflect.TypeFor[server.BgpServer]().FieldByName("neighborMap")
	if !ok || m.Type.Kind() != reflect.Map || m.Type.Key().Kind() != reflect.String || m.Type.Elem().Kind() != reflect.Pointer {
		return at, internalsError("BgpServer.neighborMap is no map of peers")
	}
	at.neighborMap = m
	f, ok := m.Type.Elem().Elem().FieldByName("fsm")
	if !ok || f.Type.Kind() != reflect.Pointer {
		return at, internalsError("peer.fsm is no pointer")
	}
	at.fsm = f.Offset
	for _, field := range []struct {
		name string
		want reflect.Type
		to   *uintptr
	}{
		{"gConf", reflect.TypeFor[*oc.Global](), &at.global},
		{"pConf", reflect.TypeFor[*oc.Neighbor](), &at.neighbour},
		{"conn", reflect.TypeFor[net.Conn](), &at.conn},
		{"incomingCh", reflect.TypeFor[*channels.InfiniteChannel](), &at.incomings},
		{"outgoingCh", reflect.TypeFor[*channels.InfiniteChannel](), &at.outgoings},
	} {
		g, ok := f.Type.Elem().FieldByName(field.name)
		if !ok || g.Type != field.want {
			return at, internalsError("fsm.%s is no %s", field.name, field.want)
		}
		*field.to = g.Offset
	}
	return at, nil
}

// stateChanged is called in GoBGP's loop, which owns the map of neighbours and holds the
// lock of this one's session.
func (g *guarding) stateChanged(fields log.Fields) {
	bgp := g.bgp.Load()
	if bgp == nil || fields["new"] != "BGP_FSM_OPENSENT" || unguarded {
		return
	}
	key, _ := fields["Key"].(string)
	fsm := g.fsmOf(bgp, key)
	if fsm == nil {
		return
	}
	conn := (*net.Conn)(unsafe.Add(fsm, g.at.conn))
	tcp, is := (*conn).(*net.TCPConn)
	if !is {
		return // it is guarded
	}
	incoming := *(**channels.InfiniteChannel)(unsafe.Add(fsm, g.at.incomings))
	// GoBGP has another one in each state, but none while a session of this state writes.
	outgoing := (**channels.InfiniteChannel)(unsafe.Add(fsm, g.at.outgoings))
	rules := g.rules(key, *(**oc.Neighbor)(unsafe.Add(fsm, g.at.neighbour)), *(**oc.Global)(unsafe.Add(fsm, g.at.global)))
	rules.Loopback = rules.Loopback && isLoopback(tcp.LocalAddr()) && isLoopback(tcp.RemoteAddr())
	*conn = g.guard.Wrap(key, tcp, rules, guard.Queues{In: incoming.Len, Out: func() int { return (*outgoing).Len() }})
}

func (g *guarding) neighborMap(bgp *server.BgpServer) reflect.Value {
	return reflect.NewAt(g.at.neighborMap.Type, unsafe.Add(unsafe.Pointer(bgp), g.at.neighborMap.Offset)).Elem()
}

// fsmOf is called in GoBGP's loop; nil: there is no such neighbour.
func (g *guarding) fsmOf(bgp *server.BgpServer, key string) unsafe.Pointer {
	p := g.neighborMap(bgp).MapIndex(reflect.ValueOf(key))
	if !p.IsValid() {
		return nil
	}
	return *(*unsafe.Pointer)(unsafe.Add(p.UnsafePointer(), g.at.fsm))
}

func isLoopback(a net.Addr) bool {
	t, is := a.(*net.TCPAddr)
	return is && t.IP.IsLoopback()
}

// rules are those of a neighbour as GoBGP has it, which one that dialled in, or that a
// client of the API added, is not in the file.
func (g *guarding) rules(key string, n *oc.Neighbor, global *oc.Global) *guard.Rules {
	c := g.conf.Load()
	r := &guard.Rules{
		VRF:        n.Config.Vrf,
		OwnASes:    []uint32{global.Config.As},
		AllowOwnAS: int(n.AsPathOptions.Config.AllowOwnAs),
		Dynamic:    n.Config.NeighborAddress == "" && n.Config.NeighborInterface == "",
		// The loopback is an alias's, of a neighbour who is elsewhere.
		Loopback: n.Transport.Config.BindInterface != "lo",
		Terms:    c.termsOf(key, n.Config.PeerGroup),
	}
	if n.Config.LocalAs != 0 && n.Config.LocalAs != global.Config.As {
		r.OwnASes = append(r.OwnASes, n.Config.LocalAs)
	}
	if confed := global.Confederation.Config; confed.Enabled {
		r.OwnASes = append(r.OwnASes, confed.Identifier)
		r.Member = n.IsConfederationMember(global)
	}
	r.RouterID, _ = netip.ParseAddr(global.Config.RouterId) // GoBGP does not start without
	r.ClusterIDs = clusterIDs(r.RouterID, n, c.set.Neighbors)
	if g.own != nil {
		name := vrfOrDefault(n.Config.Vrf)
		r.Own = func(p netip.Prefix) bool { return g.own(name, p) }
	}
	r.Limit = g.limit(n.Config.Vrf, c.maxPrefixes)
	return r
}

func vrfOrDefault(vrf string) string {
	if vrf == "" {
		return Default
	}
	return vrf
}

// clusterIDs are those under which this router reflects, to whichever neighbour.
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
func (g *guarding) adopt(c *conf) {
	g.conf.Store(c)
	bgp := g.bgp.Load()
	if bgp == nil {
		return
	}
	_ = mgmtOperation(bgp, func() error { // its error is ours, and there is none
		have := make(map[string]bool)
		for all := g.neighborMap(bgp).MapRange(); all.Next(); {
			key := all.Key().String()
			have[key] = true
			fsm := *(*unsafe.Pointer)(unsafe.Add(all.Value().UnsafePointer(), g.at.fsm))
			g.guard.Update(key, g.rules(key, *(**oc.Neighbor)(unsafe.Add(fsm, g.at.neighbour)), *(**oc.Global)(unsafe.Add(fsm, g.at.global))))
		}
		for _, name := range g.guard.Names() {
			if !have[name] {
				g.guard.Forget(name)
			}
		}
		return nil
	}, false)
}

// Removed is what the guard did to the messages of each neighbour, by the name that
// GoBGP has for it.
func (s *Speaker) Removed() []guard.Report { return s.guarding.guard.Reports() }

// Refused are the neighbours of a VRF whose last announcement of a prefix was taken for
// a withdrawal, and why; of no prefix: all that are remembered, by prefix.
func (s *Speaker) Refused(vrf string, p netip.Prefix) []rib.Refusal {
	if vrf == Default {
		vrf = ""
	}
	var list []rib.Refusal
	for _, r := range s.guarding.guard.Refused(vrf, p) {
		text := r.Reason.String()
		if r.Detail != "" {
			text += ": " + r.Detail
		}
		list = append(list, rib.Refusal{Prefix: r.Prefix, Neighbour: r.Neighbour, Reason: text, At: r.At})
	}
	return list
}

// OwnChanged says that subnets and addresses of a VRF came and went, so that what
// neighbours announced of them is judged again.
func (s *Speaker) OwnChanged(vrf string, came, went []netip.Prefix) {
	if vrf == Default {
		vrf = ""
	}
	s.guarding.guard.Own(vrf, came, went)
}

// tell adds to sessions what the guard did to them.
func (g *guarding) tell(sessions map[string]Session) {
	for _, r := range g.guard.Reports() {
		s, there := sessions[r.Neighbour]
		if !there {
			continue
		}
		for reason, n := range r.Counts {
			if s.Removed == nil {
				s.Removed = make(map[string]uint64, len(r.Counts))
			}
			s.Removed[reason.Name()] = n
		}
		switch up := s.State == stateName(api.PeerState_ESTABLISHED); {
		case up && r.RouteServer:
			s.Reason = "every route of it is refused, because the first AS is not its own: is it a route server? Then write enforce_first_as = false"
		// GoBGP hears of the end as of a connection that broke.
		case !up && !s.Stopped && r.Ended != "" && s.endedAt.Sub(r.EndedAt) < endTogether:
			s.Reason = "vrfredist ended the session: " + r.Ended
		}
		sessions[r.Neighbour] = s
	}
}

// endTogether is how soon GoBGP hears of a session that the guard ended.
const endTogether = 5 * time.Second
