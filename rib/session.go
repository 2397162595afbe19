package rib

import (
	"fmt"
	"time"
)

// Traffic is how much a BGP neighbour has said and was told.
type Traffic struct {
	// Received is how many prefixes the neighbour has announced that are held, whatever
	// policies make of them.
	Received int
	// Accepted is how many of its paths are in BGP's table, and Advertised of how many
	// prefixes it is told. Both are counted when they are asked for; -1: they were not.
	Accepted, Advertised int
	In, Out              Messages
}

// Messages count the messages of a BGP session in one direction, over all its connections
// since BGP has the neighbour.
type Messages struct {
	Total, Open, Update, Notification, Keepalive, Refresh uint64
}

// Notification is a NOTIFICATION of a BGP session (RFC 4271, 4.5).
type Notification struct {
	Code, Subcode uint8
	Text          string // both in words, with what the other side wrote (RFC 9003)
	At            time.Time
}

// String is the NOTIFICATION in words; "": there was none.
func (n Notification) String() string {
	if n.At.IsZero() {
		return ""
	}
	return fmt.Sprintf("%s (%d/%d)", n.Text, n.Code, n.Subcode)
}

// NeighborRoute is a route that a neighbour sent, or is told.
type NeighborRoute struct {
	Prefix string // of another family than unicast and VPN: the route in GoBGP's words
	Family string // ipv4-unicast, l3vpn-ipv4-unicast, …
	RD     string // of a VPN route; "": none
	Path   Path   // without Attrs: it is of a family that has none here
	Terms  string // nexthop, AS path and what else there is, in a line
	// Reason is why what the neighbour sent is not in BGP's table; "": it is.
	Reason string
}

// SoftReset is what is done without an end of the session.
type SoftReset uint8

// The ways of a reset. Hard is the end of the session.
const (
	Hard    SoftReset = 0
	SoftIn  SoftReset = 1 // what came is judged again
	SoftOut SoftReset = 2 // what is told is sent again
)
