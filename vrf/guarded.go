package vrf

// Guarded counts the messages of a neighbour that the guard before BGP let through,
// rehearsed or changed since the daemon started.
type Guarded struct {
	VRF, Netns string
	Neighbor   string // its own address, where it has an alias too
	// Plain counts UPDATEs that passed as they came, Rehearsed UPDATEs on which GoBGP's
	// own code was tried first.
	Plain, Rehearsed uint64
	// Removed counts by the name of a reason: attributes, prefixes, messages or sessions,
	// according to the reason.
	Removed map[string]uint64
}
