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
