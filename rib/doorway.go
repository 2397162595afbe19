package rib

import "net/netip"

// Doorway lets it be known who wants to begin a BGP session inside a network namespace, of whom nothing
// is configured yet.
type Doorway struct {
	Netns string     // a name below /run/netns
	Local netip.Addr // our address there, at which it is listened
	From  netip.Prefix
}
