package vrf

import (
	"net/netip"
	"time"
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
	Reason    string    // why there is no session, in plain words, where that is known
	Origin    string    // how it came to be a neighbour: "configuration", "dynamic", "another client"
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
