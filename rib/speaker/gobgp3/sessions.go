package gobgp3

import (
	"cmp"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"time"

	api "github.com/osrg/gobgp/v3/api"

	"github.com/vrfredist/vrfredist/rib"
	"github.com/vrfredist/vrfredist/rib/speaker"
	"github.com/vrfredist/vrfredist/rib/speaker/gobgp3/conf"
)

// sessions is how neighbours fare, by GoBGP's events. GoBGP's ListPeer is no
// answer to a question that may come often: it counts the routes of every
// neighbour one by one, and BGP stands still meanwhile.
type sessions struct {
	now func() time.Time

	// asking is held from a question to GoBGP until its answer is noted, so that a
	// later one is not overwritten; it is taken before mu.
	asking sync.Mutex

	mu    sync.Mutex
	known map[string]*session // guarded by mu; by the address that GoBGP calls it by, which has its zone

	// strangers are those who dialled in and are no neighbours.
	strangers strangers

	fell   chan struct{} // signalled when a session with a link-local address has come to be idle
	turned chan struct{} // signalled when a session may fare otherwise
}

type session struct {
	speaker.Session
	seen     bool       // BGP has had it
	at       netip.Addr // the address without its zone, as in GoBGP's events
	down     bool       // administratively, by the configuration
	disabled string     // who disabled it, in words; "": nobody
	because  string     // what who disabled it said; "": nothing
	ended    string     // why the last session did, or did not begin
	endedAt  time.Time
	closed   bool // ended is of a session that had a connection
	dial     rib.Dialing
	dialing  time.Time // since when an attempt to connect is under way; zero: none is
	passive  bool      // we do not dial
	carried  bool      // its session is in another namespace, and comes by an alias
	localAS  uint32    // ours towards it
}

func (n *session) configured() bool { return n.Origin == speaker.Configured }

// shown is a session for those who ask.
type shown struct {
	speaker.Session
	endedAt time.Time // when it had ended for Reason
	closed  bool      // it had a connection
	localAS uint32
}

// silence is how long an attempt to connect may take before that is worth a word: a SYN and
// one more.
const silence = 3 * time.Second

func (n *session) show() shown {
	out := shown{Session: n.Session, localAS: n.localAS}
	if !out.Local.IsValid() {
		out.Local = n.dial.Local
	}
	switch {
	case out.State == "established":
	case n.disabled != "":
		out.Stopped, out.Disabled, out.Reason = true, true, "disabled by "+n.disabled
		if n.because != "" {
			out.Reason += ": " + n.because
		}
		out.Reason += ", and down until it is enabled (`vrfredist neighbor " + n.called() + " enable`)"
	case n.down:
		out.Stopped, out.Reason = true, "admin-down in the configuration"
	case !n.dialing.IsZero() && time.Since(n.dialing) > silence:
		out.Reason, out.endedAt = n.dial.Silence(), n.dialing
	case n.ended == "" && n.passive && !n.carried:
		out.Reason = "it has not connected, and we do not dial (passive-mode)"
		if n.dial.Password {
			out.Reason += "; is the password the same on both sides?"
		}
	default:
		out.Reason, out.endedAt, out.closed = n.ended, n.endedAt, n.closed
	}
	return out
}

// called is the neighbour's address. Whose session is in another namespace is called by its
// alias here, which its address takes the place of (rib.Neighbor).
func (n *session) called() string {
	if n.carried {
		return speaker.AliasWord
	}
	return n.Address.String()
}

func newSessions() *sessions {
	return &sessions{now: time.Now, known: make(map[string]*session), fell: make(chan struct{}, 1), turned: make(chan struct{}, 1)}
}

// turn signals that a session may fare otherwise.
func (s *sessions) turn() {
	select {
	case s.turned <- struct{}{}:
	default: // who looks has yet to
	}
}

// list returns the neighbours by the address that GoBGP calls them by.
func (s *sessions) list() map[string]shown {
	s.mu.Lock()
	defer s.mu.Unlock()
	out := make(map[string]shown, len(s.known))
	for key, n := range s.known {
		out[key] = n.show()
	}
	return out
}

// disabling notes who disables a neighbour, and what they say ("": nothing), ahead of the look
// that finds it so: the session ends before.
func (s *sessions) disabling(key, by, because string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.known[key]; n != nil {
		n.disabled, n.because = cmp.Or(by, "another client of the API"), because
	}
}

// stay notes that a neighbour is disabled, as it is kept.
func (s *sessions) stay(key string, as rib.Disabled) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.known[key]
	if n == nil {
		return
	}
	n.disabled, n.because = cmp.Or(as.By, "another client of the API"), as.Reason
	if n.Since.IsZero() && as.Since.Before(n.Down) {
		n.Down = as.Since
	}
}

// host notes a dynamic neighbour that is disabled, as it is kept: BGP has none as long as it does not
// dial in.
func (s *sessions) host(key string, as uint32, kept rib.Disabled) {
	s.mu.Lock()
	if s.known[key] == nil {
		n := &session{Session: speaker.Session{State: stateName(api.PeerState_IDLE), PeerAS: as, Origin: speaker.Dynamic, Down: s.now()}, at: zoneless(key), passive: true}
		n.Address, _ = netip.ParseAddr(key)
		s.known[key] = n
	}
	s.mu.Unlock()
	s.stay(key, kept)
}

// disabled takes in which neighbours somebody disabled, and who.
func (s *sessions) disabled(by map[string]string) {
	defer s.turn()
	s.mu.Lock()
	defer s.mu.Unlock()
	for key, n := range s.known {
		who, is := by[key]
		if n.disabled = ""; is {
			n.disabled = cmp.Or(who, "another client of the API")
		} else if n.State != stateName(api.PeerState_ESTABLISHED) {
			n.because = ""
		}
		if n.Origin == speaker.Dynamic && !n.seen && n.disabled == "" {
			delete(s.known, key)
		}
	}
}

// down takes in why a session ended, in GoBGP's words.
func (s *sessions) down(key, reason string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.known[key]; n != nil {
		n.ended, n.endedAt, n.closed = plainReason(reason), s.now(), true
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

// configure takes in the neighbours of a configuration. How they fare events say, before
// it and after.
func (s *sessions) configure(c *conf.Config) {
	s.mu.Lock()
	defer s.mu.Unlock()
	stay := make(map[string]bool, len(c.Set.Neighbors))
	for _, n := range c.Set.Neighbors {
		key := n.State.NeighborAddress
		stay[key] = true
		have := s.known[key]
		if have == nil {
			have = &session{Session: speaker.Session{State: stateName(api.PeerState_IDLE), Down: s.now()}, at: zoneless(key)}
			s.known[key] = have
		}
		have.Origin, have.down = speaker.Configured, n.Config.AdminDown
		have.VRF, have.PeerAS = n.Config.Vrf, n.Config.PeerAs
		have.dials(&c.Set.Global, &n)
		have.Address, _ = netip.ParseAddr(cmp.Or(n.Config.NeighborAddress, key)) // by interface: the address that it resolved to
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

// speaks tells whether a neighbour has a connection, or none because somebody stopped
// it, which is to stand.
func (s *sessions) speaks(addr netip.Addr) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.known[addr.String()]
	return n != nil && (n.disabled != "" || slices.Contains([]string{"opensent", "openconfirm", "established"}, n.State))
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
