package rib

import "net/netip"

// Advertising says what neighbours are told of the paths that the neighbours of a VRF sent.
type Advertising struct {
	// Rejects is the policy of which they are not told what it rejects; nil: there is none.
	Rejects Judge
	// Installed: they are told of prefixes that are confirmed alone: see Confirmation.
	Installed bool
}

// Confirmation says whether the kernel forwards by a VRF's route for a prefix, as the VRF means
// it: then neighbours may be told of its paths.
type Confirmation struct {
	Prefix netip.Prefix
	Is     bool
}
