package vrf

import (
	"net/netip"
	"time"
)

// Neighbor is a BGP neighbour whose session runs inside a network namespace, or
// bound to an interface there. BGP itself knows it by its alias.
type Neighbor struct {
	VRF    string
	Netns  string
	Device string // an interface or VRF device that its sockets are bound to; "": none
	Peer   netip.Addr
	Local  netip.Addr // our address towards it
	Alias  netip.Addr // in 127.0.0.0/8: GoBGP's neighbor-address
	Secret string     // MD5 key between the alias and GoBGP

	Port         uint16 // of the peer; 0: 179
	Password     string // MD5 key of the session
	TTLSecurity  uint8  // least TTL taken from the peer; 0: off
	TTL          uint8  // what we send; 0: the system's default
	PassiveOnly  bool
	ConnectRetry time.Duration // 0: GoBGP's default
	HoldTime     time.Duration // 0: GoBGP's default
}

// String names the neighbour for a person, without its secrets.
func (n Neighbor) String() string { return n.Peer.String() + " in netns " + n.Netns }

// GoString does the same for %#v.
func (n Neighbor) GoString() string { return n.String() }

// Session is how a BGP neighbour of a VRF fares: a snapshot.
type Session struct {
	Peer   netip.Addr
	PeerAS uint32
	Alias  netip.Addr // what GoBGP knows it by, where that is another address
	Netns  string     // where the session runs; "": the daemon's own
	State  string     // as RFC 4271 names it: idle, active, …, established; or "pending": see Reason
	// Interface is the one that a link-local neighbour is on; "": it is none, or in a
	// namespace. One that is pending has no Peer, and is named by it.
	Interface string
	Since     time.Time // when it was established; zero: it is not
	Reason    string    // why there is none, in plain words, where that is known
	Origin    string    // how it came to be one: "configuration", "dynamic", "another client"
	// Removed counts what was taken out of what it said, by reason. It is nobody's to
	// change.
	Removed map[string]uint64
}

// Name is what a person calls the neighbour: by its address, or by its interface where
// it has none yet.
func (s Session) Name() string {
	if !s.Peer.IsValid() {
		return s.Interface
	}
	return s.Peer.String()
}
