package relay

import (
	"cmp"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"sync"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// State is what the relay does for a neighbour.
type State string

// The states of a neighbour.
const (
	StateAbsent     State = "absent"     // its namespace is not there
	StateListening  State = "listening"  // the peer is to dial
	StateConnecting State = "connecting" // we dial, and listen
	StateWaiting    State = "waiting"    // connected to the peer; the BGP server does not take it yet
	StateConnected  State = "connected"  // joined to the BGP server
)

// Status is what is known of a neighbour. It has no secrets.
type Status struct {
	VRF, Netns, Device string
	Peer, Local, Alias netip.Addr
	State              State
	Since              time.Time // of State
	// Accepted tells that the peer opened the connection that there is now.
	Accepted bool
	// Attempts counts our attempts to dial since the last connection.
	Attempts int
	// Error is why there is no session, in plain words, or why the last one
	// ended. "" with a connection that is well.
	Error string
	// ErrorAt is when Error was found.
	ErrorAt time.Time
	// Met says that the peer was reached: Error is about what came of the connection, of which
	// the BGP server may know more.
	Met bool
	// ListenError is why we cannot listen; dialling goes on. "": we listen.
	ListenError string
}

// entry is a wanted neighbour and what is known of it. It outlives restarts of
// the neighbour's namespace.
type entry struct {
	n   neighbor
	log *slog.Logger

	mu     sync.Mutex // guards what follows
	s      Status
	conn   *net.TCPConn        // with the peer; nil: there is none
	since  time.Time           // of conn
	gone   string              // why nothing goes over the peer's link; "": something does, or it is not known
	cut    string              // why conn was closed, where that was by us
	warned map[string]struct{} // reasons logged since the last connection
}

func newEntry(n neighbor, log *slog.Logger) *entry {
	state := StateConnecting
	if n.PassiveOnly {
		state = StateListening
	}
	return &entry{
		n: n,
		log: log.With("vrf", n.VRF, "netns", n.Netns,
			"peer", n.Peer.String(), "alias", n.Alias.String()),
		s: Status{
			VRF: n.VRF, Netns: n.Netns, Device: n.Device,
			Peer: n.Peer, Local: n.Local, Alias: n.Alias,
			State: state, Since: time.Now(),
		},
		warned: make(map[string]struct{}),
	}
}

func (e *entry) status() Status {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.s
}

func (e *entry) set(state State) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.enter(state)
}

// begin starts anew, in a namespace that is there.
func (e *entry) begin() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.enter(e.idle())
	e.s.Accepted, e.s.Error = false, ""
}

// enter needs e.mu.
func (e *entry) enter(state State) {
	if e.s.State != state {
		e.s.State, e.s.Since = state, time.Now()
	}
}

// idle is the state without a connection.
func (e *entry) idle() State {
	if e.n.PassiveOnly {
		return StateListening
	}
	return StateConnecting
}

// attempt counts one.
func (e *entry) attempt() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.s.Attempts++
}

// fail notes why there is no session, and logs each reason once: the attempts
// go on and would fill the log.
func (e *entry) fail(state State, err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.gone != "" {
		err = &reason{fmt.Sprintf("no session with %v: %s", e.n, e.gone), err}
	}
	e.enter(state)
	e.s.Accepted = false
	e.s.Error, e.s.ErrorAt, e.s.Met = err.Error(), time.Now(), false
	e.warn(err)
}

// turnedAway notes that the BGP server did not take the connection with the peer. It knows
// why, and says so.
func (e *entry) turnedAway(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.enter(e.idle())
	e.s.Accepted = false
	e.s.Error, e.s.ErrorAt, e.s.Met = err.Error(), time.Now(), e.gone == ""
	e.log.Debug(err.Error())
}

// listenFail notes whether we can listen.
func (e *entry) listenFail(err error) {
	e.mu.Lock()
	defer e.mu.Unlock()
	if err == nil {
		e.s.ListenError = ""
		return
	}
	e.s.ListenError = err.Error()
	e.warn(err)
}

// warn needs e.mu.
func (e *entry) warn(err error) {
	if _, done := e.warned[err.Error()]; done {
		return
	}
	e.warned[err.Error()] = struct{}{}
	e.log.Warn(err.Error())
}

// connected notes that the session's bytes flow.
func (e *entry) connected(accepted bool) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.enter(StateConnected)
	e.s.Accepted, e.s.Attempts, e.s.Error = accepted, 0, ""
	clear(e.warned)
	opened := "us"
	if accepted {
		opened = "the peer"
	}
	e.log.Debug("connected a neighbour with the BGP server", "opened_by", opened)
}

// hold notes the connection with the peer; nil: there is none any more.
func (e *entry) hold(c *net.TCPConn) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.conn, e.since = c, time.Now()
	if c != nil {
		e.cut = ""
	}
}

// unheard is how long a peer may say nothing over a connection before one that it opens
// itself takes the place: a speaker sends its OPEN at once (RFC 4271, section 8.2.2).
const unheard = 2 * time.Second

// giveWay ends the connection that there is where the peer has said nothing over it: it has
// lost it, or its segments do not arrive, for their TTL or their key. Kept, it would have the
// peer's own attempts refused until it times out. It tells whether it did.
func (e *entry) giveWay() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.conn == nil || time.Since(e.since) < unheard || !silent(e.conn) {
		return false
	}
	e.cut = "it said nothing over that connection, and opened another"
	refuse(e.conn) // what carries its bytes hears of it
	e.conn = nil
	return true
}

// linkChanged takes in the fate of a link, and ends the session that goes over it: after calls
// what does that, now or later. It tells whether the peer can be reached over the link again.
func (e *entry) linkChanged(l *rib.LinkFate, after func(end func())) (back bool) {
	if !e.n.FastFailover || !l.Carries(e.n.Local, e.n.Peer, cmp.Or(e.n.Device, e.n.Peer.Zone())) {
		return false
	}
	e.mu.Lock()
	defer e.mu.Unlock()
	e.gone = l.Reason
	if l.Reason == "" {
		return true
	}
	if e.conn != nil {
		e.cut = l.Reason
		conn := e.conn
		after(func() { _ = conn.Close() }) // what carries its bytes hears of it
	}
	return false
}

// ended notes that a connection is over.
func (e *entry) ended(why string) {
	e.mu.Lock()
	defer e.mu.Unlock()
	met := e.cut == ""
	if !met {
		why, e.cut = e.cut, ""
	}
	e.enter(e.idle())
	e.s.Accepted, e.s.Error, e.s.ErrorAt, e.s.Met = false, why, time.Now(), met
	e.log.Debug("a neighbour's connection has ended", "reason", why)
}
