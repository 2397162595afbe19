package gobgp3

import (
	"cmp"
	"context"
	"fmt"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/server"
)

// Session is how a neighbour fares.
type Session struct {
	VRF     string // "": the global table
	Address netip.Addr
	PeerAS  uint32
	State   string    // as RFC 4271 names it, in lower case: idle, active, …, established
	Since   time.Time // when it was established; zero: it is not
	// Interface is the one that the neighbour is on, where that is known: of a
	// link-local one. One that is Pending has no Address.
	Interface string
	// Reason is why there is no session, where that is known; of one that is Pending, what
	// it waits for.
	Reason  string
	Stopped bool // somebody wants it so: the configuration, or another client
	Origin  Origin
	// Removed counts what was taken out of what the neighbour said, by reason. It is
	// nobody's to change.
	Removed map[string]uint64

	endedAt time.Time // when it had ended for Reason
}

// Origin is how a neighbour came to be one.
type Origin string

// The origins of a neighbour.
const (
	Configured Origin = "configuration"
	Dynamic    Origin = "dynamic" // a peer group let it in
	Foreign    Origin = "another client"
)

// Deleted is the State of a neighbour of the configuration that another client of the
// API took out.
const Deleted = "deleted"

// Sessions returns the neighbours by address: those that are configured, those
// that a peer group let in, and those that were added through GoBGP's own API.
// It asks GoBGP nothing, so it costs BGP nothing, and answers while BGP is busy.
// Before Run there are none.
func (s *Speaker) Sessions() []Session {
	known := s.sessions.list()
	s.guarding.tell(known)
	list := make([]Session, 0, len(known))
	for _, n := range known {
		n.Interface = n.Address.Zone()
		list = append(list, n)
	}
	for _, w := range s.inForce().waiting {
		w.Origin = Configured
		list = append(list, w.Session)
	}
	for _, d := range s.Drift() {
		if d.Kind != KindNeighbor || !d.Missing {
			continue
		}
		addr, _ := netip.ParseAddr(d.Name) // Check has seen that it is one
		list = append(list, Session{VRF: s.vrfOf(d.Name), Address: addr, PeerAS: d.PeerAS, State: Deleted, Stopped: true, Reason: d.Reason(), Origin: Configured})
	}
	slices.SortFunc(list, func(a, b Session) int {
		return cmp.Or(a.Address.Compare(b.Address), cmp.Compare(a.VRF, b.VRF))
	})
	return list
}

// vrfOf is the VRF of a neighbour of the configuration; "": the global table.
func (s *Speaker) vrfOf(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, n := range s.conf.set.Neighbors {
		if n.State.NeighborAddress == name {
			return n.Config.Vrf
		}
	}
	return ""
}

// sessions is what GoBGP's events say of its neighbours. GoBGP's ListPeer is no
// answer to a question that may come often: it counts the routes of every
// neighbour one by one, and BGP stands still meanwhile.
type sessions struct {
	now func() time.Time

	// asking is held from a question to GoBGP until its answer is noted, so that a
	// later one is not overwritten; it is taken before mu.
	asking sync.Mutex

	mu    sync.Mutex
	known map[string]*session // guarded by mu; by the address that GoBGP calls it by, which has its zone

	fell chan struct{} // signalled when one with a link-local address has come to be idle
}

type session struct {
	Session
	at       netip.Addr // the address without its zone, as in GoBGP's events
	down     bool       // administratively, by the configuration
	disabled string     // who disabled it, in words; "": nobody
	ended    string     // why the last session did, or did not begin
	endedAt  time.Time
}

func (n *session) configured() bool { return n.Origin == Configured }

// told is a session as it is shown.
func (n *session) told() Session {
	out := n.Session
	switch {
	case out.State == "established":
	case n.disabled != "":
		out.Stopped, out.Reason = true, "disabled by "+n.disabled+", and down until it is enabled (`gobgp neighbor "+n.Address.String()+" enable`)"
	case n.down:
		out.Stopped, out.Reason = true, "admin-down in the configuration"
	default:
		out.Reason, out.endedAt = n.ended, n.endedAt
	}
	return out
}

func newSessions() *sessions {
	return &sessions{now: time.Now, known: make(map[string]*session), fell: make(chan struct{}, 1)}
}

