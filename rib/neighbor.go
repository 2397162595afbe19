package rib

import (
	"fmt"
	"net/netip"
	"time"
)

// The timers of a neighbour of which the configuration says nothing: GoBGP's.
const (
	DefaultConnectRetry = 120 * time.Second
	DefaultHoldTime     = 90 * time.Second
)

// Neighbor is a BGP neighbour whose session runs inside a network namespace, or bound to
// an interface there. BGP itself knows it by its alias. Two that are equal in every field
// are the same neighbour.
type Neighbor struct {
	VRF   string
	Netns string // a name below /run/netns, or an absolute path
	// Device binds the sockets to an interface or VRF device of the namespace.
	// "": none.
	Device string
	// Peer is the neighbour's address; a link-local one has its interface as
	// the zone.
	Peer netip.Addr
	// Local is our address towards the peer, of the same family. The address of
	// a link-local peer is link-local too, and takes the peer's zone.
	Local netip.Addr
	// Alias is where the connection to the BGP server comes from: an address in
	// 127.0.0.0/8 that no other neighbour has, GoBGP's neighbor-address.
	Alias netip.Addr
	// Secret is the MD5 key of the connection from Alias to the BGP server;
	// "": none. Any user of the host may send from any address in 127.0.0.0/8,
	// and without a secret may pass for the neighbour.
	Secret string

	Port       uint16 // of the peer; 0 is 179
	ListenPort uint16 // ours; 0 is 179
	// Password is the MD5 key of the session with the peer, at most 80 bytes;
	// "": none.
	Password string
	// TTLSecurity is the least TTL or hop limit that is taken from the peer; we
	// send 255 then (RFC 5082). 0: off.
	TTLSecurity uint8
	// TTL is what we send: 1 for eBGP, the number of hops for multihop eBGP.
	// 0: the system's default.
	TTL uint8
	// FastFailover ends the session when its link goes: of an eBGP neighbour that is
	// directly connected.
	FastFailover bool
	// PassiveOnly leaves the dialling to the peer.
	PassiveOnly bool
	// ConnectRetry is the longest time between two attempts to dial; the first
	// ones follow each other sooner. 0: DefaultConnectRetry.
	ConnectRetry time.Duration
	// HoldTime is BGP's hold time as configured: a peer that acknowledges
	// nothing for so long is given up. 0: DefaultHoldTime.
	HoldTime time.Duration
}

// String names the neighbour for a person. It keeps the secrets out of
// whatever prints a Neighbor.
func (n Neighbor) String() string { return fmt.Sprintf("%v in %s", n.Peer, NetnsText(n.Netns)) }

// GoString does the same for %#v.
func (n Neighbor) GoString() string { return n.String() }
