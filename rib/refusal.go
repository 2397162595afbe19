package rib

import (
	"net/netip"
	"time"
)

// Refusal is why a neighbour's announcement of a prefix was not taken.
type Refusal struct {
	Prefix    netip.Prefix
	Neighbour string // its address, or an alias's where nobody knows better
	Reason    string
	At        time.Time
}

// Offer is what a neighbour sent of a prefix, and BGP does not have.
type Offer struct {
	Path   Path   // as it was sent, before any policy
	Reason string // why BGP does not have it; "": it is not known
}