func (s *sessions) list() map[string]Session {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]Session, len(s.known))
	for key, n := range s.known {
		out[key] = n.told()
	}
	return out
}

// disabled takes in which neighbours somebody disabled, and who.
func (s *sessions) disabled(by map[string]string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, n := range s.known {
		who, is := by[key]
		if n.disabled = ""; is {
			n.disabled = cmp.Or(who, "another client of the API")
		}
	}
}

// down takes in why a session ended, in GoBGP's words.
func (s *sessions) down(key, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.known[key]; n != nil {
		n.ended, n.endedAt = plainReason(reason), s.now()
	}
}

// plainReason says in plain words why GoBGP ended a session.
func plainReason(reason string) string {
	if code, is := strings.CutPrefix(reason, "notification-received "); is {
		return "the neighbour ended the session: " + code
	}
	if code, is := strings.CutPrefix(reason, "notification-sent "); is {
		return "we ended the session: " + code
	}
	switch reason {
	case "read-failed", "write-failed":
		return "the connection broke"
	case "hold-timer-expired":
		return "nothing was heard of the neighbour for the hold time"
	case "graceful-restart":
		return "the connection broke, and the neighbour may be restarting gracefully"
	case "admin-down", "dying", "unknown":
		return ""
	}
	return strings.ReplaceAll(reason, "-", " ")
}

// configure takes in the neighbours of a configuration. Events are what says
// how they fare, before it and after.
func (s *sessions) configure(c *conf) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stay := make(map[string]bool, len(c.set.Neighbors))
	for _, n := range c.set.Neighbors {
		key := n.State.NeighborAddress
		stay[key] = true
		have := s.known[key]
		if have == nil {
			have = &session{Session: Session{State: stateName(api.PeerState_IDLE)}, at: zoneless(key)}
			s.known[key] = have
		}
		have.Origin, have.down = Configured, n.Config.AdminDown
		have.VRF, have.PeerAS = n.Config.Vrf, n.Config.PeerAs
		have.Address, _ = netip.ParseAddr(cmp.Or(n.Config.NeighborAddress, key)) // by interface: what it resolved to
	}
	for key, n := range s.known {
		if n.configured() && !stay[key] {
			delete(s.known, key)
		}
	}
}

func zoneless(key string) netip.Addr {
	addr, err := netip.ParseAddr(key)
	if err != nil {
		return netip.Addr{} // Check has refused it
	}
	return addr.WithZone("")
}

// watch follows the neighbours of bgp until ctx ends. It begins before there
// are any, so it sees each from its first state on.
func (s *sessions) watch(ctx context.Context, bgp *server.BgpServer) error {
	request := &api.WatchEventRequest{Peer: &api.WatchEventRequest_Peer{}}
	err := bgp.WatchEvent(ctx, request, func(r *api.WatchEventResponse) { s.event(ctx, bgp, r.GetPeer()) })
	if err != nil {
		return fmt.Errorf("watch BGP's neighbours: %w", err)
	}
	return nil
}

// event takes in what GoBGP says of a neighbour; it is called on the goroutine
// of the watch, one at a time.
func (s *sessions) event(ctx context.Context, bgp *server.BgpServer, e *api.WatchEventResponse_PeerEvent) {
	switch e.GetType() {
	case api.WatchEventResponse_PeerEvent_INIT, api.WatchEventResponse_PeerEvent_STATE:
	default:
		// The end of the first ones; or the last word on a neighbour that was taken
		// out, which comes late: one of the same address may be in its place.
		return
	}
	state := e.GetPeer().GetState()
	addr, err := netip.ParseAddr(state.GetNeighborAddress())
	if err != nil {
		return
	}
	s.asking.Lock()
	defer s.asking.Unlock()
	if addr.IsLinkLocalUnicast() && state.GetSessionState() == api.PeerState_IDLE {
		defer s.fall()
	}
	if s.set(addr, state) {
		return
	}
	// GoBGP has to be asked which one it is, or whether it is still there: a
	// dynamic neighbour goes without a word of its own. That counts the routes of
	// this one neighbour, once for each change of its state.
	s.look(ctx, bgp, addr, e.GetPeer().GetConf().GetNeighborInterface())
}

// fall signals that a session on a link is no more: the neighbour may have another
// address by now.
func (s *sessions) fall() {
	select {
	case s.fell <- struct{}{}:
	default:
	}
}

