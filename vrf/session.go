package vrf

import (
	"cmp"
	"fmt"
	"net/netip"
	"strings"
	"time"

	"github.com/vrfredist/vrfredist/rib"
)

// Session is how a BGP neighbour of a VRF fares: a snapshot.
type Session struct {
	Peer   netip.Addr
	PeerAS uint32
	Alias  netip.Addr // by which GoBGP knows it, where that is another address
	Netns  string     // where the session runs; "": the daemon's own
	State  string     // as RFC 4271 names it: idle, active, …, established; or "pending": see Reason
	// Interface is the link of a link-local neighbour; "": the neighbour is no such, or in a
	// namespace. A pending neighbour has no Peer, and is named by its interface.
	Interface string
	Since     time.Time // when it was established; zero: it is not
	Down      time.Time // since when there is no session; zero: there is one, or it is not known
	// Stopped says that there is no session because somebody wants it so: the configuration,
	// or a client of the API.
	Stopped     bool
	Draining    bool       // graceful shutdown is under way (RFC 8326)
	Established int        // how often a session has come up
	Local       netip.Addr // our end of the session; invalid: it is not known
	Families    []string   // those of the session that is up
	Traffic     rib.Traffic
	Heard, Said rib.Notification // the last ones
	Reason      string           // why there is no session, in plain words, where that is known
	Origin      string           // how it came to be a neighbour: "configuration", "dynamic", "another client", or OriginAPI
	// Removed counts the attributes, prefixes and messages of the neighbour that were taken
	// out, by reason. The map is not to be changed.
	Removed map[string]uint64
}

// Name is the neighbour's name for a person: its address, or its interface while it has
// no address yet.
func (s Session) Name() string {
	if !s.Peer.IsValid() {
		return s.Interface
	}
	return s.Peer.String()
}

// OriginAPI is the Origin of a neighbour that the file does not have, and that was applied over the
// API.
const OriginAPI = "api"

// Established is the State of a session that is up.
const Established = "established"

// Lacks tells whether there is no session, and nobody wants it so.
func (s Session) Lacks() bool { return s.State != Established && !s.Stopped }

// BGPName is what BGP calls the neighbour.
func (s Session) BGPName() string {
	if s.Alias.IsValid() {
		return s.Alias.String()
	}
	return s.Peer.String()
}

// Why is the reason without the words that name the neighbour.
func (s Session) Why() string {
	who := rib.Neighbor{Netns: s.Netns, Peer: s.Peer}.String()
	return cmp.Or(strings.TrimPrefix(s.Reason, "no session with "+who+": "), s.State)
}

// FromRelay tells whether the reason is of who carries the session in its namespace, who logs it.
func (s Session) FromRelay() bool { return s.Why() != s.Reason }

// SessionCount is how the BGP neighbours of a VRF fare together.
type SessionCount struct {
	All, Up int    // of those that are to have a session
	Trouble string // who lacks one, and why, in a sentence; "": nobody
}

// CountSessions sums up how the neighbours of a VRF fare.
func CountSessions(all []Session) (c SessionCount) {
	var first *Session
	for i := range all {
		s := &all[i]
		switch {
		case s.Lacks():
			c.All++
			if first == nil {
				first = s
			}
		case s.State == Established:
			c.All, c.Up = c.All+1, c.Up+1
		}
	}
	if first == nil {
		return c
	}
	if c.Trouble = fmt.Sprintf("no session with neighbor %s (%s)", first.Name(), first.Why()); c.All-c.Up > 1 {
		c.Trouble = fmt.Sprintf("no session with %d of %s, with %s among them (%s)", c.All-c.Up, CountOf(c.All, "neighbor"), first.Name(), first.Why())
	}
	return c
}

// Shutdown is how a neighbour's session is ended for longer.
type Shutdown struct {
	Reason   string        // told to the neighbour (RFC 9003)
	Graceful time.Duration // how long before it is to prefer other ways (RFC 8326); 0: it is not
}

// SessionStates counts neighbours by the state of their session.
func SessionStates(neighbors []Session) map[string]int {
	states := make(map[string]int)
	for _, s := range neighbors {
		states[s.State]++
	}
	return states
}
