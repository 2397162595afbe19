package gobgp3

import (
	"cmp"
	"fmt"
	"net/netip"
	"sync"
	"time"

	api "github.com/osrg/gobgp/v3/api"
	"github.com/osrg/gobgp/v3/pkg/config/oc"
	"github.com/osrg/gobgp/v3/pkg/packet/bgp"

	"github.com/vrfredist/vrfredist/rib"
)

// What GoBGP's log says of sessions that are not up: why an attempt to connect failed, and why
// a connection came to no session. Its events have neither.

// rose notes that the session is up.
func (n *session) rose(at time.Time) {
	n.Since, n.Down = at, time.Time{}
	n.ended, n.endedAt, n.closed, n.dialing = "", time.Time{}, false, time.Time{}
	n.Established++
}

// fell notes that there is no session.
func (n *session) fell(at time.Time) {
	if n.Since = (time.Time{}); n.Down.IsZero() {
		n.Down = at
	}
}

// dials takes in how the neighbour of a configuration is reached.
func (n *session) dials(global *oc.Global, of *oc.Neighbor) {
	port := of.Transport.Config.RemotePort
	n.dial = rib.Dialing{
		Port: cmp.Or(port, bgp.BGP_PORT), Password: of.Config.AuthPassword != "", TTLSecurity: of.TtlSecurity.Config.Enabled, Where: "here",
	}
	if local, err := netip.ParseAddr(of.Transport.Config.LocalAddress); err == nil && !local.IsUnspecified() {
		n.dial.Local = local
	}
	n.passive, n.carried = of.Transport.Config.PassiveMode, of.Transport.Config.BindInterface == "lo"
	n.localAS = cmp.Or(of.Config.LocalAs, global.Config.As)
}

// dialsAs is dials for a neighbour of no configuration.
func (n *session) dialsAs(p *api.Peer) {
	t := p.GetTransport()
	n.dial = rib.Dialing{
		Port: cmp.Or(uint16(t.GetRemotePort()), bgp.BGP_PORT), Password: p.GetConf().GetAuthPassword() != "", TTLSecurity: p.GetTtlSecurity().GetEnabled(), Where: "here",
	}
	if local, err := netip.ParseAddr(t.GetLocalAddress()); err == nil && !local.IsUnspecified() {
		n.dial.Local = local
	}
	n.passive, n.carried, n.localAS = t.GetPassiveMode(), t.GetBindInterface() == "lo", p.GetConf().GetLocalAsn()
}

// dialed notes that an attempt to connect begins.
func (s *sessions) dialed(key string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.known[key]; n != nil {
		n.dialing = s.now()
	}
}

// unreached notes why one failed.
func (s *sessions) unreached(key string, err error) {
	defer s.turn()
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.known[key]; n != nil && err != nil {
		n.dialing = time.Time{}
		n.ended, n.endedAt, n.closed = n.dial.Failure(err), s.now(), false
	}
}

// misdialed notes that the neighbour connects to another address of ours than it is to.
func (s *sessions) misdialed(key, to, want string) {
	defer s.turn()
	s.mu.Lock()
	defer s.mu.Unlock()
	if n := s.known[key]; n != nil {
		n.ended, n.endedAt, n.closed = fmt.Sprintf("it connects to our address %s, and local-address says %s; correct one of the two", to, want), s.now(), false
	}
}

// moved takes in a change of a session's state. It is called in the loop.
func (s *sessions) moved(key, from, to, reason string) {
	defer s.turn()
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.known[key]
	if n == nil {
		return
	}
	if to != bgp.BGP_FSM_ACTIVE.String() {
		n.dialing = time.Time{}
	}
	early := from == bgp.BGP_FSM_OPENSENT.String() || from == bgp.BGP_FSM_OPENCONFIRM.String()
	if text := earlyReason(reason, n); early && to == bgp.BGP_FSM_IDLE.String() && text != "" {
		n.ended, n.endedAt, n.closed = text, s.now(), true
	}
}

// earlyReason is why a connection came to no session, in GoBGP's word for it; "": because
// somebody wanted so.
func earlyReason(reason string, n *session) string {
	switch reason {
	case "read-failed", "write-failed":
		if n.carried {
			return "it closed the connection before there was a session"
		}
		text := "it closed the connection before there was a session; has it us as a neighbour"
		if n.dial.Local.IsValid() {
			text += fmt.Sprintf(", as %v", n.dial.Local)
		}
		return fmt.Sprintf("%s and AS %d?", text, n.localAS)
	case "hold-timer-expired":
		return "it took the connection, and sent nothing; does BGP run there, or something else?"
	case "invalid-msg":
		return "its OPEN was not taken"
	}
	return plainReason(reason)
}

// strangers are those who dial in and are no neighbours, as far as they are remembered.
type strangers struct {
	mu   sync.Mutex
	seen map[string]time.Time // guarded by mu
}

const (
	// strangerEach is how often one is worth a line.
	strangerEach = 10 * time.Minute
	// mostStrangers bounds them: who scans from many addresses gets one line now and then.
	mostStrangers = 64
)

// isNew tells whether one was not heard of lately.
func (s *strangers) isNew(from string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if s.seen == nil {
		s.seen = make(map[string]time.Time)
	}
	if at, known := s.seen[from]; known && now.Sub(at) < strangerEach {
		return false
	}
	if len(s.seen) >= mostStrangers {
		for who, at := range s.seen {
			if now.Sub(at) >= strangerEach {
				delete(s.seen, who)
			}
		}
	}
	if len(s.seen) >= mostStrangers {
		return false
	}
	s.seen[from] = now
	return true
}