// speaks tells whether a neighbour has a connection, or none because somebody stopped
// it, which is to stand.
func (s *sessions) speaks(addr netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.known[addr.String()]
	return n != nil && (n.disabled != "" || slices.Contains([]string{"opensent", "openconfirm", "established"}, n.State))
}

// set notes the state of a neighbour that is configured, and tells whether it is
// the only one with that address: events name no zone.
func (s *sessions) set(addr netip.Addr, state *api.PeerState) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	var found *session
	for _, n := range s.known {
		if n.at != addr {
			continue
		}
		if found != nil || !n.configured() {
			return false
		}
		found = n
	}
	if found == nil {
		return false
	}
	if found.PeerAS == 0 {
		found.PeerAS = state.GetPeerAsn() // peer-as is not said: the one that it came with
	}
	found.State = stateName(state.GetSessionState())
	switch established := state.GetSessionState() == api.PeerState_ESTABLISHED; {
	case !established:
		found.Since = time.Time{}
	case found.Since.IsZero():
		found.Since = s.now()
	}
	return true
}

// look asks GoBGP for the neighbours with an address, whatever their zone, and
// takes in that they are gone where they are. The caller holds asking.
func (s *sessions) look(ctx context.Context, bgp *server.BgpServer, addr netip.Addr, byInterface string) {
	request := &api.ListPeerRequest{Address: cmp.Or(byInterface, addr.String())}
	if addr.IsLinkLocalUnicast() {
		request.Address = "" // GoBGP's name for it has a zone, which is not known here
	}
	there := make(map[string]Session)
	err := bgp.ListPeer(ctx, request, func(p *api.Peer) {
		key := p.GetState().GetNeighborAddress()
		n := Session{VRF: p.GetConf().GetVrf(), PeerAS: p.GetConf().GetPeerAsn(), State: stateName(p.GetState().GetSessionState()), Origin: Foreign}
		if p.GetConf().GetNeighborAddress() == "" && p.GetConf().GetNeighborInterface() == "" {
			n.Origin = Dynamic
		}
		n.Address, _ = netip.ParseAddr(cmp.Or(p.GetConf().GetNeighborAddress(), key))
		if up := p.GetTimers().GetState().GetUptime(); n.State == "established" && up != nil {
			n.Since = up.AsTime()
		}
		there[key] = n
	})
	if err != nil {
		return // BGP has ended
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, n := range s.known {
		if _, stays := there[key]; !stays && n.at == addr {
			delete(s.known, key)
		}
	}
	for key, n := range there {
		if have := s.known[key]; have != nil {
			n.Origin = have.Origin
			have.Session = n
		} else {
			s.known[key] = &session{Session: n, at: zoneless(key)}
		}
	}
}

// heedDelete is told of each call of another client that is about a neighbour: where
// one is taken out, GoBGP tells its watchers nothing.
func (s *Speaker) heedDelete(ctx context.Context, request any) {
	r, is := request.(*api.DeletePeerRequest)
	if bgp := s.server(); is && bgp != nil {
		if addr, err := netip.ParseAddr(r.GetAddress()); err == nil {
			s.sessions.asking.Lock()
			defer s.sessions.asking.Unlock()
			s.sessions.look(ctx, bgp, addr.WithZone(""), r.GetInterface())
		}
	}
}

// Answers returns when GoBGP's loop has answered: it is not stuck. GoBGP ignores
// the end of ctx.
func (s *Speaker) Answers(ctx context.Context) error {
	bgp := s.server()
	if bgp == nil {
		return nil
	}
	if _, err := bgp.GetBgp(ctx, &api.GetBgpRequest{}); err != nil {
		return fmt.Errorf("ask BGP how it fares: %w", err)
	}
	return nil
}

func stateName(s api.PeerState_SessionState) string {
	switch s {
	case api.PeerState_IDLE:
		return "idle"
	case api.PeerState_CONNECT:
		return "connect"
	case api.PeerState_ACTIVE:
		return "active"
	case api.PeerState_OPENSENT:
		return "opensent"
	case api.PeerState_OPENCONFIRM:
		return "openconfirm"
	case api.PeerState_ESTABLISHED:
		return "established"
	}
	return "unknown"
}
