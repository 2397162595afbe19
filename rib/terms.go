package rib

import (
	"net/netip"
	"time"
)

// Terms are what a neighbour may say, and how it is spoken to, beyond GoBGP's own
// keys of a neighbour. The zero value is not the default: see DefaultTerms. A value is
// immutable once it is in a configuration.
type Terms struct {
	// AcceptRTs are the route targets that a session in a VRF may set on its routes,
	// sorted (RFC 4364, 4.3.1 and 7.6); AnyRT lets all of them in.
	AcceptRTs []RT
	AnyRT     bool
	// EnforceFirstAS has an eBGP path whose first AS is not the neighbour's taken for a
	// withdrawal (RFC 4271, 6.3). It is off for a route server's neighbours.
	EnforceFirstAS bool
	// NextHopSelf puts this router's address into what is told to the neighbour.
	NextHopSelf bool
	// AcceptMartians are prefixes of the martians that this neighbour may announce,
	// with everything inside them.
	AcceptMartians []netip.Prefix
	// FastFailover ends the session of an eBGP neighbour that is directly connected when
	// its link goes.
	FastFailover bool
	// RouterAdvertisements has router advertisements sent on the link of a neighbour that is
	// named by its interface.
	RouterAdvertisements bool
	// StaleTime is how long the routes of a neighbour that restarted gracefully wait
	// for its End-of-RIB once it is back; 0: as long as its restart-time.
	StaleTime time.Duration
}

// OneHop is the least TTL of a neighbour that is directly connected (RFC 5082).
const OneHop = 255

// DefaultTerms are those of a neighbour whose section names none of their keys.
func DefaultTerms() Terms { return Terms{EnforceFirstAS: true, FastFailover: true} }
