package vrf

import (
	"net/netip"
	"time"
)

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
