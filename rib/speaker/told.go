package speaker

import (
	"net/netip"

	"github.com/vrfredist/vrfredist/rib"
)

// Outcome is what becomes of the VRFs under another configuration, as far as what neighbours are
// told depends on it.
type Outcome struct {
	// Announcing are the announcements that would be others than now: all of them, for whatever
	// reason they are made.
	Announcing Announcing
	// Advertising is what neighbours are told of the paths that others sent, as Speaker.Withhold
	// has it.
	Advertising map[string]rib.Advertising
	// Standing are the VRFs whose routes may become others. Of the rest what their workers have
	// said holds.
	Standing map[string]Standing
}

// Standing is what a VRF's worker would say of its routes.
type Standing struct {
	Unreached map[rib.PathNexthop]struct{} // nexthops of what the VRF's neighbours sent; nil: nothing is said
	Confirmed []netip.Prefix               // those that neighbours may be told of, where they are told of such alone
}

// Told says how what a neighbour is told would change.
type Told struct {
	Neighbor string // by the address that BGP has it under
	VRF      string // Default, of one in none
	PeerAS   uint32

	Announced, Withdrawn, Changed int
	// First are the first changes by prefix, as many as were asked for.
	First []ToldChange
	Notes []string // what cannot be known before
}

// Changes is how many prefixes the neighbour would be told of otherwise.
func (t *Told) Changes() int { return t.Announced + t.Withdrawn + t.Changed }

// ToldChange is one prefix of which a neighbour would be told otherwise: that is Added to what it
// has, or Removed, or Changed.
type ToldChange struct {
	Kind   ChangeKind
	Prefix netip.Prefix
	RD     rib.RD // of a VPN route
	Terms  string // what it would be told of it: the nexthop, the AS path and what else there is
}
